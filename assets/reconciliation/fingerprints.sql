-- Fingerprints of both sides of the orders in scope: one hash per line over its identity and over
-- all that is compared. Where both sides are settled and agree the hashes are equal; what differs,
-- or may differ later, has a hash that the other side has not.
--
-- What the WMS does not tell (a price, a currency) counts as what we sent. Items that OTTO
-- cancelled and lines that the WMS closed have no hash: each is fine unless the other side is still
-- open, and that one then stands alone.
INSERT INTO staging.otto_fingerprints BY NAME
SELECT order_day, order_key,
    hash(
        sales_order_id, position_item_id,
        CASE WHEN fulfilment_status IN ('SENT', 'RETURNED') THEN 'gone' ELSE fulfilment_status END,
        CAST(NULL AS VARCHAR), buyer_price_cents, currency,
        otto_carrier, bare(otto_tracking_number)
    ) AS line_hash
FROM staging.position_items SEMI JOIN scope USING (order_key)
WHERE of_scope(order_day) AND fulfilment_status NOT LIKE 'CANCELLED%'
ORDER BY order_day;

INSERT INTO staging.wms_fingerprints BY NAME
WITH listed AS (
    FROM staging.wms_order_lines SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)
),
parcel AS (
    SELECT l.order_day, l.order_key, l.order_ref, l.line_id, p.parcel_id, p.shipped_at, p.carrier,
        bare(coalesce(p.corrected_tracking_number, p.tracking_number)) AS number
    FROM (FROM staging.parcel_lines SEMI JOIN scope USING (order_key) WHERE of_scope(order_day))
        AS l
    JOIN (FROM staging.parcels SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS p
        USING (parcel_id)
),
-- Few lines are in several parcels, and only these have to be ranked.
several AS (
    SELECT order_key, line_id FROM parcel GROUP BY ALL HAVING count(*) > 1
),
latest_parcel AS (
    FROM parcel ANTI JOIN several USING (order_key, line_id)
    UNION ALL
    FROM parcel SEMI JOIN several USING (order_key, line_id)
    QUALIFY row_number() OVER (
        PARTITION BY order_ref, line_id ORDER BY shipped_at DESC, parcel_id
    ) = 1
),
line AS (
    SELECT coalesce(l.order_day, p.order_day) AS order_day,
        coalesce(l.order_key, p.order_key) AS order_key,
        coalesce(l.order_ref, p.order_ref) AS order_ref, coalesce(l.line_id, p.line_id) AS line_id,
        CASE WHEN p.order_ref IS NOT NULL OR l.state = 'SHIPPED' THEN 'gone'
            WHEN l.state = 'CANCELLED'
                OR (l.state = 'SHORT' AND coalesce(l.short_discrepancy, '') <> 'BACKORDER')
                THEN 'closed'
            ELSE 'WMS ' || l.state END AS state,
        nullif(coalesce(l.sku_seen, l.sku_sent), l.sku_sent) AS other_sku,
        coalesce(l.price_seen_cents, l.price_sent_cents) AS price_cents,
        coalesce(l.currency_seen, 'EUR') AS currency,
        p.carrier, p.number
    FROM listed AS l
    FULL JOIN latest_parcel AS p ON p.order_ref = l.order_ref AND p.line_id = l.line_id
    UNION ALL BY NAME
    -- A whole order that OTTO does not know: no line of OTTO can have its hash.
    SELECT order_day, order_key, order_ref, '' AS line_id, 'WMS order' AS state
    FROM staging.wms_orders SEMI JOIN scope USING (order_key)
    WHERE order_day = unknown_day() AND present
)
SELECT order_day, order_key,
    hash(order_ref, line_id, state, other_sku, price_cents, currency, carrier, number) AS line_hash
FROM line
WHERE state <> 'closed'
ORDER BY order_day;
