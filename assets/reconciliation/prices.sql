-- reconciliation.prices for the orders in scope: every item of OTTO, with what its receipts charge.
-- An order's delivery fee stands on its first item, and so does what is wrong with it.
INSERT INTO reconciliation.prices BY NAME
SELECT
    l.sales_order_id, l.position_item_id, l.order_day, l.sku, l.otto_status, l.discount_reading,
    l.currency, l.currency_seen AS wms_currency,
    l.gross_cents, l.order_discount_share_cents, l.buyer_price_cents, l.price_sent_cents,
    l.price_seen_cents AS wms_price_cents,
    l.difference_cents,
    money(l.buyer_price_cents) AS buyer_price,
    money(l.price_seen_cents) AS wms_price,
    money(l.difference_cents) AS difference,
    s.purchase_receipt, s.charged_cents, s.receipt_discount_cents,
    f.delivery_fee_cents, f.delivery_fee_charged_cents,
    money(s.charged_cents) AS charged,
    money(f.delivery_fee_charged_cents) AS delivery_fee_charged,
    CASE
        WHEN d.difference_class IS NOT NULL THEN d.difference_class
        WHEN e.difference_class IS NOT NULL THEN e.difference_class
        WHEN l.cancelled OR l.price_seen_cents IS NOT NULL THEN 'matched'
        ELSE 'in_progress'
    END AS difference_class,
    coalesce(d.kind, e.kind) AS difference_kind
FROM (
    SELECT *,
        CASE WHEN coalesce(currency_seen, currency) = currency
            THEN price_seen_cents - buyer_price_cents END AS difference_cents
    FROM lines
    WHERE otto_status IS NOT NULL
) AS l
LEFT JOIN receipt_sides AS s USING (sales_order_id, position_item_id)
LEFT JOIN delivery_fees AS f
    ON f.sales_order_id = l.sales_order_id AND f.first_item = l.position_item_id
LEFT JOIN root_causes AS d
    ON d.area = 'prices'
    AND d.sales_order_id = l.sales_order_id AND d.position_item_id = l.position_item_id
LEFT JOIN root_causes AS e
    ON e.area = 'prices' AND e.position_item_id = ''
    AND e.sales_order_id = f.sales_order_id
ORDER BY l.order_day, l.order_key;
