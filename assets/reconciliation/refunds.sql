-- reconciliation.refunds for the orders in scope: every item with anything to do with money back.
INSERT INTO reconciliation.refunds BY NAME
SELECT
    s.sales_order_id, s.position_item_id, s.order_day, s.sku, s.otto_status,
    s.return_status, s.return_reason, s.return_status_at,
    s.wms_receipt_id, s.received_at, s.wms_condition, s.wms_disposition,
    s.decision, s.decision_basis, s.decided_at, s.decision_state,
    s.currency, s.charged_cents, s.refunded_cents, s.partially_refunded_cents, s.reduced_cents,
    s.charged_cents - coalesce(s.refunded_cents, 0) - s.partially_refunded_cents AS kept_cents,
    money(s.charged_cents) AS charged, money(s.refunded_cents) AS refunded,
    money(s.partially_refunded_cents) AS partially_refunded, money(kept_cents) AS kept,
    s.refund_receipt, s.refunded_at,
    CASE
        WHEN d.difference_class IS NOT NULL THEN d.difference_class
        WHEN s.reduction_waits OR s.return_status IN ('ANNOUNCED', 'MISDIRECTED')
            THEN 'in_progress'
        ELSE 'matched'
    END AS difference_class,
    d.kind AS difference_kind
FROM refund_sides AS s
LEFT JOIN root_causes AS d
    ON d.area = 'refunds'
    AND d.sales_order_id = s.sales_order_id AND d.position_item_id = s.position_item_id
ORDER BY s.order_day, s.sales_order_id, s.position_item_id;
