-- Units that came back and of which nobody knows whose they are: always judged as a whole, because
-- they belong to no order. In place of an item stands the warehouse's receipt.
CREATE OR REPLACE TEMP TABLE blind_returns AS
SELECT u.receipt_id, min(u.received_at) AS received_at, count(*) AS units,
    string_agg(DISTINCT u.sku, ', ' ORDER BY u.sku) AS sku,
    string_agg(DISTINCT u.condition, ', ' ORDER BY u.condition) AS condition,
    string_agg(DISTINCT u.disposition, ', ' ORDER BY u.disposition) AS disposition,
    CAST(coalesce(sum(p.price_cents), 0) AS BIGINT) AS cents,
    coalesce(any_value(p.currency), 'EUR') AS currency,
    min(u.received_at) + any_value(r.grace_return_decision) AS due_at,
    any_value(r.as_of) AS as_of
FROM staging.wms_return_units AS u
CROSS JOIN run AS r
LEFT JOIN sku_map AS m ON m.wms_sku = u.sku
LEFT JOIN staging.last_prices AS p ON p.sku = coalesce(m.sku, u.sku)
WHERE u.position_item_id IS NULL AND u.withdrawn_at IS NULL
GROUP BY u.receipt_id;

INSERT INTO candidates BY NAME
SELECT '' AS sales_order_id, receipt_id AS position_item_id, 'return_not_decided' AS kind,
    'blind_return' AS rule, sku, currency, cents AS amount_at_risk_cents, received_at AS since,
    due_at, 'no return known' AS otto_value,
    'received at ' || at_minute(received_at) || ' (' || condition || ', ' || disposition || ')'
        AS wms_value,
    'The warehouse received ' || units || CASE WHEN units = 1 THEN ' unit' ELSE ' units' END
        || ' of ' || sku || ' at ' || at_minute(received_at) || ' (receipt ' || receipt_id
        || '); no order, article or parcel number says whose they are, so nothing can be decided.'
        AS explanation
FROM blind_returns;

DELETE FROM reconciliation.refunds WHERE sales_order_id = '';

INSERT INTO reconciliation.refunds BY NAME
SELECT '' AS sales_order_id, receipt_id AS position_item_id, sku, received_at,
    receipt_id AS wms_receipt_id, condition AS wms_condition, disposition AS wms_disposition,
    currency, CASE WHEN due_at <= as_of THEN 'break' ELSE 'expected' END AS difference_class,
    'return_not_decided' AS difference_kind
FROM blind_returns
ORDER BY receipt_id;
