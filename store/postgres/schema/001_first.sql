-- Schema 1. Instants are nanoseconds since the Unix epoch:
--   SELECT name, seq, to_timestamp(now / 1e9) FROM streams;
-- Amounts are exact decimal numbers of units. In texts, what PostgreSQL cannot store
-- (U+0000, bytes that are no UTF-8) is behind U+0001.
--
-- The limits closest to their end, for example:
--   SELECT e.id, a.capability, c.used, a.usage_limit
--     FROM streams s
--     JOIN assignments a ON a.stream = s.id
--     JOIN counters c ON c.stream = s.id AND c.ord = a.ord
--     JOIN entities e ON e.stream = s.id AND e.ord = a.entity_ord
--    WHERE s.name = 'acme' AND a.usage_limit > 0 ORDER BY c.used / a.usage_limit DESC LIMIT 20;

-- Where each stream's log ends. The row's lock is the right to append; its updates touch
-- no index and find room on their page (HOT).
CREATE TABLE streams (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- "stream" in the other tables
    name  text   COLLATE "C" NOT NULL UNIQUE, -- the customer's id; '' is the environment's catalogue
    seq   bigint NOT NULL,                    -- commits so far
    hash  bytea  NOT NULL,                    -- of the last commit, which hashes the one before it
    now   bigint NOT NULL,                    -- instant of the last commit
    saved bigint NOT NULL DEFAULT 0           -- seq of the checkpoint
) WITH (fillfactor = 50);

-- Commits lock the catalogue's row, so it is there from the beginning.
INSERT INTO streams (name, seq, hash, now) VALUES ('', 0, decode(repeat('00', 16), 'hex'), 0);

-- Streams with seq > saved, but for the catalogue.
CREATE TABLE behind (
    stream bigint PRIMARY KEY
);

-- One row per commit.
CREATE TABLE log (
    stream    bigint NOT NULL,
    seq       bigint NOT NULL, -- position in the stream once this commit is applied
    now       bigint NOT NULL,
    hash      bytea  NOT NULL,
    commit_id bytea  NOT NULL, -- random, by which an unknown outcome is settled
    payload   bytea,           -- encoded records
    PRIMARY KEY (stream, seq)
);
ALTER TABLE log ALTER payload SET STORAGE EXTERNAL;

-- Things of the catalogue that a customer uses, which may not be archived therefore.
CREATE TABLE uses (
    kind   text   COLLATE "C" NOT NULL, -- 'entityType', 'currency' or 'grant'
    id     text   COLLATE "C" NOT NULL,
    stream bigint NOT NULL,
    PRIMARY KEY (kind, id, stream)
);

CREATE TABLE customers (
    id               text   COLLATE "C" PRIMARY KEY,
    name             text   COLLATE "C",
    email            text   COLLATE "C",
    metadata         text,   -- JSON object
    timezone         text,
    language         text,
    billing_id       text,
    billing_currency text,
    created_at       bigint NOT NULL,
    updated_at       bigint NOT NULL,
    archived_at      bigint -- NULL while live
);
CREATE INDEX customers_created ON customers (created_at, id);
CREATE INDEX customers_email ON customers (email, created_at, id) WHERE email IS NOT NULL;
CREATE INDEX customers_name ON customers (name, created_at, id) WHERE name IS NOT NULL;

CREATE TABLE activity (
    stream      bigint NOT NULL,
    id          text   COLLATE "C" NOT NULL, -- grows with time within a stream
    timestamp   bigint NOT NULL,
    actor_type  text   NOT NULL,
    actor_id    text   NOT NULL,
    subject     text   NOT NULL,
    action      text   NOT NULL,
    target_type text   NOT NULL,
    target_id   text   NOT NULL,
    entity_id   text   COLLATE "C" NOT NULL, -- '' = none
    before      text,                        -- JSON
    after       text,                        -- JSON
    request_id  text   NOT NULL,
    PRIMARY KEY (stream, id)
);
CREATE INDEX activity_time ON activity (stream, timestamp, id);
CREATE INDEX activity_entity ON activity (stream, entity_id, id) WHERE entity_id <> '';

-- The outbox of webhook events. A commit's messages are written with it.
CREATE TABLE messages (
    id          text   COLLATE "C" PRIMARY KEY,
    type        text   NOT NULL,
    customer_id text   NOT NULL, -- '' = of the environment
    created_at  bigint NOT NULL,
    body        bytea            -- JSON, as it is delivered
);
CREATE INDEX messages_created ON messages (created_at, id);

-- A message on its way to one endpoint. Each index has the id as its last column, that is
-- the order of the listings; one that is delivered is in deliveries_due no more.
CREATE TABLE deliveries (
    id              text   COLLATE "C" PRIMARY KEY,
    endpoint_id     text   COLLATE "C" NOT NULL,
    message         text   COLLATE "C" NOT NULL,
    status          text   COLLATE "C" NOT NULL, -- PENDING, SUCCEEDED or FAILED
    attempts        bigint NOT NULL,
    response_status bigint NOT NULL, -- of the last attempt; 0 = there was no reply
    error           text   NOT NULL, -- of the last attempt; '' = none
    created_at      bigint NOT NULL,
    next_attempt    bigint NOT NULL  -- 0 unless PENDING
);
CREATE INDEX deliveries_due ON deliveries (next_attempt, id) WHERE status = 'PENDING';
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, id) WHERE status = 'FAILED';
CREATE INDEX deliveries_message ON deliveries (message, id);

-- Who does what one process at a time does, by the server's clock.
CREATE TABLE claims (
    name   text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until  timestamptz NOT NULL
);

