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

CREATE TABLE estimates (
    key     BLOB   NOT NULL,
    vantage TEXT   NOT NULL,
    changed BIGINT NOT NULL,
    blob    BLOB   NOT NULL,
    PRIMARY KEY (key, vantage)
);

CREATE TABLE event_log (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log BLOB    NOT NULL
);

CREATE TABLE events (
    seq  INTEGER NOT NULL PRIMARY KEY,
    kind BIGINT  NOT NULL,
    ref  BIGINT  NOT NULL,
    time BIGINT  NOT NULL,
    data TEXT
);

CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);

CREATE TABLE node_events (
    seq     INTEGER NOT NULL PRIMARY KEY,
    round   BIGINT  NOT NULL,
    height  BIGINT  NOT NULL,
    time    BIGINT  NOT NULL,
    key     BLOB    NOT NULL,
    kind    TEXT    NOT NULL,
    was     TEXT    NOT NULL,
    became  TEXT    NOT NULL,
    reasons TEXT    NOT NULL
);

CREATE INDEX node_events_by_key ON node_events (substr(key, 1, 8));

CREATE TABLE node_points (
    height INTEGER NOT NULL PRIMARY KEY,
    hash   BLOB    NOT NULL
);

CREATE TABLE node_state (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    network TEXT    NOT NULL,
    genesis BLOB    NOT NULL,
    height  BIGINT  NOT NULL,
    hash    BLOB    NOT NULL,
    time    BIGINT  NOT NULL,
    testing BIGINT  NOT NULL,
    asked   BIGINT  NOT NULL,
    seq     BIGINT  NOT NULL,
    commits BIGINT  NOT NULL,
    rolled  BIGINT  NOT NULL,
    every   BIGINT  NOT NULL
);

CREATE TABLE node_undo (
    round BIGINT NOT NULL,
    key   BLOB   NOT NULL,
    was   TEXT,
    PRIMARY KEY (round, key)
);

CREATE TABLE nodes (
    key               BLOB   NOT NULL PRIMARY KEY,
    ed25519           BLOB   NOT NULL,
    x25519            BLOB   NOT NULL,
    bls               TEXT   NOT NULL,
    operator          TEXT   NOT NULL,
    contributors      TEXT   NOT NULL,
    operator_fee      BIGINT NOT NULL,
    required          BIGINT NOT NULL,
    contributed       BIGINT NOT NULL,
    reserved          BIGINT NOT NULL,
    ip                TEXT   NOT NULL,
    storage_port      BIGINT NOT NULL,
    omq_port          BIGINT NOT NULL,
    quorumnet_port    BIGINT NOT NULL,
    oxend             TEXT   NOT NULL,
    storage           TEXT   NOT NULL,
    lokinet           TEXT   NOT NULL,
    swarm             BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    funded            BIGINT NOT NULL,
    active            BIGINT NOT NULL,
    since             BIGINT NOT NULL,
    registered        BIGINT NOT NULL,
    unlock_height     BIGINT NOT NULL,
    credit            BIGINT NOT NULL,
    decommissions     BIGINT NOT NULL,
    last_reward       BIGINT NOT NULL,
    last_reward_index BIGINT NOT NULL,
    proof             BIGINT NOT NULL,
    storage_known     BIGINT NOT NULL,
    storage_ok        BIGINT NOT NULL,
    storage_first_bad BIGINT NOT NULL,
    storage_last_bad  BIGINT NOT NULL,
    storage_last_ok   BIGINT NOT NULL,
    lokinet_known     BIGINT NOT NULL,
    lokinet_ok        BIGINT NOT NULL,
    lokinet_first_bad BIGINT NOT NULL,
    lokinet_last_bad  BIGINT NOT NULL,
    lokinet_last_ok   BIGINT NOT NULL,
    reasons           TEXT   NOT NULL,
    reasons_maybe     TEXT   NOT NULL,
    first_height      BIGINT NOT NULL,
    first_time        BIGINT NOT NULL,
    last_height       BIGINT NOT NULL,
    last_time         BIGINT NOT NULL,
    changed           BIGINT NOT NULL
);

CREATE TABLE probers (
    name     TEXT   NOT NULL PRIMARY KEY,
    key      BLOB   NOT NULL UNIQUE,
    sequence BIGINT NOT NULL,
    enrolled BIGINT NOT NULL,
    reported BIGINT NOT NULL
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

CREATE INDEX records_by_end ON records (expires) WHERE expires > 0;

CREATE INDEX records_by_name ON records (substr(name_hash, 1, 8));

CREATE TABLE reorgs (
    id          INTEGER NOT NULL PRIMARY KEY,
    at          BIGINT  NOT NULL,
    base_height BIGINT  NOT NULL,
    base_hash   BLOB    NOT NULL,
    tip_height  BIGINT  NOT NULL,
    tip_hash    BLOB    NOT NULL,
    records     BIGINT  NOT NULL
, to_height BIGINT, to_hash BLOB, redone BIGINT, seq BIGINT NOT NULL DEFAULT 0);

CREATE TABLE rings (
    key     BLOB   NOT NULL,
    vantage TEXT   NOT NULL,
    ring    BIGINT NOT NULL,
    blob    BLOB   NOT NULL,
    PRIMARY KEY (key, vantage, ring)
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
, synced BIGINT NOT NULL DEFAULT 0);

CREATE TABLE undone (
    reorg     BIGINT NOT NULL REFERENCES reorgs (id),
    place     BIGINT NOT NULL,
    type      BIGINT NOT NULL,
    name_hash BLOB   NOT NULL,
    kind      BIGINT NOT NULL,
    txid      BLOB   NOT NULL, time BIGINT, owner BLOB, backup BLOB, ciphertext BLOB, nonce BLOB, registered BIGINT, expires BIGINT, prev BLOB,
    PRIMARY KEY (reorg, place)
);

CREATE TABLE writer (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT  NOT NULL,
    until BIGINT  NOT NULL
);
