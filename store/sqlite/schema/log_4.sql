-- log.db, schema 4: long work that goes on after a restart.

CREATE TABLE jobs (
    id    TEXT    PRIMARY KEY, -- in order of creation
    key   TEXT    UNIQUE,      -- of the request that asked for it
    rev   INTEGER NOT NULL,
    ended INTEGER NOT NULL,    -- 0 while it waits or runs
    body  BLOB    NOT NULL,
    result BLOB               -- what it found or did so far
) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE ended = 0;
