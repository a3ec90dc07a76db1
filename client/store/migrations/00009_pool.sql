-- +goose Up
-- The service nodes we know of. swarm: 16 hexadecimal digits. guard: 1, 2, … in the order of preference; 0: none.
-- failing: since when it does not work, rest: until when it is left alone, both in milliseconds and of guards.
CREATE TABLE nodes (
    ed25519  BLOB    NOT NULL PRIMARY KEY,
    x25519   BLOB    NOT NULL,
    ip       TEXT    NOT NULL,
    port     INTEGER NOT NULL,
    swarm    TEXT    NOT NULL,
    operator TEXT    NOT NULL,
    strikes  INTEGER NOT NULL DEFAULT 0,
    latency  BIGINT  NOT NULL DEFAULT 0,
    guard    INTEGER NOT NULL DEFAULT 0,
    failing  BIGINT,
    rest     BIGINT
) WITHOUT ROWID;

-- When the list was learnt.
CREATE TABLE pool (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at BIGINT  NOT NULL
);

-- +goose Down
DROP TABLE pool;
DROP TABLE nodes;
