-- Every difference of every line in scope, one SELECT per rule, before the root cause is chosen.
--
-- `since` is when the difference began, `due_at` when it becomes a break: null at once, else the
-- end of its time of grace. Nothing here depends on the present moment except `late_shipment`,
-- which has no grace.
INSERT INTO candidates BY NAME
WITH line AS (
    SELECT l.*, r.* REPLACE (
        coalesce(g.confirmation, r.grace_confirmation) AS grace_confirmation,
        coalesce(g.confirmed_not_dispatched, r.grace_confirmed_not_dispatched)
            AS grace_confirmed_not_dispatched
    )
    FROM lines AS l
    CROSS JOIN run AS r
    LEFT JOIN carrier_grace AS g ON g.carrier = l.line_carrier
),
shown AS (
    SELECT *,
        coalesce('line is ' || wms_status, 'no such line') AS wms_words,
        CASE WHEN parcel_id IS NULL THEN 'the line is SHIPPED, without a parcel'
            ELSE 'parcel ' || parcel_id || ' left at ' || at_minute(dispatched_at) END AS left_words
    FROM line
),

-- orders
unknown_to_otto AS (
    SELECT *, 'unknown_to_otto' AS rule, 'unknown_to_otto' AS kind,
        wms_changed_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        'no such item' AS otto_value, wms_words AS wms_value,
        CASE WHEN position_item_id = '' THEN 'The WMS has this order, OTTO does not know it.'
            ELSE 'The WMS has this line (SKU ' || coalesce(sku_seen, sku_sent, 'not given')
                || ', ' || wms_status || '), OTTO does not know it.' END AS explanation
    FROM shown
    WHERE otto_status IS NULL AND NOT wms_closed AND NOT wms_denies
),
cancelled_in_otto_open_in_wms AS (
    SELECT *, 'cancelled_in_otto_open_in_wms' AS rule, 'cancelled_in_otto_open_in_wms' AS kind,
        cancelled_since AS since,
        CASE WHEN NOT dispatched THEN cancelled_since + grace_cancellation END AS due_at,
        otto_status AS otto_value, wms_words AS wms_value,
        'OTTO cancelled the item at ' || at_minute(cancelled_since) || '; in the WMS '
            || CASE WHEN dispatched THEN left_words ELSE 'the line is still ' || wms_status END
            || '.' AS explanation
    FROM shown
    WHERE cancelled AND wms_status IS NOT NULL AND NOT wms_denies
        AND (dispatched OR NOT wms_closed)
),
cancelled_in_wms_open_in_otto AS (
    SELECT *, 'cancelled_in_wms_open_in_otto' AS rule, 'cancelled_in_wms_open_in_otto' AS kind,
        wms_changed_at AS since,
        wms_changed_at + grace_cancellation AS due_at,
        otto_status AS otto_value, wms_words AS wms_value,
        'The WMS will not ship this item (' || wms_status || '); OTTO still waits for it ('
            || otto_status || ').' AS explanation
    FROM shown
    WHERE otto_status = 'PROCESSABLE' AND wms_closed AND NOT dispatched
),
missing_in_wms AS (
    SELECT *, 'missing_in_wms' AS rule, 'missing_in_wms' AS kind,
        coalesce(submitted_at, processable_at) AS since,
        CASE WHEN NOT wms_denies AND NOT submission_stopped
            THEN coalesce(submitted_at, processable_at) + grace_missing_in_wms END AS due_at,
        otto_status AS otto_value,
        CASE WHEN wms_denies THEN 'no such order' WHEN submitted_at IS NULL THEN 'never sent'
            ELSE 'no sign of it' END AS wms_value,
        'OTTO released the item at ' || at_minute(processable_at) || '; '
            || CASE WHEN wms_denies THEN 'the WMS says that it has no such order'
                WHEN submitted_at IS NULL THEN 'it was never sent to the WMS'
                    || coalesce(' (the order''s transmission is ' || submission_state || ')', '')
                ELSE 'it was sent to the WMS at ' || at_minute(submitted_at)
                    || ', which has shown no sign of it' END
            || '.' AS explanation
    FROM (
        SELECT *, submitted_at IS NULL
            AND coalesce(submission_state IN ('failed', 'blocked', 'ignored'), false)
            AS submission_stopped
        FROM shown
    )
    WHERE otto_status = 'PROCESSABLE' AND NOT order_waits AND NOT dispatched AND NOT wms_closed
        AND (wms_denies OR NOT wms_has_it)
),
sku_mismatch AS (
    SELECT *, 'sku_mismatch' AS rule, 'sku_mismatch' AS kind,
        wms_changed_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        sku_sent AS otto_value, sku_seen AS wms_value,
        'We sent SKU ' || sku_sent || ', the WMS holds SKU ' || sku_seen || '.' AS explanation
    FROM shown
    WHERE otto_status IS NOT NULL AND NOT cancelled AND NOT wms_closed AND sku_seen <> sku_sent
),

