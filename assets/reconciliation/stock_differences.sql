-- Every difference of stock, one SELECT per kind, added to `candidates`.
--
-- `due_at` is when a difference becomes a break: null at once, else the end of its time of grace.
-- What is stale was no difference before.
INSERT INTO candidates BY NAME
WITH shown AS (
    SELECT *,
        coalesce('shows ' || otto_quantity, 'shows none') AS otto_words,
        coalesce(
            on_hand || ' on hand, ' || reserved || ' reserved, ' || blocked || ' blocked',
            'no stock told'
        ) AS level_words
    FROM stock_sides CROSS JOIN run
),
oversold AS (
    SELECT *, 'oversold' AS rule, 'oversold' AS kind, oversold_since AS since,
        oversold_since + grace_stock_oversold AS due_at,
        oversold AS units,
        waiting || ' sold and not picked' AS otto_value, level_words AS wms_value,
        'Of this SKU OTTO sold ' || waiting || ' units that are not picked yet, '
            || oversold || ' more than the warehouse can supply (' || level_words || '; '
            || not_counted || ' of the sold units are not among the reserved); OTTO '
            || otto_words || ', our figure is ' || quantity || '.' AS explanation
    FROM shown
    WHERE oversold > 0
),
refused AS (
    SELECT *, 'stock_refused' AS rule, 'stock_drift' AS kind, refused_at AS since,
        CAST(NULL AS TIMESTAMPTZ) AS due_at,
        abs(quantity - coalesce(otto_quantity, 0)) AS units,
        'refused' AS otto_value, 'for sale' AS wms_value,
        'OTTO refused our figure ' || quantity || ' at ' || at_minute(refused_at) || ' and '
            || otto_words || '.' AS explanation
    FROM shown
    WHERE refused_at IS NOT NULL AND level_at IS NOT NULL
),
drift AS (
    SELECT *, 'stock_drift' AS rule, 'stock_drift' AS kind,
        coalesce(owed_since, seen_at) AS since,
        coalesce(owed_since, seen_at) + grace_stock_drift AS due_at,
        abs(quantity - coalesce(otto_quantity, 0)) AS units,
        otto_words AS otto_value, 'our figure ' || quantity AS wms_value,
        'OTTO ' || otto_words
            || CASE WHEN seen_later THEN ' (read back at ' || at_minute(seen_at) || ')'
                ELSE coalesce(' (accepted at ' || at_minute(accepted_at) || ')', '') END
            || ', our figure is ' || quantity
            || coalesce(' and waits since ' || at_minute(owed_since), '') || '.' AS explanation
    FROM shown
    WHERE refused_at IS NULL AND coalesce(otto_quantity, 0) <> quantity
),
stale AS (
    SELECT *, 'stale_stock' AS rule, 'stale_stock' AS kind,
        least(
            CASE WHEN level_at + stock_level_age <= as_of THEN level_at + stock_level_age END,
            CASE WHEN accepted_at + stock_update_age <= as_of
                THEN accepted_at + stock_update_age END
        ) AS since,
        CAST(NULL AS TIMESTAMPTZ) AS due_at,
        coalesce(otto_quantity, 0) AS units,
        otto_words || coalesce(', accepted at ' || at_minute(accepted_at), '') AS otto_value,
        coalesce('level of ' || at_minute(level_at), 'no stock told') AS wms_value,
        CASE WHEN level_at IS NULL THEN 'The WMS has told of no stock of SKU ' || wms_sku
                || '; OTTO ' || otto_words
            WHEN level_at + stock_level_age <= as_of THEN 'The WMS told of this SKU last at '
                || at_minute(level_at) || '; OTTO ' || otto_words
            ELSE 'OTTO accepted a figure of this SKU last at ' || at_minute(accepted_at)
                || '; it ' || otto_words || ', the WMS told of it at ' || at_minute(level_at) END
            || '.' AS explanation
    FROM shown
    WHERE level_at IS NULL
        OR level_at + stock_level_age <= as_of
        OR accepted_at + stock_update_age <= as_of
),
every_difference AS (
    FROM oversold
    UNION ALL BY NAME FROM refused
    UNION ALL BY NAME FROM drift
    UNION ALL BY NAME FROM stale
)
SELECT '' AS sales_order_id, '' AS position_item_id, kind, rule, sku,
    coalesce(currency, 'EUR') AS currency,
    units * coalesce(last_price_cents, 0) AS amount_at_risk_cents,
    since, due_at, otto_value, wms_value, explanation
FROM every_difference;
