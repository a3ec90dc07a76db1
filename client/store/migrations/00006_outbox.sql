-- +goose Up
-- What is to be stored in a swarm: final bytes, so that each attempt sends the same ones. message: NULL for what nobody sees,
-- such as receipts. follows: the row that has to be stored first. sent, next, created: milliseconds; ttl: milliseconds.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    message   INTEGER REFERENCES messages (seq) ON DELETE CASCADE,
    swarm     BLOB    NOT NULL,
    namespace INTEGER NOT NULL,
    data      BLOB    NOT NULL,
    sent      BIGINT  NOT NULL,
    ttl       BIGINT  NOT NULL,
    follows   INTEGER REFERENCES outbox (id) ON DELETE CASCADE,
    state     INTEGER NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0,
    next      BIGINT  NOT NULL,
    reason    TEXT    NOT NULL DEFAULT '',
    hash      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX outbox_pending ON outbox (next) WHERE state = 1;
CREATE INDEX outbox_unsure ON outbox (next) WHERE state = 2; -- of what was delivered: when to find out again who has it
CREATE INDEX outbox_by_message ON outbox (message);
CREATE INDEX outbox_by_follows ON outbox (follows);

-- What happened to a message on its way, one line per step.
CREATE TABLE ledger (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
    at      BIGINT  NOT NULL,
    step    TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
CREATE INDEX ledger_by_message ON ledger (message);

-- +goose Down
DROP TABLE ledger;
DROP TABLE outbox;
