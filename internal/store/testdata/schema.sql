CREATE TABLE blocks (
    height INTEGER NOT NULL PRIMARY KEY,
    hash   BLOB    NOT NULL,
    time   BIGINT  NOT NULL,
    digest BLOB
);

CREATE TABLE commits (
    seq         INTEGER NOT NULL PRIMARY KEY,
    base_height BIGINT  NOT NULL
);

CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);

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

CREATE INDEX records_by_name ON records (substr(name_hash, 1, 8));

CREATE TABLE reorgs (
    id          INTEGER NOT NULL PRIMARY KEY,
    at          BIGINT  NOT NULL,
    base_height BIGINT  NOT NULL,
    base_hash   BLOB    NOT NULL,
    tip_height  BIGINT  NOT NULL,
    tip_hash    BLOB    NOT NULL,
    records     BIGINT  NOT NULL
);

CREATE TABLE skips (
    height BIGINT NOT NULL,
    place  BIGINT NOT NULL,
    txid   BLOB   NOT NULL,
    reason TEXT   NOT NULL,
    PRIMARY KEY (height, place)
);

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

CREATE TABLE undone (
    reorg     BIGINT NOT NULL REFERENCES reorgs (id),
    place     BIGINT NOT NULL,
    type      BIGINT NOT NULL,
    name_hash BLOB   NOT NULL,
    kind      BIGINT NOT NULL,
    txid      BLOB   NOT NULL,
    PRIMARY KEY (reorg, place)
);

CREATE TABLE writer (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT  NOT NULL,
    until BIGINT  NOT NULL
);
