-- +goose Up
-- Enrolled vantage points other than this machine. key: Ed25519. sequence: of the newest report. enrolled, reported: Unix
-- microseconds, 0 for never.
CREATE TABLE probers (
    name     TEXT   NOT NULL PRIMARY KEY,
    key      BLOB   NOT NULL UNIQUE,
    sequence BIGINT NOT NULL,
    enrolled BIGINT NOT NULL,
    reported BIGINT NOT NULL
);

-- What the checks of a node from a vantage point come to; blob: directory.Estimate. changed: as in nodes, and
-- before the blob, since all rows are searched for what changed.
CREATE TABLE estimates (
    key     BLOB   NOT NULL,
    vantage TEXT   NOT NULL,
    changed BIGINT NOT NULL,
    blob    BLOB   NOT NULL,
    PRIMARY KEY (key, vantage)
);

-- Histories; blob: directory.Ring. ring: 0 checks, 1 hours, 2 days.
CREATE TABLE rings (
    key     BLOB   NOT NULL,
    vantage TEXT   NOT NULL,
    ring    BIGINT NOT NULL,
    blob    BLOB   NOT NULL,
    PRIMARY KEY (key, vantage, ring)
);

-- +goose Down
DROP TABLE rings;
DROP TABLE estimates;
DROP TABLE probers;