-- shipments: what the tracking gate holds back (OTTO not yet told)
held_back AS (
    SELECT *, dispatched_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        otto_status AS otto_value
    FROM shown
    WHERE otto_status IS NOT NULL AND NOT cancelled AND NOT confirmed AND len(parked_rules) > 0
),
tracking_missing AS (
    SELECT *, 'tracking_missing' AS rule, 'tracking_missing' AS kind,
        'no tracking number' AS wms_value,
        'In the WMS ' || left_words || ' without a tracking number; OTTO says ' || otto_status
            || '.' AS explanation
    FROM held_back
    WHERE list_contains(parked_rules, 'tracking_number_present')
),
tracking_invalid AS (
    SELECT *, 'tracking_invalid' AS rule, 'tracking_invalid' AS kind,
        coalesce(tracking_number, 'none') AS wms_value,
        'In the WMS ' || left_words || ' with tracking number '
            || coalesce(tracking_number, '(none)') || ' of ' || coalesce(carrier_raw, 'no carrier')
            || ', which cannot be right; OTTO says ' || otto_status || '.' AS explanation
    FROM held_back
    WHERE list_has_any(parked_rules, ['tracking_number_valid', 'tracking_url_https'])
),
carrier_unknown AS (
    SELECT *, 'carrier_unknown' AS rule, 'carrier_mismatch' AS kind,
        coalesce(carrier_raw, 'no carrier') AS wms_value,
        'In the WMS ' || left_words || ' with carrier ' || coalesce(carrier_raw, '(none)')
            || ', which the carrier map does not translate; OTTO says ' || otto_status
            || '.' AS explanation
    FROM held_back
    WHERE list_contains(parked_rules, 'carrier_known')
),

-- shipments: what both sides say of an item that OTTO takes as sent
carrier_differs AS (
    SELECT *, 'carrier_differs' AS rule, 'carrier_mismatch' AS kind,
        confirmed_since AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        otto_carrier AS otto_value, carrier AS wms_value,
        'OTTO holds carrier ' || otto_carrier || '; in the WMS ' || left_words || ' with '
            || carrier || '.' AS explanation
    FROM shown
    WHERE confirmed AND carrier <> otto_carrier
),
tracking_mismatch AS (
    SELECT *, 'tracking_mismatch' AS rule, 'tracking_mismatch' AS kind,
        confirmed_since AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        otto_tracking_number AS otto_value, tracking_number AS wms_value,
        'OTTO holds tracking number ' || otto_tracking_number || '; in the WMS ' || left_words
            || ' with ' || tracking_number || '.' AS explanation
    FROM shown
    WHERE confirmed AND NOT same_number(tracking_number, otto_tracking_number)
),
dispatched_not_confirmed AS (
    SELECT *, 'dispatched_not_confirmed' AS rule, 'dispatched_not_confirmed' AS kind,
        dispatched_at AS since,
        CASE WHEN len(parked_rules) = 0
                AND coalesce(confirmation_state, '') NOT IN ('failed', 'blocked')
            THEN dispatched_at + grace_confirmation END AS due_at,
        otto_status AS otto_value, 'dispatched' AS wms_value,
        'In the WMS ' || left_words || '; OTTO says ' || otto_status
            || CASE WHEN len(parked_rules) > 0 THEN ', the tracking gate holds the parcel back ('
                    || array_to_string(parked_rules, ', ') || ')'
                ELSE coalesce(', our confirmation is ' || confirmation_state, '') END
            || '.' AS explanation
    FROM shown
    WHERE otto_status IS NOT NULL AND dispatched AND NOT confirmed AND NOT cancelled
),
confirmed_not_dispatched AS (
    SELECT *, 'confirmed_not_dispatched' AS rule, 'confirmed_not_dispatched' AS kind,
        confirmed_since AS since,
        confirmed_since + grace_confirmed_not_dispatched AS due_at,
        otto_status AS otto_value, wms_words AS wms_value,
        'OTTO takes the item as sent since ' || at_minute(confirmed_since)
            || '; the WMS has no parcel with it (' || wms_words || ').' AS explanation
    FROM shown
    WHERE confirmed AND NOT dispatched
),
late_shipment AS (
    SELECT *, 'late_shipment' AS rule, 'late_shipment' AS kind,
        ship_by_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        'ship by ' || at_minute(ship_by_at) AS otto_value, wms_words AS wms_value,
        'The item had to leave by ' || at_minute(ship_by_at) || '; in the WMS it has not left ('
            || wms_words || ').' AS explanation
    FROM shown
    WHERE otto_status = 'PROCESSABLE' AND NOT dispatched AND NOT wms_closed AND ship_by_at < as_of
),

