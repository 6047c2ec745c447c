-- log.db, schema 3: what logs go on from that do not begin with their first commit. A
-- checkpoint that state.db does not have is made of it again.

CREATE TABLE bases (
    stream INTEGER PRIMARY KEY REFERENCES streams (id),
    seq    INTEGER NOT NULL, -- the position in the log that all parts are true at
    hash   BLOB    NOT NULL
) STRICT;

CREATE TABLE base_parts (
    stream INTEGER NOT NULL REFERENCES streams (id),
    part   INTEGER NOT NULL, -- from 1
    rows   BLOB    NOT NULL, -- of the checkpoint, as JSON
    PRIMARY KEY (stream, part)
) STRICT;
