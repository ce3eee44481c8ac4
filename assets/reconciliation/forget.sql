-- Remove the rows of the orders in scope, to be written anew.
--
-- An order that OTTO does not know stands under a day that depends on what the WMS told last, so
-- its former rows may stand under another one.
INSERT INTO judged
SELECT order_day, sales_order_id FROM lines
UNION SELECT order_day, order_ref FROM scope WHERE order_ref IS NOT NULL
UNION SELECT t.order_day, t.sales_order_id
FROM reconciliation.order_lines AS t
SEMI JOIN (SELECT sales_order_id FROM lines UNION ALL SELECT order_ref FROM scope) AS s
    USING (sales_order_id)
WHERE t.otto_status IS NULL;

INSERT INTO changed_rows BY NAME
SELECT -1 AS sign, sales_order_id, order_day, coalesce(sku, sku_wms, sku_sent) AS sku, carrier,
    otto_status, dispatched_at, difference_class
FROM reconciliation.order_lines SEMI JOIN judged USING (order_day, sales_order_id);

DELETE FROM reconciliation.order_lines AS t USING judged AS j
WHERE t.order_day = j.order_day AND t.sales_order_id = j.sales_order_id;

DELETE FROM reconciliation.shipments AS t USING judged AS j
WHERE t.order_day = j.order_day AND t.sales_order_id = j.sales_order_id;

DELETE FROM reconciliation.prices AS t USING judged AS j
WHERE t.order_day = j.order_day AND t.sales_order_id = j.sales_order_id;

DELETE FROM reconciliation.refunds AS t USING judged AS j
WHERE t.order_day = j.order_day AND t.sales_order_id = j.sales_order_id;

DELETE FROM reconciliation.fulfilment_status AS t USING judged AS j
WHERE t.order_day = j.order_day AND t.sales_order_id = j.sales_order_id;

DELETE FROM staging.open_orders WHERE order_ref IN (SELECT sales_order_id FROM judged);

DELETE FROM staging.waiting_units WHERE sales_order_id IN (SELECT sales_order_id FROM judged);
