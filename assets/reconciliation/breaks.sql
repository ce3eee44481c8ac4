-- reconciliation.breaks and break_history for the orders in scope, and for what belongs to none
-- (stock, returns without an owner).
--
-- A break keeps its row for ever: what is found again is opened again, what is gone is resolved,
-- what a person accepted stays accepted while both sides say the same. Each event says when we knew
-- (`happened_at`) and from when on it is true (`effective_at`): never before the event before it.
CREATE OR REPLACE TEMP TABLE break_events AS
WITH found AS (
    SELECT r.*,
        CASE
            WHEN b.break_id IS NULL THEN 'opened'
            WHEN b.status = 'resolved' THEN 'reopened'
            WHEN (b.otto_value, b.wms_value, b.amount_at_risk_cents, b.currency, b.sku)
                IS NOT DISTINCT FROM
                (r.otto_value, r.wms_value, r.amount_at_risk_cents, r.currency, r.sku)
                THEN 'unchanged'
            WHEN b.status = 'accepted' THEN 'reopened'
            ELSE 'value_changed'
        END AS event,
        b.status AS status_before, b.since_at AS since_before, b.effective_at AS effective_before,
        b.fact_at AS fact_before
    FROM root_causes AS r
    LEFT JOIN reconciliation.breaks AS b USING (break_id)
    WHERE r.is_break
    UNION ALL BY NAME
    SELECT b.break_id, b.kind, b.otto_value, b.wms_value, b.amount_at_risk_cents, b.currency,
        'resolved' AS event, b.effective_at AS effective_before, b.fact_at AS fact_before
    FROM reconciliation.breaks AS b
    CROSS JOIN run
    ANTI JOIN (FROM root_causes WHERE is_break) AS r USING (break_id)
    WHERE b.status <> 'resolved'
        AND (everything OR b.sales_order_id = ''
            OR b.sales_order_id IN (SELECT sales_order_id FROM judged))
)
SELECT f.* REPLACE (
        -- A break that lasts began when it first began.
        CASE WHEN status_before IN ('open', 'accepted') THEN coalesce(since_before, f.since_at)
            ELSE f.since_at END AS since_at
    ),
    as_of,
    CASE
        WHEN f.amount_at_risk_cents >= material_cents THEN 'high'
        WHEN f.amount_at_risk_cents * 10 >= material_cents THEN 'medium'
        ELSE 'low'
    END AS severity,
    least(as_of, greatest(
        effective_before,
        CASE
            WHEN event = 'unchanged' THEN effective_before
            WHEN event = 'opened' OR status_before = 'resolved'
                THEN coalesce(f.due_at, f.since_at, as_of)
            WHEN h.happened_at IS DISTINCT FROM fact_before THEN coalesce(h.happened_at, as_of)
            ELSE as_of
        END
    )) AS effective_at
FROM found AS f
CROSS JOIN run
LEFT JOIN happened AS h USING (break_id);

INSERT INTO reconciliation.break_history BY NAME
SELECT break_id, event, as_of AS happened_at, effective_at, kind, otto_value, wms_value,
    amount_at_risk_cents, currency
FROM break_events
WHERE event <> 'unchanged'
ORDER BY break_id;

MERGE INTO reconciliation.breaks AS b
USING (FROM break_events WHERE event <> 'unchanged') AS e ON b.break_id = e.break_id
WHEN MATCHED AND e.event = 'resolved' THEN UPDATE SET
    status = 'resolved', resolved_at = e.as_of, effective_at = e.effective_at,
    overdue = false, materiality_rank = NULL
WHEN MATCHED THEN UPDATE SET
    rule = e.rule, sku = e.sku, carrier = e.carrier, order_day = e.order_day,
    otto_value = e.otto_value, wms_value = e.wms_value,
    amount_at_risk_cents = e.amount_at_risk_cents,
    amount_at_risk = money(e.amount_at_risk_cents), currency = e.currency,
    severity = e.severity, owner = e.owner, explanation = e.explanation, remedy = e.remedy,
    since_at = e.since_at, effective_at = e.effective_at, fact_at = e.happened_at,
    resolved_at = NULL, status = 'open'
WHEN NOT MATCHED THEN INSERT (
    break_id, kind, area, rule, sales_order_id, position_item_id, sku, carrier, order_day,
    otto_value, wms_value, amount_at_risk_cents, amount_at_risk, currency, severity, owner,
    since_at, effective_at, fact_at, first_seen_at, last_seen_at, status, explanation, remedy
) VALUES (
    e.break_id, e.kind, e.area, e.rule, e.sales_order_id, e.position_item_id, e.sku, e.carrier,
    e.order_day, e.otto_value, e.wms_value, e.amount_at_risk_cents, money(e.amount_at_risk_cents),
    e.currency, e.severity, e.owner, e.since_at, e.effective_at, e.happened_at, e.as_of, e.as_of,
    'open', e.explanation, e.remedy
);

-- The same difference may be said in other words, or be judged by another rule or amount.
MERGE INTO reconciliation.breaks AS b
USING (FROM break_events WHERE event = 'unchanged') AS e
ON b.break_id = e.break_id
    AND (b.rule, b.carrier, b.order_day, b.severity, b.owner, b.explanation, b.remedy, b.fact_at)
        IS DISTINCT FROM
        (e.rule, e.carrier, e.order_day, e.severity, e.owner, e.explanation, e.remedy,
            e.happened_at)
WHEN MATCHED THEN UPDATE SET
    rule = e.rule, carrier = e.carrier, order_day = e.order_day, severity = e.severity,
    owner = e.owner, explanation = e.explanation, remedy = e.remedy, fact_at = e.happened_at;
