-- Every difference between returns and refunds, one SELECT per kind, added to `candidates`.
--
-- A side's silence counts only once that side was read after its time of grace.
INSERT INTO candidates BY NAME
WITH item AS (
    SELECT *,
        return_status || ' at OTTO since ' || at_minute(return_status_at) AS return_words,
        'received at ' || at_minute(received_at) || ' (' || wms_condition || ', '
            || wms_disposition || ')' AS received_words,
        money(refunded_cents) || ' ' || currency AS refunded_words,
        money(refundable_cents) || ' ' || currency AS refundable_words
    FROM refund_sides CROSS JOIN run CROSS JOIN feeds
),
rejected_but_refunded AS (
    SELECT *, 'rejected_but_refunded' AS kind, refunded_cents AS cents, refunded_at AS since,
        when_read(refunded_at + grace_refund, returns_until, as_of) AS due_at,
        'refunded ' || refunded_words AS otto_value,
        'return rejected' || coalesce(', ' || received_words, '') AS wms_value,
        'The return is ' || return_words || coalesce(' (' || return_reason || ')', '')
            || '; receipt ' || refund_receipt || ' gives back ' || refunded_words || '.'
            AS explanation
    FROM item
    WHERE refunded_cents > 0 AND return_status = 'REJECTED' AND NOT refund_is_due
),
refund_without_return AS (
    SELECT *, 'refund_without_return' AS kind, refunded_cents AS cents, refunded_at AS since,
        when_read(refunded_at + grace_refund, returns_until, as_of) AS due_at,
        'refunded ' || refunded_words AS otto_value, 'no return received' AS wms_value,
        'Receipt ' || refund_receipt || ' gives back ' || refunded_words
            || '; the item is ' || otto_status || ' at OTTO, '
            || coalesce('its return ' || return_words, 'which knows of no return')
            || ', and the warehouse received nothing.' AS explanation
    FROM item
    WHERE refunded_cents > 0 AND NOT refund_is_due AND received_at IS NULL AND NOT cancelled
        AND coalesce(return_status, '') <> 'REJECTED'
),
return_not_decided AS (
    SELECT *, 'return_not_decided' AS kind, refundable_cents AS cents, received_at AS since,
        when_read(received_at + grace_return_decision, returns_until, as_of) AS due_at,
        coalesce('return ' || return_status, 'no return') AS otto_value,
        received_words AS wms_value,
        'The warehouse ' || received_words || '; OTTO waits for a decision ('
            || coalesce('return ' || return_words, 'no return announced') || '). '
            || CASE WHEN decision IS NULL THEN 'We have decided nothing.'
                ELSE 'Our decision is ' || decision || ' of ' || at_minute(decided_at)
                    || coalesce(', its transmission is ' || decision_state, ', not sent') || '.'
                END AS explanation
    FROM item
    WHERE received_at IS NOT NULL AND otto_status = 'SENT' AND refunded_cents IS NULL
        AND coalesce(return_status, '') NOT IN ('ACCEPTED', 'REJECTED')
),
refund_missing AS (
    SELECT *, 'refund_missing' AS kind, refundable_cents AS cents, refund_due_since AS since,
        when_read(refund_due_since + grace_refund, receipts_until, as_of) AS due_at,
        'not refunded' AS otto_value, refundable_words || ' to refund' AS wms_value,
        'The item is ' || CASE WHEN cancelled THEN otto_status ELSE 'returned' END || ' since '
            || at_minute(refund_due_since) || coalesce(' (return ' || return_status || ')', '')
            || '; OTTO wrote no refund receipt over ' || refundable_words || '.' AS explanation
    FROM item
    WHERE refund_is_due AND refunded_cents IS NULL AND refundable_cents > 0
        AND refund_due_since >= receipts_from
),
refund_amount_mismatch AS (
    SELECT *, 'refund_amount_mismatch' AS kind, abs(refunded_cents - refundable_cents) AS cents,
        refunded_at AS since, when_read(refunded_at, receipts_until, as_of) AS due_at,
        'refunded ' || refunded_words AS otto_value, refundable_words || ' to refund' AS wms_value,
        'Receipt ' || refund_receipt || ' gives back ' || refunded_words || '; the buyer paid '
            || money(coalesce(charged_cents, buyer_price_cents))
            || CASE WHEN partially_refunded_cents > 0
                THEN ' and got ' || money(partially_refunded_cents) || ' back before' ELSE '' END
            || ', so ' || refundable_words || ' were due.' AS explanation
    FROM item
    WHERE refunded_cents <> refundable_cents
        AND (refund_is_due OR cancelled
            OR (received_at IS NOT NULL AND coalesce(return_status, '') <> 'REJECTED'))
),
every_difference AS (
    FROM rejected_but_refunded
    UNION ALL BY NAME FROM refund_without_return
    UNION ALL BY NAME FROM return_not_decided
    UNION ALL BY NAME FROM refund_missing
    UNION ALL BY NAME FROM refund_amount_mismatch
)
SELECT sales_order_id, position_item_id, order_day, kind, kind AS rule, line_carrier AS carrier, sku,
    currency, cents AS amount_at_risk_cents, since, due_at, otto_value, wms_value, explanation
FROM every_difference;
