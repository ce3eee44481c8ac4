-- reconciliation.order_lines for the orders in scope; what was written is counted afterwards.
CREATE OR REPLACE TEMP TABLE new_rows AS
WITH difference AS (
    SELECT sales_order_id, position_item_id, bool_or(is_break) AS any_break,
        string_agg(kind, ', ' ORDER BY precedence) AS difference_kinds
    FROM root_causes
    GROUP BY ALL
)
SELECT
    l.sales_order_id, l.position_item_id, l.order_number, l.order_day,
    l.otto_status, l.wms_status, l.wms_order_id,
    l.sku, l.sku_sent, l.sku_seen AS sku_wms,
    l.currency,
    l.line_carrier AS carrier, l.buyer_price_cents, money(l.buyer_price_cents) AS buyer_price,
    l.price_seen_cents AS wms_price_cents, money(l.price_seen_cents) AS wms_price,
    CASE WHEN l.otto_status <> 'ANNOUNCED' THEN l.processable_at END AS processable_at,
    l.submitted_at, l.dispatched_at, l.sent_at, l.cancelled_at, l.ship_by_at,
    l.page_ref AS evidence_page,
    CASE
        WHEN d.any_break THEN 'break'
        WHEN d.any_break IS NOT NULL THEN 'expected'
        WHEN l.otto_status IN ('ANNOUNCED', 'PROCESSABLE') THEN 'in_progress'
        ELSE 'matched'
    END AS difference_class,
    d.difference_kinds
FROM lines AS l
LEFT JOIN difference AS d USING (sales_order_id, position_item_id)
ORDER BY l.order_day, l.order_key;

INSERT INTO reconciliation.order_lines BY NAME FROM new_rows;

INSERT INTO changed_rows BY NAME
SELECT 1 AS sign, sales_order_id, order_day, coalesce(sku, sku_wms, sku_sent) AS sku, carrier,
    otto_status, dispatched_at, difference_class
FROM new_rows;
