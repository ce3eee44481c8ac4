-- Orders of which any line has a fingerprint that the other side has not: all others are settled
-- and agree. This is the only step that reads the whole history, and it reads two numbers a line.
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT DISTINCT
    coalesce(o.order_day, w.order_day) AS order_day,
    coalesce(o.order_key, w.order_key) AS order_key
FROM staging.otto_fingerprints AS o
FULL JOIN staging.wms_fingerprints AS w
    ON o.order_day = w.order_day AND o.line_hash = w.line_hash
WHERE o.line_hash IS NULL OR w.line_hash IS NULL
-- Fingerprints know nothing of receipts and returns; what differs there is due or is a break.
UNION SELECT order_day, order_key FROM staging.open_orders
UNION SELECT order_day, hash(sales_order_id)
FROM reconciliation.breaks
WHERE status <> 'resolved' AND order_day IS NOT NULL;
