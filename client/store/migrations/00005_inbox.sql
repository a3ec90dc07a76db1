-- +goose Up
-- What was fetched and dealt with, kept longer than the swarm keeps it. until: milliseconds.
CREATE TABLE seen (
    hash  TEXT   NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX seen_by_until ON seen (until);

-- Where to go on reading: by node (Ed25519 key) and namespace.
CREATE TABLE cursors (
    node      BLOB    NOT NULL,
    namespace INTEGER NOT NULL,
    hash      TEXT    NOT NULL,
    PRIMARY KEY (node, namespace)
) WITHOUT ROWID;

-- How often something could not be shown, and why.
CREATE TABLE skipped (
    reason TEXT    NOT NULL PRIMARY KEY,
    n      INTEGER NOT NULL,
    last   BIGINT  NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE skipped;
DROP TABLE cursors;
DROP TABLE seen;
