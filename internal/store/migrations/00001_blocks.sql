-- +goose Up
-- Blocks that carry records or skips, every 256th, the first of the index, and the newest.
-- time: Unix seconds, as the block says. digest: of the whole state after the block, NULL unless it has records.
CREATE TABLE blocks (
    height INTEGER NOT NULL PRIMARY KEY,
    hash   BLOB    NOT NULL,
    time   BIGINT  NOT NULL,
    digest BLOB
);

-- +goose Down
DROP TABLE blocks;
