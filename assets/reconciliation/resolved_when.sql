-- When, in business time, something last happened to the items in scope that have a break: a break
-- that is gone was gone from then on. Where both sides date what they tell this may be long before
-- the run that learns of it. For other kinds, and where nothing dated is new, the run's time is
-- taken.
INSERT INTO happened
SELECT b.break_id, l.happened_at
FROM reconciliation.breaks AS b
JOIN break_kinds AS k USING (kind)
JOIN lines AS l USING (sales_order_id, position_item_id)
WHERE b.status <> 'resolved' AND k.dated AND k.area IN ('orders', 'shipments');
