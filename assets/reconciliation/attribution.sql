-- reconciliation.attribution, the whole: which SKU, carrier, day, kind or owner carries the drift.
--
-- Lift compares a value's share of the breaks with its share of all lines: 1 is as expected. Kinds
-- and owners have no lines of their own. Only what is material is listed: enough money at risk and,
-- where there are lines to compare with, enough breaks more than these explain.
DELETE FROM reconciliation.attribution;

INSERT INTO reconciliation.attribution BY NAME
WITH open_break AS (
    SELECT currency, amount_at_risk_cents, sku, carrier, kind, owner,
        CAST(order_day AS VARCHAR) AS day
    FROM reconciliation.breaks
    WHERE status = 'open'
),
by_value AS (
    SELECT dimension, value, currency, count(*) AS breaks,
        CAST(sum(amount_at_risk_cents) AS BIGINT) AS amount_at_risk_cents
    FROM (UNPIVOT open_break ON sku, carrier, day, kind, owner INTO NAME dimension VALUE value)
    GROUP BY ALL
),
total AS (
    SELECT currency, count(*) AS breaks,
        CAST(sum(amount_at_risk_cents) AS BIGINT) AS amount_at_risk_cents
    FROM open_break GROUP BY currency
),
lines_total AS (SELECT dimension, sum(lines) AS lines FROM staging.line_counts GROUP BY dimension),
shares AS (
    SELECT v.*, c.lines,
        100 * v.breaks / t.breaks AS share_of_breaks,
        100 * v.amount_at_risk_cents / nullif(t.amount_at_risk_cents, 0) AS share_of_amount,
        100 * c.lines / n.lines AS share_of_lines
    FROM by_value AS v
    JOIN total AS t USING (currency)
    LEFT JOIN staging.line_counts AS c USING (dimension, value)
    LEFT JOIN lines_total AS n USING (dimension)
)
SELECT dimension, value, currency, breaks, amount_at_risk_cents,
    money(amount_at_risk_cents) AS amount_at_risk, lines,
    share_of_breaks, share_of_amount, share_of_lines,
    share_of_breaks / share_of_lines AS lift
FROM shares CROSS JOIN run
WHERE amount_at_risk_cents >= material_cents
    AND (dimension IN ('kind', 'owner')
        OR (breaks >= attribution_breaks AND share_of_breaks >= attribution_lift * share_of_lines))
ORDER BY dimension, amount_at_risk_cents DESC, value, currency;
