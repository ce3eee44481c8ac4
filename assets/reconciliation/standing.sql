-- How long each break lasts, and how large it is among those that are open: for all that are not
-- resolved, because both change by time alone.
UPDATE reconciliation.breaks AS b
SET last_seen_at = s.as_of, age_days = s.age_days, age_bucket = s.age_bucket,
    overdue = s.overdue, materiality_rank = s.materiality_rank
FROM (
    SELECT break_id, as_of, days AS age_days, bucket AS age_bucket,
        status = 'open' AND days > limit_days AS overdue,
        CASE WHEN status = 'open' THEN row_number() OVER (
            PARTITION BY status ORDER BY amount_at_risk_cents DESC, break_id
        ) END AS materiality_rank
    FROM (
        SELECT *, greatest(0, date_diff('hour', coalesce(since_at, first_seen_at), as_of) // 24)
            AS days
        FROM reconciliation.breaks CROSS JOIN run
        WHERE status <> 'resolved'
    )
    ASOF JOIN age_buckets ON days >= from_days
    JOIN age_limits USING (severity)
) AS s
WHERE b.break_id = s.break_id;