-- What was saved of a stream's state; all rows of a stream below are true at seq.
CREATE TABLE checkpoints (
    stream bigint PRIMARY KEY,
    seq    bigint NOT NULL,
    hash   bytea  NOT NULL,
    now    bigint NOT NULL,
    due    bigint NOT NULL, -- when time alone changes the state next; 0 = never
    meta   bytea
);
CREATE INDEX checkpoints_due ON checkpoints (due) WHERE due <> 0;

CREATE TABLE entities (
    stream      bigint NOT NULL,
    ord         bigint NOT NULL,
    id          text   NOT NULL,
    type        text   NOT NULL,
    parent_ord  bigint NOT NULL, -- 0 = root
    name        text,
    metadata    text,            -- JSON object
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    archived_at bigint NOT NULL, -- 0 = live
    PRIMARY KEY (stream, ord)
);

CREATE TABLE assignments (
    stream      bigint  NOT NULL,
    ord         bigint  NOT NULL,
    id          text    NOT NULL,
    entity_ord  bigint  NOT NULL,
    kind        text    NOT NULL, -- 'feature' or 'currency'
    capability  text    NOT NULL,
    label       text    NOT NULL,
    scope       bigint[],         -- entity ords
    usage_limit numeric,          -- NULL = unlimited
    cadence     text    NOT NULL,
    timezone    text    NOT NULL,
    anchor      bigint,
    soft        boolean NOT NULL,
    strict      boolean NOT NULL,
    thresholds  bigint[],         -- percents
    created_at  bigint  NOT NULL,
    updated_at  bigint  NOT NULL,
    PRIMARY KEY (stream, ord)
);

-- An assignment's usage in its current and previous window; ord is the assignment's.
CREATE TABLE counters (
    stream       bigint  NOT NULL,
    ord          bigint  NOT NULL,
    prev_start   bigint  NOT NULL,
    window_start bigint  NOT NULL,
    window_end   bigint  NOT NULL,
    previous     numeric NOT NULL,
    used         numeric NOT NULL,
    held         numeric NOT NULL,
    PRIMARY KEY (stream, ord)
) WITH (fillfactor = 70);

-- Lifetime totals and levels, the last values set.
CREATE TABLE totals (
    stream     bigint  NOT NULL,
    level      boolean NOT NULL,
    entity_ord bigint  NOT NULL, -- 0 = the customer
    kind       text    COLLATE "C" NOT NULL,
    capability text    COLLATE "C" NOT NULL,
    value      numeric NOT NULL,
    held       numeric NOT NULL,
    at         bigint  NOT NULL,
    PRIMARY KEY (stream, level, entity_ord, kind, capability)
) WITH (fillfactor = 70);

CREATE TABLE holds (
    stream     bigint  NOT NULL,
    id         text    COLLATE "C" NOT NULL,
    kind       text    NOT NULL,
    capability text    NOT NULL,
    status     text    COLLATE "C" NOT NULL, -- OPEN, COMMITTED, RELEASED or EXPIRED
    created_at bigint  NOT NULL,
    expires_at bigint  NOT NULL,
    closed_at  bigint  NOT NULL, -- 0 while open
    amount     numeric NOT NULL,
    entities   bigint[],         -- ords
    detail     bytea,
    PRIMARY KEY (stream, id)
);

-- Each hold once for every entity it resolved, and once for entity 0: any.
CREATE TABLE holds_by_entity (
    stream     bigint NOT NULL,
    entity_ord bigint NOT NULL,
    status     text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, entity_ord, status, id)
);

-- The smaller things: grants, pools, boosts, promotions, alerts that fired, what a
-- UNIQUE counted.
CREATE TABLE parts (
    stream bigint NOT NULL,
    sort   text   COLLATE "C" NOT NULL,
    key    text   COLLATE "C" NOT NULL,
    body   text,  -- JSON
    bytes  bytea, -- where body is NULL: what is no text
    PRIMARY KEY (stream, sort, key)
) WITH (fillfactor = 70);

-- Usage in steps of 15 minutes. The key begins with the hour, so that the buckets being
-- added to lie together, and a reader seeks once an hour.
CREATE TABLE usage_series (
    stream     bigint  NOT NULL,
    hour       bigint  NOT NULL, -- bucket / 4: to_timestamp(hour * 3600)
    entity_ord bigint  NOT NULL, -- 0 = the customer
    kind       text    COLLATE "C" NOT NULL,
    capability text    COLLATE "C" NOT NULL,
    bucket     bigint  NOT NULL,
    child_ord  bigint  NOT NULL, -- the child it came through; 0 = directly
    combo      bigint  NOT NULL, -- combination of dimensions; 0 = none
    amount     numeric NOT NULL,
    PRIMARY KEY (stream, hour, entity_ord, kind, capability, bucket, child_ord, combo)
) WITH (fillfactor = 80);

-- Idempotency keys: parts of the open generation, closed generations and their blocks.
CREATE TABLE key_segments (
    stream bigint NOT NULL,
    gen    bigint NOT NULL, -- when the generation began
    part   bigint NOT NULL,
    data   bytea,
    PRIMARY KEY (stream, gen, part)
);

CREATE TABLE key_generations (
    stream bigint NOT NULL,
    gen    bigint NOT NULL,
    "end"  bigint NOT NULL,
    count  bigint NOT NULL,
    filter bytea,
    PRIMARY KEY (stream, gen)
);

CREATE TABLE key_blocks (
    stream bigint NOT NULL,
    gen    bigint NOT NULL,
    first  bytea  NOT NULL, -- key of the first entry
    data   bytea,
    PRIMARY KEY (stream, gen, first)
);

-- Hashes do not compress.
ALTER TABLE key_segments ALTER data SET STORAGE EXTERNAL;
ALTER TABLE key_generations ALTER filter SET STORAGE EXTERNAL;
ALTER TABLE key_blocks ALTER data SET STORAGE EXTERNAL;
