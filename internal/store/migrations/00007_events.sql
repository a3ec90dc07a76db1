-- +goose Up
-- The log of everything: rows are only ever added, seq is that of the newest one and 1. kind: events.Kind.
-- ref: the place of a record, taken back or not; the id of a reorg; 0 of nodes. time: Unix seconds; 0 for that of the record's
-- block, of nodes for unknown.
-- data: of nodes, JSON; else NULL.
CREATE TABLE events (
    seq  INTEGER NOT NULL PRIMARY KEY,
    kind BIGINT  NOT NULL,
    ref  BIGINT  NOT NULL,
    time BIGINT  NOT NULL,
    data TEXT
);

-- Which log it is: one row, drawn here.
CREATE TABLE event_log (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log BLOB    NOT NULL
);

INSERT INTO event_log (id, log) VALUES (1, randomblob(8));

-- Finds what ends at a height.
CREATE INDEX records_by_end ON records (expires) WHERE expires > 0;

-- What came in the step that took blocks back: its newest block, and how many records; NULL in rows that are older than these
-- columns. seq: of its event; those of what came follow.
ALTER TABLE reorgs ADD COLUMN to_height BIGINT;
ALTER TABLE reorgs ADD COLUMN to_hash BLOB;
ALTER TABLE reorgs ADD COLUMN redone BIGINT;
ALTER TABLE reorgs ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;

-- The time of the block, and the rest of the record, as in records, so that the log can tell what it was. Rows that are older than these columns have
-- NULL for all, and no event.
ALTER TABLE undone ADD COLUMN time BIGINT;
ALTER TABLE undone ADD COLUMN owner BLOB;
ALTER TABLE undone ADD COLUMN backup BLOB;
ALTER TABLE undone ADD COLUMN ciphertext BLOB;
ALTER TABLE undone ADD COLUMN nonce BLOB;
ALTER TABLE undone ADD COLUMN registered BIGINT;
ALTER TABLE undone ADD COLUMN expires BIGINT;
ALTER TABLE undone ADD COLUMN prev BLOB;

-- A database that is older than its log begins with the reorganisations it knows of, which take nothing back that is in the
-- log, then what its records say, then what its nodes did. Where the block at which a name ended has no row, its time is
-- reckoned from the newest row below, at two minutes a block.
UPDATE reorgs SET seq = id;

INSERT INTO events (seq, kind, ref, time)
SELECT id, 6, id, at / 1000000 FROM reorgs;

INSERT INTO events (seq, kind, ref, time)
SELECT (SELECT COALESCE(MAX(seq), 0) FROM events) + ROW_NUMBER() OVER (ORDER BY height, ended, place), kind, place, time
FROM (
    SELECT r.place / 1048576 AS height, 0 AS ended, r.place AS place, 0 AS time,
        CASE WHEN r.kind = 2 AND r.owner IS DISTINCT FROM (
            SELECT p.owner FROM records p
            WHERE substr(p.name_hash, 1, 8) = substr(r.name_hash, 1, 8) AND p.name_hash = r.name_hash AND p.type = r.type AND p.place < r.place
            ORDER BY p.place DESC LIMIT 1
        ) THEN 4 ELSE r.kind END AS kind
    FROM records r
    UNION ALL
    SELECT r.expires, 1, r.place, b.time + 120 * (r.expires - b.height), 5
    FROM records r JOIN blocks b ON b.height = (SELECT MAX(height) FROM blocks WHERE height <= r.expires)
    WHERE r.expires > 0 AND r.expires <= (SELECT MAX(height) FROM blocks) AND NOT EXISTS (
        SELECT 1 FROM records n
        WHERE substr(n.name_hash, 1, 8) = substr(r.name_hash, 1, 8) AND n.name_hash = r.name_hash AND n.type = r.type
            AND n.place > r.place AND n.place < (r.expires + 1) * 1048576
    )
) happened;

INSERT INTO events (seq, kind, ref, time, data)
SELECT (SELECT COALESCE(MAX(seq), 0) FROM events) + ROW_NUMBER() OVER (ORDER BY seq), 7, 0, time,
    json_object('Number', seq, 'Noticed', MAX(round, 0), 'Height', height, 'Key', lower(hex(key)), 'Kind', kind, 'From', was, 'To', became,
        'Reasons', CASE WHEN reasons = '' THEN NULL ELSE json(reasons) END)
FROM node_events;

-- +goose Down
DROP INDEX records_by_end;
DROP TABLE event_log;
DROP TABLE events;
ALTER TABLE reorgs DROP COLUMN to_height;
ALTER TABLE reorgs DROP COLUMN to_hash;
ALTER TABLE reorgs DROP COLUMN redone;
ALTER TABLE reorgs DROP COLUMN seq;
ALTER TABLE undone DROP COLUMN time;
ALTER TABLE undone DROP COLUMN owner;
ALTER TABLE undone DROP COLUMN backup;
ALTER TABLE undone DROP COLUMN ciphertext;
ALTER TABLE undone DROP COLUMN nonce;
ALTER TABLE undone DROP COLUMN registered;
ALTER TABLE undone DROP COLUMN expires;
ALTER TABLE undone DROP COLUMN prev;
