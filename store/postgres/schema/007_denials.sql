-- Requests that were denied: samples, and how many there were. No log has them.

CREATE TABLE denials (
    customer text   COLLATE "C" NOT NULL,
    at       bigint NOT NULL,
    id       text   COLLATE "C" NOT NULL,
    tags     text   COLLATE "C" NOT NULL, -- JSON: what it is found by
    body     bytea  NOT NULL,
    sum      bigint NOT NULL,
    PRIMARY KEY (customer, at, id)
);
CREATE INDEX denials_at ON denials (at);

CREATE TABLE denial_tags (
    customer text   COLLATE "C" NOT NULL,
    tag      text   COLLATE "C" NOT NULL,
    at       bigint NOT NULL,
    id       text   COLLATE "C" NOT NULL,
    PRIMARY KEY (customer, tag, at, id)
);
CREATE INDEX denial_tags_at ON denial_tags (at);

-- Of an hour, by process and by what they have in common.
CREATE TABLE denial_counts (
    customer text   COLLATE "C" NOT NULL,
    hour     bigint NOT NULL, -- its begin
    key      bytea  NOT NULL, -- hash of the process and of what tells the count from others
    bound    text   COLLATE "C" NOT NULL, -- the limit; '' = none
    grp      text   COLLATE "C" NOT NULL,
    denied   bigint NOT NULL,
    kept     bigint NOT NULL,
    last     bigint NOT NULL,
    PRIMARY KEY (customer, hour, key)
);
CREATE INDEX denial_counts_hour ON denial_counts (hour);
