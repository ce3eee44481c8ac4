-- From when and until when the sides were read that may be silent about money.
--
-- Receipts are read by whole days of UTC. What was sent before the first of them, and before the
-- first reading, may have a receipt that we never read.
CREATE OR REPLACE TEMP TABLE feeds AS
SELECT
    least(
        min(first_read_at) FILTER (flow = 'receipts'),
        (SELECT timezone('UTC', date_trunc('day', timezone('UTC', min(created_at))))
            FROM staging.receipts)
    ) AS receipts_from,
    max(last_read_at) FILTER (flow = 'receipts') AS receipts_until,
    max(last_read_at) FILTER (flow = 'returns') AS returns_until,
    max(last_read_at) FILTER (flow = 'price_reductions') AS reductions_until
FROM staging.sync_runs;