-- prices
currency_mismatch AS (
    SELECT *, 'currency_mismatch' AS rule, 'currency_mismatch' AS kind,
        wms_changed_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        currency AS otto_value, currency_seen AS wms_value,
        'The buyer pays ' || money(buyer_price_cents) || ' ' || currency || '; the WMS holds '
            || coalesce(money(price_seen_cents) || ' ', '') || currency_seen || '.' AS explanation
    FROM shown
    WHERE otto_status IS NOT NULL AND NOT cancelled AND currency_seen <> currency
),
price_mismatch AS (
    SELECT *, 'price_mismatch' AS rule, 'price_mismatch' AS kind,
        wms_changed_at AS since, CAST(NULL AS TIMESTAMPTZ) AS due_at,
        money(buyer_price_cents) || ' ' || currency AS otto_value,
        money(price_seen_cents) || ' ' || coalesce(currency_seen, currency) AS wms_value,
        'The buyer pays ' || money(buyer_price_cents) || ' ' || currency || '; the WMS holds '
            || money(price_seen_cents) || ', a difference of '
            || money(price_seen_cents - buyer_price_cents) || '.' AS explanation
    FROM shown
    WHERE otto_status IS NOT NULL AND NOT cancelled
        AND abs(price_seen_cents - buyer_price_cents) > price_tolerance_cents
),

every_difference AS (
    FROM unknown_to_otto
    UNION ALL BY NAME FROM cancelled_in_otto_open_in_wms
    UNION ALL BY NAME FROM cancelled_in_wms_open_in_otto
    UNION ALL BY NAME FROM missing_in_wms
    UNION ALL BY NAME FROM sku_mismatch
    UNION ALL BY NAME FROM tracking_missing
    UNION ALL BY NAME FROM tracking_invalid
    UNION ALL BY NAME FROM carrier_unknown
    UNION ALL BY NAME FROM carrier_differs
    UNION ALL BY NAME FROM tracking_mismatch
    UNION ALL BY NAME FROM dispatched_not_confirmed
    UNION ALL BY NAME FROM confirmed_not_dispatched
    UNION ALL BY NAME FROM late_shipment
    UNION ALL BY NAME FROM currency_mismatch
    UNION ALL BY NAME FROM price_mismatch
)
SELECT sales_order_id, position_item_id, order_day, kind, rule, line_carrier AS carrier,
    coalesce(sku, sku_seen, sku_sent) AS sku,
    coalesce(currency, currency_seen, 'EUR') AS currency,
    CASE WHEN kind = 'price_mismatch' THEN abs(price_seen_cents - buyer_price_cents)
        ELSE coalesce(buyer_price_cents, price_seen_cents, price_sent_cents, 0) END
        AS amount_at_risk_cents,
    since, due_at, happened_at, otto_value, wms_value, explanation
FROM every_difference;
