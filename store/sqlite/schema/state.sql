-- state.db, schema 5: every stream's state as of its checkpoint, rebuilt from log.db
-- when this file is missing or older. Amounts are exact decimals as text; instants are
-- nanoseconds since the Unix epoch; an ord numbers a customer's entities, or its
-- assignments, from 1. `bursar inspect` prints what the blocks hold.

CREATE TABLE checkpoints (
    id     INTEGER PRIMARY KEY AUTOINCREMENT, -- "stream" in the other tables
    stream TEXT    NOT NULL UNIQUE,           -- the customer's id
    seq    INTEGER NOT NULL,                  -- the position in the log that all rows are true at
    hash   BLOB    NOT NULL,
    now    INTEGER NOT NULL,
    due    INTEGER NOT NULL, -- when time alone changes the state next; 0 = never
    meta   BLOB
) STRICT;
CREATE INDEX checkpoints_due ON checkpoints (due) WHERE due <> 0;

-- Entities, in blocks. In data, for each one: a byte, its ord counted from the first of the block;
-- a byte of what is as with the entity before, or is there at all (store/sqlite/entities.go); how
-- many bytes of the id are as in the one before, and the rest of it; then what that byte leaves:
-- type, parent's ord, instants, name, metadata. Numbers are varints, mostly differences from the
-- entity before.
CREATE TABLE entity_blocks (
    stream INTEGER NOT NULL,
    block  INTEGER NOT NULL, -- an entity's ord / 64
    data   BLOB    NOT NULL,
    PRIMARY KEY (stream, block)
) STRICT, WITHOUT ROWID;

-- Assignments, in blocks of the same kind (store/sqlite/assignments.go).
CREATE TABLE assignment_blocks (
    stream INTEGER NOT NULL,
    block  INTEGER NOT NULL, -- an assignment's ord / 64
    data   BLOB    NOT NULL,
    PRIMARY KEY (stream, block)
) STRICT, WITHOUT ROWID;

-- The assignments' usage in their current and previous windows, in blocks. In data, for each
-- counter: a byte, its assignment's ord counted from the first of the block; the start of the
-- previous window, the start and the end of the current one as varints, less those of the
-- counter before; what was used in the previous window, what is used and what is held in the
-- form of the log.
CREATE TABLE counter_blocks (
    stream INTEGER NOT NULL,
    block  INTEGER NOT NULL, -- an assignment's ord / 64
    data   BLOB    NOT NULL,
    PRIMARY KEY (stream, block)
) STRICT, WITHOUT ROWID;

-- Lifetime totals (level = 0) and last values set (level = 1).
CREATE TABLE totals (
    stream     INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    entity_ord INTEGER NOT NULL, -- 0 = the customer
    kind       TEXT    NOT NULL,
    capability TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    held       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (stream, level, entity_ord, kind, capability)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    stream     INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    capability TEXT    NOT NULL,
    status     TEXT    NOT NULL, -- OPEN, COMMITTED, RELEASED or EXPIRED
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    closed_at  INTEGER NOT NULL, -- 0 while open
    amount     TEXT    NOT NULL,
    entities   TEXT,             -- JSON array of entity ords
    detail     BLOB,
    PRIMARY KEY (stream, id)
) STRICT, WITHOUT ROWID;

-- Each hold once for every entity it resolved, and once for entity 0: any.
CREATE TABLE holds_by_entity (
    stream     INTEGER NOT NULL,
    entity_ord INTEGER NOT NULL,
    status     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    PRIMARY KEY (stream, entity_ord, status, id)
) STRICT, WITHOUT ROWID;

-- The smaller things: grants, pools, boosts, promotions, alerts that fired, paths (packed:
-- store/paths.go), what a UNIQUE counted.
CREATE TABLE parts (
    stream INTEGER NOT NULL,
    sort   TEXT    NOT NULL,
    key    TEXT    NOT NULL,
    body   ANY     NOT NULL, -- JSON; of sorts 'unique' and 'paths' a BLOB
    PRIMARY KEY (stream, sort, key)
) STRICT, WITHOUT ROWID;

-- Usage in steps of 15 minutes, in blocks. The key begins with the hour, so that the blocks
-- being added to lie together, and a reader seeks once an hour. In data, for each bucket:
-- the entity and the child, a byte each, counted from the first of the block; the
-- combination of dimensions, 0 = none, as a varint; the amount in the form of the log.
CREATE TABLE series_blocks (
    stream     INTEGER NOT NULL,
    hour       INTEGER NOT NULL, -- bucket / 4: datetime(hour * 3600, 'unixepoch')
    entities   INTEGER NOT NULL, -- entity ord / 64; entity 0 = the customer
    kind       TEXT    NOT NULL,
    capability TEXT    NOT NULL,
    bucket     INTEGER NOT NULL,
    children   INTEGER NOT NULL, -- ord of the child it came through / 256; 0 = directly
    data       BLOB    NOT NULL,
    PRIMARY KEY (stream, hour, entities, kind, capability, bucket, children)
) STRICT, WITHOUT ROWID;

-- Idempotency keys: parts of the open generation, closed generations and their blocks.
CREATE TABLE key_segments (
    stream INTEGER NOT NULL,
    gen    INTEGER NOT NULL, -- when the generation began
    part   INTEGER NOT NULL,
    data   BLOB,
    PRIMARY KEY (stream, gen, part)
) STRICT;

CREATE TABLE key_generations (
    stream INTEGER NOT NULL,
    gen    INTEGER NOT NULL,
    "end"  INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    filter BLOB,
    PRIMARY KEY (stream, gen)
) STRICT;

CREATE TABLE key_blocks (
    stream INTEGER NOT NULL,
    gen    INTEGER NOT NULL,
    first  BLOB    NOT NULL, -- key of the first entry
    data   BLOB,
    PRIMARY KEY (stream, gen, first)
) STRICT;
