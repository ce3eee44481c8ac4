-- Every difference of price reductions, added to `candidates`: one per item over all of its
-- reductions whose time of grace is over, and one over those that still may follow.
--
-- A reduction and its PARTIAL_REFUND receipt name each other by the receipt's number. What was
-- reduced at OTTO without a request of ours and rejected there is no difference.
INSERT INTO candidates BY NAME
WITH partial AS (
    SELECT receipt_number, sales_order_id, position_item_id,
        CAST(sum(amount_cents) AS BIGINT) AS cents, min(created_at) AS created_at,
        any_value(partial_refund_type) AS partial_refund_type
    FROM receipt_line
    WHERE kind = 'item_partial_refund' AND position_item_id IS NOT NULL
    GROUP BY ALL
),
processed AS (
    SELECT receipt_number, sales_order_id, position_item_id,
        CAST(sum(amount_cents) AS BIGINT) AS cents, min(created_at) AS created_at,
        any_value(currency) AS currency
    FROM reduction
    WHERE status = 'PROCESSED'
    GROUP BY ALL
),
without_receipt AS (
    SELECT r.*, 'reduction_without_receipt' AS rule, r.created_at AS since,
        when_read(r.created_at + grace_price_reduction, receipts_until, as_of) AS due_at,
        'reduced ' || money(r.cents) || ' ' || r.currency || ', no receipt' AS otto_value,
        money(r.cents) || ' ' || r.currency || ' to refund' AS wms_value,
        'OTTO processed a reduction of ' || money(r.cents) || ' ' || r.currency || ' ('
            || coalesce('receipt ' || r.receipt_number, 'without a receipt number')
            || '); there is no such receipt.' AS explanation
    FROM processed AS r
    CROSS JOIN run
    CROSS JOIN feeds
    LEFT JOIN partial AS p USING (receipt_number, sales_order_id, position_item_id)
    WHERE p.receipt_number IS NULL AND r.created_at >= receipts_from
),
other_amount AS (
    SELECT r.* EXCLUDE (cents), 'reduction_amount' AS rule, abs(p.cents - r.cents) AS cents,
        p.created_at AS since, p.created_at AS due_at,
        'refunded ' || money(p.cents) || ' ' || r.currency AS otto_value,
        'reduced by ' || money(r.cents) || ' ' || r.currency AS wms_value,
        'OTTO processed a reduction of ' || money(r.cents) || ' ' || r.currency || '; receipt '
            || r.receipt_number || ' gives back ' || money(p.cents) || '.' AS explanation
    FROM processed AS r
    JOIN partial AS p USING (receipt_number, sales_order_id, position_item_id)
    WHERE p.cents <> r.cents
),
unasked AS (
    SELECT p.*, 'partial_refund_unasked' AS rule, p.created_at AS since,
        when_read(p.created_at + grace_price_reduction, reductions_until, as_of) AS due_at,
        'refunded ' || money(p.cents) || ' EUR' AS otto_value, 'no reduction' AS wms_value,
        'Receipt ' || p.receipt_number || ' gives back ' || money(p.cents) || ' EUR'
            || coalesce(' (' || p.partial_refund_type || ')', '')
            || '; no price reduction of the item goes with it.' AS explanation
    FROM partial AS p
    ANTI JOIN reduction AS r USING (receipt_number, sales_order_id, position_item_id)
    CROSS JOIN run
    CROSS JOIN feeds
),
not_processed AS (
    SELECT sales_order_id, position_item_id, 'reduction_not_processed' AS rule,
        amount_cents AS cents, requested_at AS since,
        CASE WHEN coalesce(message_state, '') = 'failed' THEN requested_at
            ELSE requested_at + grace_price_reduction END AS due_at,
        'not processed' AS otto_value,
        'asked for ' || money(amount_cents) || ' ' || currency AS wms_value,
        'We asked for a reduction of ' || money(amount_cents) || ' ' || currency || ' at '
            || at_minute(requested_at) || '; OTTO has '
            || CASE WHEN message_state = 'failed' THEN 'refused it'
                ELSE 'not processed it' END
            || coalesce(' (its transmission is ' || message_state || ')', ', it was never sent')
            || '.' AS explanation
    FROM reduction_request
    CROSS JOIN run
    WHERE coalesce(message_state, '') NOT IN ('confirmed', 'ignored')
),
each_difference AS (
    SELECT *, due_at <= as_of AS is_due
    FROM (
        FROM without_receipt
        UNION ALL BY NAME FROM other_amount
        UNION ALL BY NAME FROM unasked
        UNION ALL BY NAME FROM not_processed
    )
    CROSS JOIN run
)
SELECT sales_order_id, position_item_id, any_value(l.order_day) AS order_day,
    'price_reduction_mismatch' AS kind, min(d.rule) AS rule, any_value(l.line_carrier) AS carrier,
    any_value(l.sku) AS sku, any_value(l.currency) AS currency,
    CAST(sum(d.cents) AS BIGINT) AS amount_at_risk_cents, min(d.since) AS since,
    min(d.due_at) AS due_at,
    string_agg(d.otto_value, '; ' ORDER BY d.since, d.otto_value, d.wms_value) AS otto_value,
    string_agg(d.wms_value, '; ' ORDER BY d.since, d.otto_value, d.wms_value) AS wms_value,
    string_agg(d.explanation, ' ' ORDER BY d.since, d.otto_value, d.wms_value, d.explanation)
        AS explanation
FROM each_difference AS d
JOIN lines AS l USING (sales_order_id, position_item_id)
WHERE l.otto_status IS NOT NULL
GROUP BY sales_order_id, position_item_id, d.is_due;
