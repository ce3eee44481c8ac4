-- staging.line_counts after this run: how many lines there are of each SKU, carrier and day.
MERGE INTO staging.line_counts AS t
USING (
    SELECT dimension, value, CAST(sum(lines) AS BIGINT) AS lines
    FROM (
        UNPIVOT (SELECT sku, carrier, CAST(order_day AS VARCHAR) AS day, lines FROM line_changes)
        ON sku, carrier, day INTO NAME dimension VALUE value
    )
    GROUP BY ALL
    HAVING sum(lines) <> 0
) AS c
ON t.dimension = c.dimension AND t.value = c.value
WHEN MATCHED AND t.lines + c.lines = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET lines = t.lines + c.lines
WHEN NOT MATCHED THEN INSERT (dimension, value, lines) VALUES (c.dimension, c.value, c.lines);
