-- +goose Up
-- Each time blocks were taken back: the block that stayed, the tip that was left. at: Unix microseconds.
CREATE TABLE reorgs (
    id          INTEGER NOT NULL PRIMARY KEY,
    at          BIGINT  NOT NULL,
    base_height BIGINT  NOT NULL,
    base_hash   BLOB    NOT NULL,
    tip_height  BIGINT  NOT NULL,
    tip_hash    BLOB    NOT NULL,
    records     BIGINT  NOT NULL
);

-- The records a reorganisation took back, without their values. Columns as in records.
CREATE TABLE undone (
    reorg     BIGINT NOT NULL REFERENCES reorgs (id),
    place     BIGINT NOT NULL,
    type      BIGINT NOT NULL,
    name_hash BLOB   NOT NULL,
    kind      BIGINT NOT NULL,
    txid      BLOB   NOT NULL,
    PRIMARY KEY (reorg, place)
);

-- +goose Down
DROP TABLE undone;
DROP TABLE reorgs;
