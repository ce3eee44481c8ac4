-- What OTTO's receipts say of each item in scope: charged, given back, and the discounts stated.
--
-- A receipt states a discount for a line of equal units, and the import spread it over them; so it is
-- our shares of such a group that must agree with it, and only where they do not, a unit's own part.
CREATE OR REPLACE TEMP TABLE receipt_line AS
FROM staging.receipt_lines SEMI JOIN scope USING (order_key) WHERE of_scope(order_day);

CREATE OR REPLACE TEMP TABLE receipt_sides AS
WITH modification AS (
    SELECT receipt_number, line_no,
        CAST(sum(amount_cents) FILTER (details_type = 'PLATFORM_DISCOUNT') AS BIGINT)
            AS discount_cents,
        CAST(sum(amount_cents) FILTER (modification_type LIKE 'REFUND%') AS BIGINT)
            AS reduced_cents
    FROM (FROM staging.receipt_modifications SEMI JOIN scope USING (order_key) WHERE of_scope(order_day))
    GROUP BY ALL
),
unit AS (
    SELECT r.*, m.reduced_cents, coalesce(m.discount_cents, 0) AS discount_cents,
        l.order_discount_share_cents AS share_cents,
        receipt_type = 'PURCHASE' AS is_purchase,
        receipt_type = 'REFUND' AS is_refund
    FROM receipt_line AS r
    JOIN lines AS l USING (sales_order_id, position_item_id)
    LEFT JOIN modification AS m USING (receipt_number, line_no)
    WHERE l.otto_status IS NOT NULL AND r.kind IN ('item', 'item_partial_refund')
),
compared AS (
    SELECT *, is_purchase AND discount_cents <> share_cents
        AND sum(discount_cents) OVER equal_units <> sum(share_cents) OVER equal_units
        AS discount_differs
    FROM unit
    WINDOW equal_units AS (PARTITION BY receipt_number, sku, unit_price_cents)
)
SELECT sales_order_id, position_item_id,
    CAST(sum(amount_cents) FILTER (is_purchase) AS BIGINT) AS charged_cents,
    max(created_at) FILTER (is_purchase) AS charged_at,
    string_agg(receipt_number, ', ' ORDER BY receipt_number) FILTER (is_purchase)
        AS purchase_receipt,
    CAST(sum(discount_cents) FILTER (is_purchase) AS BIGINT) AS receipt_discount_cents,
    bool_or(discount_differs) AS discount_differs,
    CAST(sum(amount_cents) FILTER (is_refund) AS BIGINT) AS refunded_cents,
    min(created_at) FILTER (is_refund) AS refunded_at,
    string_agg(receipt_number, ', ' ORDER BY receipt_number) FILTER (is_refund) AS refund_receipt,
    CAST(sum(reduced_cents) FILTER (is_refund) AS BIGINT) AS reduced_before_cents,
    CAST(sum(amount_cents) FILTER (NOT is_purchase AND NOT is_refund) AS BIGINT)
        AS partially_refunded_cents
FROM compared
GROUP BY sales_order_id, position_item_id;

-- Delivery is charged once per order, on its first PURCHASE receipt. Tables show it on one item.
CREATE OR REPLACE TEMP TABLE delivery_fees AS
SELECT o.sales_order_id, i.position_item_id AS first_item, o.delivery_fee_cents,
    coalesce(c.cents, 0) AS delivery_fee_charged_cents, c.charged_at, c.receipts
FROM (FROM staging.orders SEMI JOIN scope USING (order_key) WHERE of_scope(order_day)) AS o
JOIN (
    SELECT sales_order_id,
        CAST(sum(amount_cents) FILTER (kind = 'delivery_cost') AS BIGINT) AS cents,
        max(created_at) AS charged_at,
        string_agg(receipt_number, ', ' ORDER BY receipt_number) FILTER (kind = 'delivery_cost')
            AS receipts
    FROM receipt_line
    WHERE receipt_type = 'PURCHASE'
    GROUP BY sales_order_id
) AS c USING (sales_order_id)
JOIN (
    SELECT sales_order_id, min(position_item_id) AS position_item_id
    FROM lines
    WHERE otto_status IS NOT NULL
    GROUP BY sales_order_id
) AS i USING (sales_order_id);
