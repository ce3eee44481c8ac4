-- What the rows that were removed and written change in the counts of lines, per SKU, carrier and
-- day, and in the progress of each day. An order is removed and written as a whole.
INSERT INTO line_changes BY NAME
SELECT sku, carrier, order_day, sum(sign) AS lines FROM changed_rows GROUP BY ALL;

INSERT INTO day_changes BY NAME
SELECT order_day, sum(sign * orders) AS orders, sum(sign * items) AS items,
    sum(sign * cancelled) AS cancelled, sum(sign * shipped) AS shipped,
    sum(sign * confirmed) AS confirmed, sum(sign * expected) AS expected
FROM (
    SELECT sign, order_day,
        count(DISTINCT sales_order_id) AS orders,
        count(*) FILTER (otto_status IS NOT NULL) AS items,
        count(*) FILTER (otto_status LIKE 'CANCELLED%') AS cancelled,
        count(*) FILTER (otto_status IS NOT NULL AND dispatched_at IS NOT NULL) AS shipped,
        count(*) FILTER (otto_status IN ('SENT', 'RETURNED')) AS confirmed,
        count(*) FILTER (otto_status IS NOT NULL AND difference_class = 'expected') AS expected
    FROM changed_rows
    GROUP BY sign, order_day
)
GROUP BY order_day;

DELETE FROM changed_rows;
