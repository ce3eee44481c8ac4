-- reconciliation.daily_summary, the whole: it is small, and breaks of any day may have changed.
DELETE FROM reconciliation.daily_summary;

INSERT INTO reconciliation.daily_summary BY NAME
WITH open_break AS (
    SELECT order_day, count(*) AS open_breaks,
        sum(amount_at_risk_cents) FILTER (area = 'orders') AS orders_cents,
        sum(amount_at_risk_cents) FILTER (area = 'shipments') AS shipments_cents,
        sum(amount_at_risk_cents) FILTER (area = 'prices') AS prices_cents
    FROM reconciliation.breaks
    WHERE status = 'open'
    GROUP BY order_day
),
progress AS (
    SELECT order_day,
        count(DISTINCT sales_order_id) AS orders,
        count(*) FILTER (otto_status IS NOT NULL) AS items,
        count(*) FILTER (otto_status LIKE 'CANCELLED%') AS cancelled,
        count(*) FILTER (otto_status IS NOT NULL AND dispatched_at IS NOT NULL) AS shipped,
        count(*) FILTER (otto_status IN ('SENT', 'RETURNED')) AS confirmed,
        count(*) FILTER (otto_status IS NOT NULL AND difference_class = 'expected') AS expected
    FROM reconciliation.order_lines
    GROUP BY order_day
)
SELECT p.*,
    coalesce(b.open_breaks, 0) AS open_breaks,
    coalesce(b.orders_cents, 0) AS orders_at_risk_cents,
    coalesce(b.shipments_cents, 0) AS shipments_at_risk_cents,
    coalesce(b.prices_cents, 0) AS prices_at_risk_cents,
    money(coalesce(b.orders_cents, 0)) AS orders_at_risk,
    money(coalesce(b.shipments_cents, 0)) AS shipments_at_risk,
    money(coalesce(b.prices_cents, 0)) AS prices_at_risk
FROM progress AS p
LEFT JOIN open_break AS b USING (order_day)
ORDER BY order_day;
