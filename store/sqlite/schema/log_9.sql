-- log.db, schema 9: payloads and blocks of activity may be packed by S2 (Snappy's block format with
-- repeats). Their "length" is then below 0: minus what they had before.
SELECT 1;
