-- staging.open_orders for the orders in scope: those of which a difference becomes a break at a
-- known time. Others stay as they are until something changes.
INSERT INTO staging.open_orders BY NAME
WITH pending AS (
    SELECT sales_order_id, position_item_id, min(due_at) AS due_at
    FROM candidates CROSS JOIN run
    WHERE due_at > as_of
    GROUP BY ALL
)
SELECT sales_order_id AS order_ref, staged_day AS order_day, order_key,
    min(least(
        due_at,
        CASE WHEN otto_status = 'PROCESSABLE' AND NOT dispatched AND ship_by_at >= as_of
            THEN ship_by_at END
    )) AS recheck_at
FROM lines
CROSS JOIN run
LEFT JOIN pending USING (sales_order_id, position_item_id)
GROUP BY ALL
HAVING recheck_at IS NOT NULL;
