-- Remove the fingerprints of the orders in scope. Those of an order that OTTO has only now told of
-- still stand under the day of unknown orders.
CREATE OR REPLACE TEMP TABLE stale_fingerprints AS
SELECT order_day, order_key FROM scope
UNION SELECT unknown_day(), order_key FROM scope;

DELETE FROM staging.otto_fingerprints AS f USING stale_fingerprints AS s
WHERE f.order_day = s.order_day AND f.order_key = s.order_key;

DELETE FROM staging.wms_fingerprints AS f USING stale_fingerprints AS s
WHERE f.order_day = s.order_day AND f.order_key = s.order_key;
