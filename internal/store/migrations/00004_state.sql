-- +goose Up
-- What the writer knows beside blocks and records: one row. asked: Unix microseconds, 0 for never.
-- keep: blocks at or above this height keep their row.
CREATE TABLE state (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    network TEXT    NOT NULL,
    genesis BLOB    NOT NULL,
    year    BIGINT  NOT NULL,
    start   BIGINT  NOT NULL,
    final   BIGINT  NOT NULL,
    target  BIGINT  NOT NULL,
    phase   TEXT    NOT NULL,
    asked   BIGINT  NOT NULL,
    keep    BIGINT  NOT NULL
);

-- One row per commit, the newest 10,000: everything above base_height was replaced; -1: everything.
CREATE TABLE commits (
    seq         INTEGER NOT NULL PRIMARY KEY,
    base_height BIGINT  NOT NULL
);

-- Who may write: one row. until: Unix microseconds, renewed by each commit.
CREATE TABLE writer (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT  NOT NULL,
    until BIGINT  NOT NULL
);

INSERT INTO writer (id, epoch, until) VALUES (1, 0, 0);

-- +goose Down
DROP TABLE writer;
DROP TABLE commits;
DROP TABLE state;
