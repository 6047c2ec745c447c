-- Long work that goes on after a restart.

CREATE TABLE jobs (
    id    text COLLATE "C" PRIMARY KEY, -- in order of creation
    key   text UNIQUE,                  -- of the request that asked for it
    rev   bigint NOT NULL,
    ended bigint NOT NULL,              -- 0 while it waits or runs
    body  bytea  NOT NULL,
    result bytea                        -- what it found or did so far
);

CREATE INDEX jobs_open ON jobs (id) WHERE ended = 0;
