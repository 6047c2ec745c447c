-- A commit has a checksum of its own, looked at with each read: CRC-32C of all its columns
-- but the stream's. Rows that an older program wrote have none.

ALTER TABLE log ADD COLUMN sum bigint;
