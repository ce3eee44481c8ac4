-- Both sides of every SKU of OTTO: the one input of all comparisons of stock.
--
-- What OTTO shows is what it accepted last, or what a later read-back saw.
CREATE OR REPLACE TEMP TABLE stock_sides AS
WITH level AS (
    SELECT sku, count(*) AS locations, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
        sum(blocked) AS blocked, sum(coalesce(sellable, on_hand - reserved - blocked)) AS sellable,
        min(as_of) AS level_at
    FROM staging.stock_levels
    GROUP BY sku
),
-- The newest sales are those that a shortage leaves without a unit.
waiting_unit AS (
    SELECT sku, ordered_at, row_number() OVER (
            PARTITION BY sku
            ORDER BY ordered_at DESC, sales_order_id DESC, position_item_id DESC
        ) AS place
    FROM staging.waiting_units
),
figure AS (
    SELECT a.*, coalesce(m.wms_sku, a.sku) AS wms_sku,
        a.otto_open AS not_counted,
        CAST(terms ->> 'safety_stock' AS BIGINT) AS safety_stock,
        CAST(terms ->> 'percentage' AS INTEGER) AS percentage,
        CAST(terms ->> 'share' AS BIGINT) AS share,
        CAST(terms ->> 'cap' AS BIGINT) AS cap,
        CAST(terms ->> 'floor' AS BIGINT) AS min_to_list,
        coalesce(a.seen_at > a.accepted_at, a.seen_at IS NOT NULL) AS seen_later
    FROM staging.availability AS a
    LEFT JOIN sku_map AS m USING (sku)
),
both_sides AS (
    SELECT f.*, l.* EXCLUDE (sku), s.price_cents AS last_price_cents, s.currency,
        coalesce(w.waiting, 0) AS waiting,
        CASE WHEN f.seen_later THEN f.seen_quantity ELSE f.accepted_quantity END AS otto_quantity,
        greatest(0, least(
            coalesce(w.waiting, 0),
            f.not_counted
                - coalesce(least(l.sellable, l.on_hand - l.reserved - l.blocked), 0)
        )) AS oversold
    FROM figure AS f
    LEFT JOIN level AS l ON l.sku = f.wms_sku
    LEFT JOIN staging.last_prices AS s ON s.sku = f.sku
    LEFT JOIN (SELECT sku, count(*) AS waiting FROM waiting_unit GROUP BY sku) AS w
        ON w.sku = f.sku
)
SELECT b.*, u.ordered_at AS oversold_since
FROM both_sides AS b
LEFT JOIN waiting_unit AS u ON u.sku = b.sku AND u.place = b.oversold;
