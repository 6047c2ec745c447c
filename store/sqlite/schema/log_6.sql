-- log.db, schema 6: what is due is looked up endpoint by endpoint, however much waits for
-- another one.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_waiting ON deliveries (endpoint_id, next_attempt, id) WHERE status = 'PENDING';
