-- At most one difference per item and area: its root cause, by the order of the registry. A
-- difference of stock has a SKU in place of an item.
--
-- A difference that outlived its grace goes before one that has not. Residual kinds give way to any
-- break of areas orders and shipments (a wrong price explains no delay).
INSERT INTO root_causes BY NAME
WITH ranked AS (
    SELECT c.*, k.area, k.owner, k.remedy, k.precedence, k.residual,
        c.due_at IS NULL OR c.due_at <= as_of AS is_break,
        bool_or(is_break AND NOT k.residual AND k.area IN ('orders', 'shipments'))
            OVER (PARTITION BY c.sales_order_id, c.position_item_id) AS explained
    FROM candidates AS c
    CROSS JOIN run
    JOIN break_kinds AS k USING (kind)
)
SELECT * EXCLUDE (residual, explained, since), since AS since_at,
    CASE WHEN is_break THEN 'break' ELSE 'expected' END AS difference_class,
    sha256(
        kind || chr(31) || sales_order_id || chr(31) || position_item_id
            || CASE WHEN area = 'stock' THEN chr(31) || sku ELSE '' END
    )[:16] AS break_id
FROM ranked
WHERE NOT (residual AND explained)
QUALIFY row_number() OVER (
    PARTITION BY sales_order_id, position_item_id, area, CASE WHEN area = 'stock' THEN sku END
    ORDER BY is_break DESC, precedence
) = 1;
