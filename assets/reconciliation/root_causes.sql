-- At most one difference per item and area: its root cause, by the order of the registry.
--
-- A difference that outlived its grace goes before one that has not. Residual kinds give way to any
-- break of areas orders and shipments (a wrong price explains no delay).
CREATE OR REPLACE TEMP TABLE root_causes AS
WITH ranked AS (
    SELECT c.*, k.area, k.owner, k.remedy, k.precedence, k.residual,
        bool_or(c.is_break AND NOT k.residual AND k.area <> 'prices')
            OVER (PARTITION BY c.sales_order_id, c.position_item_id) AS explained
    FROM candidates AS c
    JOIN break_kinds AS k USING (kind)
)
SELECT *,
    CASE WHEN is_break THEN 'break' ELSE 'expected' END AS difference_class,
    sha256(kind || chr(31) || sales_order_id || chr(31) || position_item_id)[:16] AS break_id
FROM ranked
WHERE NOT (residual AND explained)
QUALIFY row_number() OVER (
    PARTITION BY sales_order_id, position_item_id, area ORDER BY is_break DESC, precedence
) = 1;
