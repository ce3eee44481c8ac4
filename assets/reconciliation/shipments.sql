-- reconciliation.shipments for the orders in scope.
INSERT INTO reconciliation.shipments BY NAME
SELECT
    l.sales_order_id, l.position_item_id, p.parcel_id, l.order_day, l.sku,
    p.shipped_at AS dispatched_at,
    p.carrier_raw AS wms_carrier, p.carrier,
    p.number AS wms_tracking_number,
    l.otto_carrier, l.otto_tracking_number,
    p.state AS parcel_state,
    CASE WHEN p.state = 'parked' THEN array_to_string(p.parked_rules, ', ') END AS parked_rules,
    p.deadline_at,
    o.state AS confirmation_state, o.attempts AS confirmation_attempts,
    o.shipment_id AS otto_shipment_id,
    l.otto_status, l.sent_at,
    CASE
        WHEN d.difference_class IS NOT NULL THEN d.difference_class
        WHEN l.otto_status IN ('ANNOUNCED', 'PROCESSABLE') THEN 'in_progress'
        ELSE 'matched'
    END AS difference_class,
    d.kind AS difference_kind
FROM lines AS l
LEFT JOIN parcels_in_scope AS p
    ON p.order_ref = l.sales_order_id AND p.line_id = l.position_item_id
LEFT JOIN messages_in_scope AS o
    ON o.kind = 'otto_shipment' AND o.business_key = p.parcel_id
LEFT JOIN root_causes AS d
    ON d.area = 'shipments'
    AND d.sales_order_id = l.sales_order_id AND d.position_item_id = l.position_item_id
WHERE p.parcel_id IS NOT NULL OR l.confirmed
ORDER BY l.order_day, l.order_key;
