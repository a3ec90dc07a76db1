-- +goose Up
-- The one account of this database. last: milliseconds; the time of the newest message of its own, so that no two have the same.
-- renamed: Unix seconds.
CREATE TABLE account (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seed    BLOB    NOT NULL,
    own     BLOB    NOT NULL,
    network TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    renamed BIGINT  NOT NULL,
    created BIGINT  NOT NULL,
    last    BIGINT  NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE account;
