-- Both sides of every line in scope, side by side: the one input of all comparisons.
--
-- A line is OTTO's position item and the WMS's order line of the same id. Lines that only the WMS
-- knows are kept, also such that are known from a parcel alone; a WMS order without any line that
-- OTTO does not know either is one line with an empty id. Of several parcels with the same item the
-- one whose number OTTO holds counts, else the latest.
--
-- The history is looked through for one number only; whatever else is read is of orders in scope.
CREATE OR REPLACE TEMP TABLE parcels_in_scope AS
SELECT l.order_ref, l.line_id, l.order_day, l.order_key, l.recorded_at, p.parcel_id, p.carrier_raw,
    p.carrier, coalesce(p.corrected_tracking_number, p.tracking_number) AS number, p.shipped_at,
    p.tracking_url, p.state, p.parked_rules, p.deadline_at
FROM (FROM staging.parcel_lines SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS l
JOIN (FROM staging.parcels SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS p
    USING (parcel_id);

CREATE OR REPLACE TEMP TABLE messages_in_scope AS
SELECT kind, business_key, state, attempts, shipment_id
FROM staging.outbox SEMI JOIN scope USING (order_key) WHERE of_scope(order_day);

CREATE OR REPLACE TEMP TABLE lines AS
WITH announced AS (
    SELECT sales_order_id FROM staging.position_items SEMI JOIN scope USING (order_key)
    WHERE of_scope(order_day) AND fulfilment_status = 'ANNOUNCED'
),
item AS (
    SELECT i.*, o.order_number, o.ordered_at, o.lifecycle_changed_at, o.first_seen_at,
        o.discount_reading, o.page_ref,
        i.sales_order_id IN (FROM announced) AS order_waits
    FROM (FROM staging.position_items SEMI JOIN scope USING (order_key) WHERE of_scope(order_day))
        AS i
    JOIN (FROM staging.orders SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS o
        USING (sales_order_id)
),
wms_order AS (FROM staging.wms_orders SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)),
listed_line AS (
    FROM staging.wms_order_lines SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)
),
wms_line AS (
    SELECT order_ref, line_id, state, sku_sent, price_sent_cents, sku_seen, price_seen_cents,
        currency_seen, short_discrepancy, order_day, order_key, recorded_at
    FROM listed_line
    UNION ALL BY NAME
    SELECT order_ref, line_id, 'SHIPPED' AS state, order_day, order_key,
        max(recorded_at) AS recorded_at
    FROM parcels_in_scope ANTI JOIN listed_line USING (order_ref, line_id)
    GROUP BY order_ref, line_id, order_day, order_key
    UNION ALL BY NAME
    SELECT order_ref, '' AS line_id, 'NEW' AS state, order_day, order_key, recorded_at
    FROM wms_order
        ANTI JOIN listed_line USING (order_ref)
        ANTI JOIN parcels_in_scope USING (order_ref)
    WHERE present AND order_day = unknown_day()
),
-- Orders that the WMS answered with other lines only.
other_lines AS (
    SELECT DISTINCT order_ref
    FROM listed_line
        SEMI JOIN (FROM listed_line WHERE state = 'NEW' AND sku_seen IS NULL) USING (order_ref)
    WHERE sku_seen IS NOT NULL
),
-- Few lines are in several parcels, and only these have to be ranked.
several AS (
    SELECT order_key, line_id FROM parcels_in_scope GROUP BY ALL HAVING count(*) > 1
),
main_parcel AS (
    FROM parcels_in_scope ANTI JOIN several USING (order_key, line_id)
    UNION ALL
    SELECT p.*
    FROM (FROM parcels_in_scope SEMI JOIN several USING (order_key, line_id)) AS p
    LEFT JOIN item AS i ON p.order_ref = i.sales_order_id AND p.line_id = i.position_item_id
    QUALIFY row_number() OVER (
        PARTITION BY p.order_ref, p.line_id
        ORDER BY coalesce(same_number(p.number, i.otto_tracking_number), false) DESC,
            p.shipped_at DESC, p.parcel_id
    ) = 1
)
SELECT
    coalesce(i.sales_order_id, w.order_ref) AS sales_order_id,
    coalesce(i.position_item_id, w.line_id) AS position_item_id,
    coalesce(i.order_key, w.order_key) AS order_key,
    i.order_number,
    i.ordered_at,
    coalesce(i.order_day, w.order_day) AS staged_day,
    coalesce(
        i.order_day,
        nullif(w.order_day, unknown_day()),
        CAST(timezone('Europe/Berlin', coalesce(wo.submitted_at, wo.last_event_at, w.recorded_at))
            AS DATE)
    ) AS order_day,
    i.fulfilment_status AS otto_status,
    coalesce(i.fulfilment_status, '') IN ('SENT', 'RETURNED') AS confirmed,
    coalesce(i.fulfilment_status LIKE 'CANCELLED%', false) AS cancelled,
    coalesce(i.order_waits, false) AS order_waits,
    i.sku,
    i.currency,
    i.gross_cents,
    i.order_discount_share_cents,
    i.buyer_price_cents,
    coalesce(i.processable_at, i.first_seen_at) AS processable_at,
    i.cancelled_at,
    coalesce(i.cancelled_at, i.lifecycle_changed_at) AS cancelled_since,
    i.sent_at,
    i.returned_at,
    coalesce(i.sent_at, i.returned_at, i.lifecycle_changed_at) AS confirmed_since,
    i.otto_carrier,
    i.otto_tracking_number,
    i.ship_by_at,
    i.expected_delivery_at,
    i.discount_reading,
    coalesce(i.page_ref, o.page_ref) AS page_ref,
    w.state AS wms_status,
    coalesce(
        w.state = 'CANCELLED'
            OR (w.state = 'SHORT' AND coalesce(w.short_discrepancy, '') <> 'BACKORDER'),
        false
    ) AS wms_closed,
    w.short_discrepancy,
    w.sku_sent,
    w.sku_seen,
    w.price_sent_cents,
    w.price_seen_cents,
    w.currency_seen,
    wo.wms_order_id,
    wo.submitted_at,
    coalesce(wo.last_event_at, w.recorded_at) AS wms_changed_at,
    -- An answer from before the latest submission says nothing of that submission.
    NOT coalesce(wo.present, true)
        AND coalesce(wo.audited_at >= wo.submitted_at, true) AS wms_denies,
    -- Any sign of life: the line moved, the WMS named it, or it spoke of the order and has not
    -- answered our question for the order with other lines only.
    w.state IS NOT NULL AND (
        w.state <> 'NEW'
        OR w.sku_seen IS NOT NULL
        OR (
            coalesce(wo.present, false)
            AND (wo.last_event_at IS NOT NULL OR wo.audited_at IS NOT NULL)
            AND NOT (wo.audited_at IS NOT NULL AND w.order_ref IN (FROM other_lines))
        )
    ) AS wms_has_it,
    sub.state AS submission_state,
    p.parcel_id IS NOT NULL OR coalesce(w.state = 'SHIPPED', false) AS dispatched,
    CASE WHEN p.parcel_id IS NOT NULL THEN p.shipped_at
        WHEN w.state = 'SHIPPED' THEN coalesce(wo.last_event_at, w.recorded_at) END
        AS dispatched_at,
    p.parcel_id,
    p.carrier_raw,
    p.carrier,
    coalesce(p.carrier, i.otto_carrier) AS line_carrier,
    p.number AS tracking_number,
    p.tracking_url,
    p.state AS parcel_state,
    CASE WHEN p.state = 'parked' THEN coalesce(p.parked_rules, []) ELSE [] END AS parked_rules,
    confirmation.state AS confirmation_state,
    -- The latest moment, in business time, at which anything happened to the item.
    greatest(
        i.processable_at, wo.submitted_at, wo.last_event_at, p.shipped_at,
        CASE WHEN confirmed THEN confirmed_since WHEN cancelled THEN cancelled_since END
    ) AS happened_at
FROM item AS i
FULL JOIN wms_line AS w
    ON i.sales_order_id = w.order_ref AND i.position_item_id = w.line_id
LEFT JOIN (FROM staging.orders SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS o
    ON o.sales_order_id = w.order_ref
LEFT JOIN wms_order AS wo
    ON wo.order_ref = coalesce(i.sales_order_id, w.order_ref)
LEFT JOIN messages_in_scope AS sub
    ON sub.kind = 'wms_order' AND sub.business_key = i.sales_order_id
LEFT JOIN main_parcel AS p
    ON p.order_ref = coalesce(i.sales_order_id, w.order_ref)
    AND p.line_id = coalesce(i.position_item_id, w.line_id)
LEFT JOIN messages_in_scope AS confirmation
    ON confirmation.kind = 'otto_shipment' AND confirmation.business_key = p.parcel_id;
