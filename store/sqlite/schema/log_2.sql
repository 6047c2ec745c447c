-- log.db, schema 2: the outbox of webhook events. A commit's messages are written with it.

CREATE TABLE messages (
    n           INTEGER PRIMARY KEY, -- "message" in deliveries
    id          TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    customer_id TEXT    NOT NULL,    -- '' = of the environment
    created_at  INTEGER NOT NULL,
    body        BLOB                 -- JSON, as it is delivered
) STRICT;
CREATE INDEX messages_created ON messages (created_at); -- to trim by

-- A message on its way to one endpoint. Each index has the id as its last column, that
-- is the order of the listings; one that is delivered is in deliveries_due no more.
CREATE TABLE deliveries (
    id              TEXT    PRIMARY KEY NOT NULL,
    endpoint_id     TEXT    NOT NULL,
    message         INTEGER NOT NULL REFERENCES messages (n),
    status          TEXT    NOT NULL, -- PENDING, SUCCEEDED or FAILED
    attempts        INTEGER NOT NULL,
    response_status INTEGER NOT NULL, -- of the last attempt; 0 = there was no reply
    error           TEXT    NOT NULL, -- of the last attempt; '' = none
    created_at      INTEGER NOT NULL,
    next_attempt    INTEGER NOT NULL  -- 0 unless PENDING
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_attempt, id) WHERE status = 'PENDING';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, id) WHERE status = 'FAILED';
CREATE INDEX deliveries_message ON deliveries (message, id);
