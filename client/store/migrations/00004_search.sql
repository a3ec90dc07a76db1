-- +goose Up
-- An index over messages.text; the text itself is stored once. secure-delete: what is deleted does not linger in the index.
CREATE VIRTUAL TABLE search USING fts5 (text, content = 'messages', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);

-- +goose StatementBegin
CREATE TRIGGER messages_search_insert AFTER INSERT ON messages BEGIN
    INSERT INTO search (rowid, text) VALUES (new.seq, new.text);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_search_delete AFTER DELETE ON messages BEGIN
    INSERT INTO search (search, rowid, text) VALUES ('delete', old.seq, old.text);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_search_update AFTER UPDATE OF text ON messages BEGIN
    INSERT INTO search (search, rowid, text) VALUES ('delete', old.seq, old.text);
    INSERT INTO search (rowid, text) VALUES (new.seq, new.text);
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER messages_search_update;
DROP TRIGGER messages_search_delete;
DROP TRIGGER messages_search_insert;
DROP TABLE search;
