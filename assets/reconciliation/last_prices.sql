-- staging.last_prices: what the buyer paid who ordered a SKU last, in scope or before.
MERGE INTO staging.last_prices AS t
USING (
    SELECT sku,
        max((ordered_at, sales_order_id, position_item_id)) AS sold,
        arg_max(
            struct_pack(cents := buyer_price_cents, currency := currency),
            (ordered_at, sales_order_id, position_item_id)
        ) AS price
    FROM lines
    WHERE otto_status IS NOT NULL
    GROUP BY sku
) AS s
ON t.sku = s.sku
WHEN MATCHED AND s.sold >= (t.ordered_at, t.sales_order_id, t.position_item_id) THEN UPDATE SET
    ordered_at = s.sold[1], sales_order_id = s.sold[2], position_item_id = s.sold[3],
    price_cents = s.price.cents, currency = s.price.currency
WHEN NOT MATCHED THEN INSERT
    (sku, ordered_at, sales_order_id, position_item_id, price_cents, currency)
VALUES (s.sku, s.sold[1], s.sold[2], s.sold[3], s.price.cents, s.price.currency);
