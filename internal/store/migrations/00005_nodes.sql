-- +goose Up
-- One row per service node ever seen. Unsigned 64-bit numbers are stored as the signed ones with the same bits, times as
-- Unix seconds with 0 for never, versions as text, lists (contributors, reasons) as JSON, '' for an empty one.
-- ip: '' is unknown. *_known: whether the daemon asked tests others. last_*: when it was last on the list, once it is gone.
-- changed: the commit (node_state.commits) that wrote the row.
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

-- What happened to nodes. round: the block it was noticed at, which a reorganisation takes back with all above; -1 in rows
-- that say what was taken back (kind undone, key empty, was and became: numbers of the first and last row that went).
-- height, time: of the block that did it. Rows go, but seq only rises.
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

-- The blocks whose list was read, back to the newest that is final.
CREATE TABLE node_points (
    height INTEGER NOT NULL PRIMARY KEY,
    hash   BLOB    NOT NULL
);

-- What a node was before the list of a block changed it: its row as JSON, NULL for none. Rows of blocks that are final go.
CREATE TABLE node_undo (
    round BIGINT NOT NULL,
    key   BLOB   NOT NULL,
    was   TEXT,
    PRIMARY KEY (round, key)
);

-- How far the list is followed: one row. network '' and an empty hash: not at all. time, asked: Unix seconds and
-- microseconds. seq: of the newest event. commits: rises with each change of nodes, events, probes. rolled: the newest
-- commit that took rows away, so that readers from before it start over. every: between two checks of a node, microseconds; 0:
-- none were stored.
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

INSERT INTO node_state (id, network, genesis, height, hash, time, testing, asked, seq, commits, rolled, every)
VALUES (1, '', x'', 0, x'', 0, 0, 0, 0, 0, 0, 0);

-- +goose Down
DROP TABLE node_state;
DROP TABLE node_undo;
DROP TABLE node_points;
DROP TABLE node_events;
DROP TABLE nodes;
