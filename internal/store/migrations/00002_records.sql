-- +goose Up
-- One row per applied ONS transaction, never changed; the greatest place of a (type, name_hash) is current.
-- place: height * 1048576 + index of the transaction in its block. type: 0 session, 1 wallet, 2 lokinet.
-- kind: 1 buy, 2 update, 3 renew. owner, backup: as in tx extra, NULL for none. nonce: NULL for the scheme of 2020.
-- registered, expires: heights; expires 0: never. prev: NULL for a buy.
CREATE TABLE records (
    place      INTEGER NOT NULL PRIMARY KEY,
    type       BIGINT  NOT NULL,
    name_hash  BLOB    NOT NULL,
    kind       BIGINT  NOT NULL,
    owner      BLOB,
    backup     BLOB,
    ciphertext BLOB    NOT NULL,
    nonce      BLOB,
    registered BIGINT  NOT NULL,
    expires    BIGINT  NOT NULL,
    txid       BLOB    NOT NULL,
    prev       BLOB
);

-- Eight bytes find a hash. With all 32 the index would be a fifth of the database; names that share eight cost a look more.
CREATE INDEX records_by_name ON records (substr(name_hash, 1, 8));

-- ONS transactions that were left out, and why. place: order within the block.
CREATE TABLE skips (
    height BIGINT NOT NULL,
    place  BIGINT NOT NULL,
    txid   BLOB   NOT NULL,
    reason TEXT   NOT NULL,
    PRIMARY KEY (height, place)
);

-- +goose Down
DROP TABLE skips;
DROP TABLE records;
