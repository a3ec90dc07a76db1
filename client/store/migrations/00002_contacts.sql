-- +goose Up
-- Whom we know. approved: we take their messages; approved_me: they take ours. profile_at: Unix seconds, 0 unknown.
CREATE TABLE contacts (
    id          BLOB    NOT NULL PRIMARY KEY,
    nickname    TEXT    NOT NULL DEFAULT '',
    name        TEXT    NOT NULL DEFAULT '',
    picture     TEXT    NOT NULL DEFAULT '',
    picture_key BLOB,
    profile_at  BIGINT  NOT NULL DEFAULT 0,
    approved    INTEGER NOT NULL DEFAULT 0,
    approved_me INTEGER NOT NULL DEFAULT 0,
    blocked     INTEGER NOT NULL DEFAULT 0,
    created     BIGINT  NOT NULL
);

CREATE INDEX contacts_asking ON contacts (created) WHERE approved_me = 1 AND approved = 0 AND blocked = 0;

-- Conversations, by the account at the other end; the own one holds notes. read_until, active: milliseconds.
CREATE TABLE chats (
    id         BLOB   NOT NULL PRIMARY KEY,
    read_until BIGINT NOT NULL DEFAULT 0,
    active     BIGINT NOT NULL
);
CREATE INDEX chats_by_active ON chats (active, id);

-- +goose Down
DROP TABLE chats;
DROP TABLE contacts;
