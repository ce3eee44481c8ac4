-- Every difference between what the buyer pays and OTTO's PURCHASE receipts, added to `candidates`.
--
-- What is missing counts only once the receipts were read after it was due, and only from the first
-- receipts that we read. An order of which the discount's reading is open waits for its receipt.
INSERT INTO candidates BY NAME
WITH item AS (
    SELECT l.*, s.charged_cents, s.charged_at, s.purchase_receipt, s.receipt_discount_cents,
        coalesce(s.discount_differs, false) AS discount_differs,
        r.as_of, r.grace_receipt, f.receipts_from, f.receipts_until
    FROM lines AS l
    CROSS JOIN run AS r
    CROSS JOIN feeds AS f
    LEFT JOIN receipt_sides AS s USING (sales_order_id, position_item_id)
    WHERE l.otto_status IS NOT NULL AND f.receipts_from IS NOT NULL
),
receipt_missing AS (
    SELECT *, 'receipt_missing' AS rule, 'receipt_missing' AS kind, buyer_price_cents AS cents,
        confirmed_since AS since,
        when_read(confirmed_since + grace_receipt, receipts_until, as_of) AS due_at,
        'no purchase receipt' AS otto_value,
        money(buyer_price_cents) || ' ' || currency AS wms_value,
        'OTTO takes the item as sent since ' || at_minute(confirmed_since)
            || '; it wrote no purchase receipt over its ' || money(buyer_price_cents) || ' '
            || currency || '.' AS explanation
    FROM item
    WHERE confirmed AND charged_cents IS NULL AND buyer_price_cents > 0
        AND confirmed_since >= receipts_from
),
receipt_amount_mismatch AS (
    SELECT *, 'item_charged' AS rule, 'receipt_amount_mismatch' AS kind,
        abs(charged_cents - buyer_price_cents) AS cents, charged_at AS since,
        when_read(
            CASE WHEN discount_reading = 'ambiguous' THEN charged_at + grace_receipt
                ELSE charged_at END,
            receipts_until, as_of
        ) AS due_at,
        money(charged_cents) || ' ' || currency AS otto_value,
        money(buyer_price_cents) || ' ' || currency AS wms_value,
        'Receipt ' || purchase_receipt || ' charges ' || money(charged_cents)
            || ' for the item; by its order the buyer pays ' || money(buyer_price_cents)
            || ', a difference of ' || money(charged_cents - buyer_price_cents) || '.'
            AS explanation
    FROM item
    WHERE charged_cents <> buyer_price_cents
),
discount_mismatch AS (
    SELECT *, 'discount_share' AS rule, 'discount_mismatch' AS kind,
        abs(receipt_discount_cents - order_discount_share_cents) AS cents, charged_at AS since,
        when_read(charged_at, receipts_until, as_of) AS due_at,
        money(receipt_discount_cents) || ' ' || currency AS otto_value,
        money(order_discount_share_cents) || ' ' || currency AS wms_value,
        'Receipt ' || purchase_receipt || ' takes ' || money(receipt_discount_cents)
            || ' of order discounts off the item; its share of them is '
            || money(order_discount_share_cents) || '.' AS explanation
    FROM item
    WHERE discount_differs AND discount_reading <> 'ambiguous'
),
-- A fee that is too low may still stand on a receipt that was not written yet.
delivery_fee AS (
    SELECT f.sales_order_id, '' AS position_item_id, o.* EXCLUDE (sales_order_id),
        'delivery_fee' AS rule, 'receipt_amount_mismatch' AS kind,
        abs(delivery_fee_charged_cents - delivery_fee_cents) AS cents, charged_at AS since,
        when_read(charged_at, receipts_until, as_of) AS due_at,
        'delivery ' || money(delivery_fee_charged_cents) || ' ' || currency AS otto_value,
        'delivery ' || money(delivery_fee_cents) || ' ' || currency AS wms_value,
        'The order''s receipts charge ' || money(delivery_fee_charged_cents)
            || ' for delivery' || coalesce(' (' || receipts || ')', '')
            || '; by the order it costs ' || money(delivery_fee_cents) || ', once.' AS explanation
    FROM delivery_fees AS f
    JOIN (
        SELECT sales_order_id, any_value(order_day) AS order_day, any_value(currency) AS currency,
            any_value(receipts_until) AS receipts_until, any_value(as_of) AS as_of,
            bool_or(confirmed AND charged_cents IS NULL) AS receipt_lacks
        FROM item SEMI JOIN delivery_fees USING (sales_order_id)
        GROUP BY sales_order_id
    ) AS o USING (sales_order_id)
    WHERE delivery_fee_charged_cents > delivery_fee_cents
        OR (delivery_fee_charged_cents < delivery_fee_cents AND NOT receipt_lacks)
),
every_difference AS (
    FROM receipt_missing
    UNION ALL BY NAME FROM receipt_amount_mismatch
    UNION ALL BY NAME FROM discount_mismatch
    UNION ALL BY NAME FROM delivery_fee
)
SELECT sales_order_id, position_item_id, order_day, kind, rule, line_carrier AS carrier, sku,
    currency, cents AS amount_at_risk_cents, since, due_at, otto_value, wms_value, explanation
FROM every_difference;
