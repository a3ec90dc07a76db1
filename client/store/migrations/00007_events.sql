-- +goose Up
-- What programs that follow are told, in order; numbers are never used again.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      BIGINT  NOT NULL,
    kind    INTEGER NOT NULL,
    chat    BLOB    NOT NULL,
    message INTEGER
);
CREATE INDEX events_by_at ON events (at);

-- How far each of them has come.
CREATE TABLE consumers (
    name TEXT    NOT NULL PRIMARY KEY,
    seq  INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE consumers;
DROP TABLE events;
