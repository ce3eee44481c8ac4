-- reconciliation.daily_summary: progress of each day, kept up with the rows that changed, and the
-- open breaks of every day.
CREATE OR REPLACE TEMP TABLE progress AS
SELECT order_day, sum(orders) AS orders, sum(items) AS items, sum(cancelled) AS cancelled,
    sum(shipped) AS shipped, sum(confirmed) AS confirmed, sum(expected) AS expected
FROM (
    SELECT order_day, orders, items, cancelled, shipped, confirmed, expected
    FROM reconciliation.daily_summary
    UNION ALL BY NAME
    FROM day_changes
)
GROUP BY order_day
HAVING sum(orders) > 0;

DELETE FROM reconciliation.daily_summary;

INSERT INTO reconciliation.daily_summary BY NAME
WITH open_break AS (
    SELECT order_day, count(*) AS open_breaks,
        sum(amount_at_risk_cents) FILTER (area = 'orders') AS orders_cents,
        sum(amount_at_risk_cents) FILTER (area = 'shipments') AS shipments_cents,
        sum(amount_at_risk_cents) FILTER (area = 'prices') AS prices_cents,
        sum(amount_at_risk_cents) FILTER (area = 'refunds') AS refunds_cents
    FROM reconciliation.breaks
    WHERE status = 'open'
    GROUP BY order_day
)
SELECT p.*,
    coalesce(b.open_breaks, 0) AS open_breaks,
    coalesce(b.orders_cents, 0) AS orders_at_risk_cents,
    coalesce(b.shipments_cents, 0) AS shipments_at_risk_cents,
    coalesce(b.prices_cents, 0) AS prices_at_risk_cents,
    coalesce(b.refunds_cents, 0) AS refunds_at_risk_cents,
    money(coalesce(b.orders_cents, 0)) AS orders_at_risk,
    money(coalesce(b.shipments_cents, 0)) AS shipments_at_risk,
    money(coalesce(b.prices_cents, 0)) AS prices_at_risk,
    money(coalesce(b.refunds_cents, 0)) AS refunds_at_risk
FROM progress AS p
LEFT JOIN open_break AS b USING (order_day)
ORDER BY order_day;
