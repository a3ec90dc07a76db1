-- +goose Up
-- Whether the index ever had the whole chain: 1 from then on. From then on commits wait for the disk.
ALTER TABLE state ADD COLUMN synced BIGINT NOT NULL DEFAULT 0;

-- An older database may have had it.
UPDATE state SET synced = 1;

-- +goose Down
ALTER TABLE state DROP COLUMN synced;
