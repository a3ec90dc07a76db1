-- +goose Up
-- Names that were used, and the account each stands for. next: the one that it points to now, if that differs.
-- trouble: the outcome of asking if that is no account at all; 0: it is one. next_checked: when nodes last said so, next_since: first.
-- height: of the chain when the latest change was agreed on. gone: when nodes said that the name is not registered; NULL: not lately.
-- receipt, next_receipt: those that made id and next or trouble.
CREATE TABLE pins (
    name         TEXT    NOT NULL PRIMARY KEY,
    id           BLOB    NOT NULL,
    since        BIGINT  NOT NULL,
    checked      BIGINT  NOT NULL,
    next         BLOB,
    next_since   BIGINT,
    next_checked BIGINT,
    trouble      INTEGER NOT NULL DEFAULT 0,
    height       BIGINT  NOT NULL,
    gone         BIGINT,
    receipt      INTEGER NOT NULL,
    next_receipt INTEGER
) WITHOUT ROWID;

-- What came of asking for a name. agreed: the account; NULL with every outcome but the first. need of asked had to agree.
CREATE TABLE receipts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL,
    at      BIGINT  NOT NULL,
    outcome INTEGER NOT NULL,
    agreed  BLOB,
    need    INTEGER NOT NULL,
    asked   INTEGER NOT NULL
);
CREATE INDEX receipts_by_name ON receipts (name);

-- Who said so. value: NULL if the node said that the name is not registered, or if it did not answer (reason). source: who it was if
-- no node (node is zero then), such as a server. agrees: whether it is one of those who decided.
CREATE TABLE answers (
    receipt INTEGER NOT NULL REFERENCES receipts (id) ON DELETE CASCADE,
    node    BLOB    NOT NULL,
    source  TEXT    NOT NULL DEFAULT '',
    height  BIGINT  NOT NULL,
    value   BLOB,
    reason  TEXT    NOT NULL,
    agrees  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (receipt, node, source)
) WITHOUT ROWID;

-- Messages to a name that now points elsewhere, until somebody decides.
CREATE TABLE held (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL,
    text         TEXT    NOT NULL,
    quote_sent   BIGINT,
    quote_author BLOB,
    send_key     TEXT    UNIQUE,
    at           BIGINT  NOT NULL
);
CREATE INDEX held_by_name ON held (name);

-- +goose Down
DROP TABLE held;
DROP TABLE answers;
DROP TABLE receipts;
DROP TABLE pins;
