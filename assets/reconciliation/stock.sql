-- reconciliation.stock, the whole: time alone makes stock stale.
DELETE FROM reconciliation.stock;

INSERT INTO reconciliation.stock BY NAME
SELECT
    s.sku, s.wms_sku, s.locations, s.on_hand, s.reserved, s.blocked, s.sellable, s.level_at,
    date_diff('minute', s.level_at, as_of) AS level_age_minutes,
    s.not_counted, s.safety_stock, s.percentage, s.share, s.cap, s.min_to_list,
    s.quantity, s.frozen_reason, s.owed_since, s.accepted_quantity, s.accepted_at, s.refused_at,
    s.seen_quantity, s.seen_at, s.otto_quantity, s.waiting, s.oversold,
    s.last_price_cents, money(s.last_price_cents) AS last_price, s.currency,
    coalesce(d.difference_class, 'matched') AS difference_class,
    d.kind AS difference_kind
FROM stock_sides AS s
CROSS JOIN run
LEFT JOIN root_causes AS d ON d.area = 'stock' AND d.sku = s.sku
ORDER BY s.sku;
