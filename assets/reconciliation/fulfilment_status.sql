-- reconciliation.fulfilment_status for the orders in scope: every item of OTTO in plain words.
-- Which status it is, and the words, stand in assets/rules/fulfilment_status.py.
INSERT INTO reconciliation.fulfilment_status BY NAME
SELECT
    l.order_number, l.sales_order_id, l.position_item_id, l.order_day, l.sku,
    s.status, s.meaning, s.next_step, s.tell_buyer, s.escalate_to,
    l.otto_status, l.wms_status,
    l.parcel_id, coalesce(l.carrier, l.carrier_raw) AS carrier, l.tracking_number,
    l.tracking_url AS tracking_link,
    l.dispatched_at, l.expected_delivery_at, l.ship_by_at
FROM lines AS l
LEFT JOIN refund_sides AS r USING (sales_order_id, position_item_id)
JOIN fulfilment_statuses AS s ON s.status = fulfilment_status(
    l.otto_status, l.wms_status, l.short_discrepancy, l.parcel_state, l.confirmation_state,
    l.submission_state, l.wms_denies, l.order_waits, r.return_status, r.received_at IS NOT NULL
)
WHERE l.otto_status IS NOT NULL
ORDER BY l.order_day, l.order_key;
