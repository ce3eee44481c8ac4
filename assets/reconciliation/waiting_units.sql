-- staging.waiting_units for the orders in scope: units that OTTO expects and that the warehouse may
-- still have to take off a shelf.
INSERT INTO staging.waiting_units BY NAME
SELECT sales_order_id, position_item_id, sku, ordered_at
FROM lines
WHERE otto_status IN ('ANNOUNCED', 'PROCESSABLE') AND NOT dispatched
    AND coalesce(wms_status, 'NEW') NOT IN ('PICKED', 'CANCELLED')
    AND NOT coalesce(wms_status = 'SHORT' AND short_discrepancy <> 'BACKORDER', false);
