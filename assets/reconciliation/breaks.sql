-- reconciliation.breaks and break_history for the orders in scope.
--
-- A break keeps its row for ever: what is found again is opened again, what is gone is resolved, and
-- what a person accepted stays accepted while both sides say the same.
CREATE OR REPLACE TEMP TABLE break_events AS
SELECT r.*, as_of,
    CASE
        WHEN r.amount_at_risk_cents >= material_cents THEN 'high'
        WHEN r.amount_at_risk_cents * 10 >= material_cents THEN 'medium'
        ELSE 'low'
    END AS severity,
    CASE
        WHEN b.break_id IS NULL THEN 'opened'
        WHEN b.status = 'resolved' THEN 'reopened'
        WHEN (b.otto_value, b.wms_value, b.amount_at_risk_cents, b.currency, b.sku)
            IS NOT DISTINCT FROM
            (r.otto_value, r.wms_value, r.amount_at_risk_cents, r.currency, r.sku) THEN 'unchanged'
        WHEN b.status = 'accepted' THEN 'reopened'
        ELSE 'value_changed'
    END AS event
FROM root_causes AS r
CROSS JOIN run
LEFT JOIN reconciliation.breaks AS b USING (break_id)
WHERE r.is_break
UNION ALL BY NAME
SELECT b.break_id, b.kind, b.otto_value, b.wms_value, b.amount_at_risk_cents, b.currency, as_of,
    'resolved' AS event
FROM reconciliation.breaks AS b
CROSS JOIN run
SEMI JOIN scope AS s ON b.sales_order_id = s.order_ref
ANTI JOIN (FROM root_causes WHERE is_break) AS r USING (break_id)
WHERE b.status <> 'resolved';

INSERT INTO reconciliation.break_history BY NAME
SELECT break_id, event, as_of AS happened_at, kind, otto_value, wms_value, amount_at_risk_cents, currency
FROM break_events
WHERE event <> 'unchanged'
ORDER BY break_id;

MERGE INTO reconciliation.breaks AS b
USING break_events AS e ON b.break_id = e.break_id
WHEN MATCHED AND e.event = 'resolved' THEN UPDATE SET status = 'resolved', resolved_at = e.as_of
WHEN MATCHED THEN UPDATE SET
    sku = e.sku, order_day = e.order_day, otto_value = e.otto_value, wms_value = e.wms_value,
    amount_at_risk_cents = e.amount_at_risk_cents,
    amount_at_risk = money(e.amount_at_risk_cents), currency = e.currency,
    severity = e.severity, owner = e.owner, explanation = e.explanation, remedy = e.remedy,
    last_seen_at = e.as_of, resolved_at = NULL,
    status = CASE WHEN e.event = 'unchanged' THEN b.status ELSE 'open' END
WHEN NOT MATCHED THEN INSERT (
    break_id, kind, area, sales_order_id, position_item_id, sku, order_day, otto_value, wms_value,
    amount_at_risk_cents, amount_at_risk, currency, severity, owner, first_seen_at, last_seen_at,
    resolved_at, status, explanation, remedy
) VALUES (
    e.break_id, e.kind, e.area, e.sales_order_id, e.position_item_id, e.sku, e.order_day,
    e.otto_value, e.wms_value, e.amount_at_risk_cents, money(e.amount_at_risk_cents), e.currency,
    e.severity, e.owner, e.as_of, e.as_of, NULL, 'open', e.explanation, e.remedy
);
