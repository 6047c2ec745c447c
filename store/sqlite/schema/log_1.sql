-- log.db, schema 1: the truth. Instants are nanoseconds since the Unix epoch:
--   SELECT name, seq, datetime(now / 1000000000, 'unixepoch') FROM streams;

-- Where each stream's log ends. A commit is appended by moving this row from the
-- position it was decided on.
CREATE TABLE streams (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE, -- the customer's id; '' is the environment's catalogue
    seq  INTEGER NOT NULL,        -- commits so far
    hash BLOB    NOT NULL,        -- of the last commit, which hashes the one before it
    now  INTEGER NOT NULL         -- instant of the last commit
) STRICT;

-- One row per commit, in the order of appending: inserts are sequential.
CREATE TABLE log (
    id        INTEGER PRIMARY KEY,
    stream    INTEGER NOT NULL REFERENCES streams (id),
    seq       INTEGER NOT NULL, -- position in the stream once this commit is applied
    now       INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    commit_id BLOB    NOT NULL, -- random, by which an unknown outcome is settled
    payload   BLOB              -- encoded records
) STRICT;
CREATE UNIQUE INDEX log_position ON log (stream, seq);

-- Things of the catalogue that a customer uses, which may not be archived therefore.
CREATE TABLE uses (
    kind   TEXT    NOT NULL, -- 'entityType' or 'currency'
    id     TEXT    NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams (id),
    PRIMARY KEY (kind, id, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    id               TEXT PRIMARY KEY NOT NULL,
    name             TEXT,
    email            TEXT,
    metadata         TEXT, -- JSON object
    timezone         TEXT,
    language         TEXT,
    billing_id       TEXT,
    billing_currency TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    archived_at      INTEGER -- NULL while live
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_created ON customers (created_at, id);
CREATE INDEX customers_email ON customers (email, created_at, id) WHERE email IS NOT NULL;
CREATE INDEX customers_name ON customers (name, created_at, id) WHERE name IS NOT NULL;

CREATE TABLE activity (
    stream      INTEGER NOT NULL REFERENCES streams (id),
    id          TEXT    NOT NULL, -- grows with time within a stream
    timestamp   INTEGER NOT NULL,
    actor_type  TEXT    NOT NULL,
    actor_id    TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    target_type TEXT    NOT NULL,
    target_id   TEXT    NOT NULL,
    entity_id   TEXT    NOT NULL, -- '' = none
    before      TEXT,             -- JSON
    after       TEXT,             -- JSON
    request_id  TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX activity_id ON activity (stream, id);
CREATE INDEX activity_time ON activity (stream, timestamp, id);
CREATE INDEX activity_entity ON activity (stream, entity_id, id) WHERE entity_id <> '';
