-- log.db, schema 8: denials. No log has them, so they are here and not in state.db, which may be
-- deleted.

-- Samples.
CREATE TABLE denials (
    n        INTEGER PRIMARY KEY,
    customer TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    tags     TEXT    NOT NULL, -- JSON: what it is found by
    body     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX denials_place ON denials (customer, at, id);
CREATE INDEX denials_at ON denials (at);

CREATE TABLE denial_tags (
    customer TEXT    NOT NULL,
    tag      TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    id       TEXT    NOT NULL,
    PRIMARY KEY (customer, tag, at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX denial_tags_at ON denial_tags (at);

-- How many there were in an hour, by process and by what they have in common.
CREATE TABLE denial_counts (
    customer TEXT    NOT NULL,
    hour     INTEGER NOT NULL, -- its begin
    key      BLOB    NOT NULL, -- hash of the process and of what tells the count from others
    bound    TEXT    NOT NULL, -- the limit; '' = none
    grp      TEXT    NOT NULL,
    denied   INTEGER NOT NULL,
    kept     INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    PRIMARY KEY (customer, hour, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX denial_counts_hour ON denial_counts (hour);
