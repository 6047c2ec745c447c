-- log.db, schema 7: payloads may be deflated (RFC 1951). A large one is mostly the same few things
-- said of many entities.
ALTER TABLE log ADD COLUMN length INTEGER; -- of a deflated payload, before it was; NULL = it is as it was appended

-- Entries of the activity that were recorded together, in blocks. What came before schema 7 is in
-- the table activity, and so is what comes out of the order of ids.
CREATE TABLE activity_blocks (
    stream   INTEGER NOT NULL REFERENCES streams (id),
    n        INTEGER NOT NULL, -- from 1, in the order of ids
    first    TEXT    NOT NULL, -- the ids of its first and its last entry
    last     TEXT    NOT NULL,
    earliest INTEGER NOT NULL, -- the timestamp of its first entry
    told     TEXT,             -- JSON array of the actions and the actors' ids in it; NULL = too many
    length   INTEGER,          -- as in log
    data     BLOB    NOT NULL,
    PRIMARY KEY (stream, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX activity_blocks_first ON activity_blocks (stream, first);
CREATE INDEX activity_blocks_earliest ON activity_blocks (stream, earliest, n);

-- The blocks that have entries of an entity.
CREATE TABLE activity_entities (
    stream    INTEGER NOT NULL,
    entity_id TEXT    NOT NULL,
    n         INTEGER NOT NULL,
    PRIMARY KEY (stream, entity_id, n)
) STRICT, WITHOUT ROWID;
