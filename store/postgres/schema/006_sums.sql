-- Every row that something is read from has a checksum of its own, looked at with each read: of
-- all its columns, the stream by its name. Rows that an older program wrote have none.

-- Nodes of the release before are at work. The first statement waits for who writes to several
-- tables, in the order in which that is done; the second for who reads several: first a checkpoint,
-- then its rows; first deliveries, then their messages.
LOCK TABLE checkpoints, customers, activity, messages IN EXCLUSIVE MODE;
LOCK TABLE checkpoints, entities, assignments, counters, totals, holds, parts, usage_series, key_segments, key_generations,
    key_blocks, jobs, customers, activity, deliveries, messages IN ACCESS EXCLUSIVE MODE;

ALTER TABLE customers ADD COLUMN sum bigint;
ALTER TABLE activity ADD COLUMN sum bigint;
ALTER TABLE messages ADD COLUMN sum bigint, ADD COLUMN body_sum bigint;
-- What a delivery is for never changes; where it stands does.
ALTER TABLE deliveries ADD COLUMN made_sum bigint, ADD COLUMN sum bigint;
ALTER TABLE jobs ADD COLUMN made_sum bigint, ADD COLUMN sum bigint, ADD COLUMN result_sum bigint;
ALTER TABLE checkpoints ADD COLUMN sum bigint;
ALTER TABLE entities ADD COLUMN sum bigint;
ALTER TABLE assignments ADD COLUMN sum bigint;
ALTER TABLE counters ADD COLUMN sum bigint;
ALTER TABLE totals ADD COLUMN sum bigint;
ALTER TABLE holds ADD COLUMN sum bigint;
ALTER TABLE parts ADD COLUMN sum bigint;
-- Of the amounts that were added, modulo 2^61 - 1: it is added to as the amount is.
ALTER TABLE usage_series ADD COLUMN sum bigint;
ALTER TABLE key_segments ADD COLUMN sum bigint;
ALTER TABLE key_generations ADD COLUMN sum bigint;
ALTER TABLE key_blocks ADD COLUMN sum bigint;

-- A program that does not know of checksums leaves one behind that is not the row's any more:
-- it goes. Its sessions are called bursar and have no setting bursar.sums; what anybody else
-- changes by hand keeps its checksum, and is found.
CREATE FUNCTION drop_sum() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.sum := NULL; RETURN NEW; END $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['customers', 'deliveries', 'jobs', 'checkpoints', 'entities', 'assignments', 'counters', 'totals',
        'holds', 'parts', 'usage_series', 'key_segments', 'key_generations', 'key_blocks']
    LOOP
        EXECUTE format('CREATE TRIGGER drop_sum BEFORE UPDATE ON %I FOR EACH ROW WHEN (OLD.sum = NEW.sum '
            'AND current_setting(''bursar.sums'', true) IS DISTINCT FROM ''on'' AND current_setting(''application_name'') = ''bursar'') '
            'EXECUTE FUNCTION drop_sum()', t);
    END LOOP;
END $$;
