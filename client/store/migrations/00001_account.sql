-- +goose Up
-- The one account of this database. renamed: Unix seconds. ahead: milliseconds that the network's clock was ahead of the machine's when
-- that one said heard, also milliseconds; 0: it is not known. height: of the chain, that enough nodes
-- were heard to know at height_at, milliseconds.
CREATE TABLE account (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seed    BLOB    NOT NULL,
    own     BLOB    NOT NULL,
    network TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    renamed BIGINT  NOT NULL,
    created BIGINT  NOT NULL,
    ahead   BIGINT  NOT NULL DEFAULT 0,
    heard   BIGINT  NOT NULL DEFAULT 0,
    height  BIGINT  NOT NULL DEFAULT 0,
    height_at BIGINT NOT NULL DEFAULT 0
);

-- The times that messages of its own were given, so that no two have the same. at: milliseconds.
CREATE TABLE times (
    at BIGINT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- +goose Down
DROP TABLE times;
DROP TABLE account;
