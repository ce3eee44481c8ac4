-- Both sides of every item in scope of which money went back or may have to: what the warehouse
-- received, what was decided, what OTTO says of the return, and what its receipts gave back.
CREATE OR REPLACE TEMP TABLE reduction AS
FROM staging.price_reductions SEMI JOIN scope USING (order_key) WHERE of_scope(order_day);

CREATE OR REPLACE TEMP TABLE reduction_request AS
SELECT r.*, m.state AS message_state
FROM (FROM staging.price_reduction_requests SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS r
LEFT JOIN messages_in_scope AS m ON m.kind = 'otto_price_reduction' AND m.business_key = r.request_id;

CREATE OR REPLACE TEMP TABLE refund_sides AS
WITH told AS (FROM staging.otto_returns SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)),
decision AS (FROM staging.return_decisions SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)),
-- Of several receipts of one unit the latest tells its state, the first began the waiting.
received AS (
    SELECT sales_order_id, position_item_id, min(received_at) AS received_at,
        max(struct_pack(received_at, receipt_id, unit_no, condition, disposition)) AS latest
    FROM (FROM staging.wms_return_units SEMI JOIN scope USING (order_key) WHERE of_scope(order_day))
    WHERE position_item_id IS NOT NULL AND withdrawn_at IS NULL
    GROUP BY ALL
),
reduced AS (
    SELECT sales_order_id, position_item_id,
        CAST(sum(amount_cents) FILTER (status = 'PROCESSED') AS BIGINT) AS reduced_cents,
        bool_or(status = 'INITIATED') AS reduction_waits
    FROM reduction
    GROUP BY ALL
),
concerned AS (
    SELECT sales_order_id, position_item_id FROM told
    UNION SELECT sales_order_id, position_item_id FROM received
    UNION SELECT sales_order_id, position_item_id FROM decision
    UNION SELECT sales_order_id, position_item_id FROM reduction
    UNION SELECT sales_order_id, position_item_id FROM reduction_request
    UNION SELECT sales_order_id, position_item_id FROM receipt_sides
        WHERE refunded_cents IS NOT NULL OR partially_refunded_cents IS NOT NULL
    UNION SELECT sales_order_id, position_item_id FROM lines WHERE otto_status = 'RETURNED'
    UNION SELECT sales_order_id, position_item_id
        FROM receipt_sides JOIN lines USING (sales_order_id, position_item_id)
        WHERE cancelled AND charged_cents > 0
)
SELECT l.sales_order_id, l.position_item_id, l.order_day, l.sku, l.line_carrier, l.currency,
    l.otto_status, l.cancelled, l.cancelled_since, l.buyer_price_cents,
    t.status AS return_status, t.return_reason, t.occurred_at AS return_status_at,
    w.received_at, w.latest.receipt_id AS wms_receipt_id, w.latest.condition AS wms_condition,
    w.latest.disposition AS wms_disposition,
    d.decision, d.basis AS decision_basis, d.decided_at, m.state AS decision_state,
    s.charged_cents, s.refunded_cents, s.refunded_at, s.refund_receipt,
    coalesce(s.partially_refunded_cents, 0) AS partially_refunded_cents,
    coalesce(p.reduced_cents, 0) AS reduced_cents,
    coalesce(p.reduction_waits, false) AS reduction_waits,
    -- Accepted, returned, or cancelled after it was charged: the buyer gets all of it back.
    coalesce(t.status = 'ACCEPTED', false) OR l.otto_status = 'RETURNED'
        OR (l.cancelled AND coalesce(s.charged_cents, 0) > 0) AS refund_is_due,
    CASE WHEN t.status = 'ACCEPTED' THEN t.occurred_at
        WHEN l.cancelled THEN l.cancelled_since
        ELSE coalesce(l.returned_at, t.occurred_at, l.confirmed_since) END AS refund_due_since,
    -- A refund is the price less what went back before; a refund says itself what that was, where
    -- the purchase is older than the receipts that we have read.
    CASE WHEN s.charged_cents IS NULL
            THEN l.buyer_price_cents - greatest(
                coalesce(s.reduced_before_cents, 0), coalesce(s.partially_refunded_cents, 0))
        ELSE s.charged_cents - coalesce(s.partially_refunded_cents, 0) END AS refundable_cents
FROM concerned
JOIN lines AS l USING (sales_order_id, position_item_id)
LEFT JOIN told AS t USING (sales_order_id, position_item_id)
LEFT JOIN received AS w USING (sales_order_id, position_item_id)
LEFT JOIN decision AS d USING (sales_order_id, position_item_id)
LEFT JOIN reduced AS p USING (sales_order_id, position_item_id)
LEFT JOIN receipt_sides AS s USING (sales_order_id, position_item_id)
LEFT JOIN messages_in_scope AS m ON m.kind = 'otto_return'
    AND m.business_key = concat_ws('/', d.sales_order_id, d.position_item_id, d.decision)
WHERE l.otto_status IS NOT NULL;
