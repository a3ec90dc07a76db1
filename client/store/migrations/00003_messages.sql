-- +goose Up
-- sent, arrived, expires: milliseconds. at: where it stands in its chat, as a sender's clock may say anything. (sender, sent) names a message to everybody; chat is where it belongs. hash, copies: of
-- the bytes in the swarm of who reads it. send_key: what the caller of a send names it by.
CREATE TABLE messages (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    chat         BLOB    NOT NULL,
    sender       BLOB    NOT NULL,
    sent         BIGINT  NOT NULL,
    arrived      BIGINT  NOT NULL,
    kind         INTEGER NOT NULL,
    text         TEXT    NOT NULL,
    files        INTEGER NOT NULL DEFAULT 0,
    quote_sent   BIGINT,
    quote_author BLOB,
    expire_mode  INTEGER NOT NULL DEFAULT 0,
    expire_timer BIGINT  NOT NULL DEFAULT 0,
    expires      BIGINT,
    state        INTEGER NOT NULL,
    hash         TEXT    NOT NULL DEFAULT '',
    copies       INTEGER NOT NULL DEFAULT 0,
    send_key     TEXT    UNIQUE,
    at           BIGINT  NOT NULL GENERATED ALWAYS AS (min(sent, arrived)) VIRTUAL,
    UNIQUE (chat, sender, sent)
);
CREATE INDEX messages_by_time ON messages (chat, at, sent);
CREATE INDEX messages_unread ON messages (chat, at) WHERE state = 0; -- those of others: what a chat's unread ones are counted in
CREATE INDEX messages_by_end ON messages (expires) WHERE expires IS NOT NULL;

-- +goose Down
DROP TABLE messages;
