-- Commits of the catalogue by which nobody decides, and that nobody's commit is refused for.
-- In the catalogue's row: so many of them are the last ones up to aside_at. A program that
-- does not know of these columns leaves them behind seq.

ALTER TABLE streams ADD COLUMN aside_at bigint NOT NULL DEFAULT 0, ADD COLUMN asides bigint NOT NULL DEFAULT 0;
