package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// Processes that start at one time migrate once.
func TestConcurrentStarts(t *testing.T) {
	url := pgtest.Database(t)
	const starts = 6
	var migrated [starts]int
	var wg sync.WaitGroup
	for i := range starts {
		wg.Go(func() {
			from, to, err := postgres.Migrate(ctx, url)
			if err != nil || to != postgres.SchemaVersion {
				t.Errorf("Migrate = %d, %d, %v", from, to, err)
			}
			migrated[i] = to - from
			ok(t, open(t, url).Close())
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range migrated {
		sum += n
	}
	if sum != postgres.SchemaVersion {
		t.Errorf("%d migrations of %d", sum, postgres.SchemaVersion)
	}
}

func TestSchemaVersions(t *testing.T) {
	url := pgtest.Database(t)
	refused := func(opts postgres.Options, why string) {
		t.Helper()
		s, err := postgres.Open(ctx, url, opts)
		if err == nil {
			ok(t, s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Open = %v, want %q", err, why)
		}
	}
	refused(postgres.Options{NoMigrate: true}, "run bursar migrate")
	ok(t, open(t, url).Close())
	exec(t, url, "UPDATE bursar.schema_version SET version = 99")
	refused(postgres.Options{}, "a newer bursar wrote it")
	refused(postgres.Options{NoMigrate: true}, "a newer bursar wrote it")
	if _, _, err := postgres.Migrate(ctx, url); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("Migrate = %v", err)
	}
	other := url + "?search_path=other"
	ok(t, open(t, other).Close()) // another schema in the same database
	exec(t, url, "SELECT 1 FROM other.streams")
}

// A migration that fails leaves what was there before, and may be tried again.
func TestHalfMigration(t *testing.T) {
	url := pgtest.Database(t)
	good := "CREATE TABLE a (n bigint)"
	if from, to, err := postgres.MigrateWith(ctx, url, good, "CREATE TABLE b (n bigint); SELECT 1/0"); err == nil || from != 0 || to != 1 {
		t.Errorf("Migrate = %d, %d, %v", from, to, err)
	}
	exec(t, url, "SELECT n FROM bursar.a")
	if from, to, err := postgres.MigrateWith(ctx, url, good, "CREATE TABLE b (n bigint)"); err != nil || from != 1 || to != 2 {
		t.Errorf("again: %d, %d, %v", from, to, err)
	}
	exec(t, url, "SELECT n FROM bursar.b")
}

// before makes the schema of the release before checksums, with nodes of it at work: other
// sessions that have begun a transaction of these statements.
func before(t *testing.T, statements ...string) (url string, nodes []*pgx.Conn) {
	t.Helper()
	url = pgtest.Database(t)
	_, _, err := postgres.MigrateWith(ctx, url, postgres.Scripts[:5]...)
	ok(t, err)
	for _, sql := range statements {
		c, err := pgx.Connect(ctx, url+"?search_path=bursar")
		ok(t, err)
		t.Cleanup(func() { _ = c.Close(ctx) })
		_, err = c.Exec(ctx, "BEGIN; "+sql)
		ok(t, err)
		nodes = append(nodes, c)
	}
	return url, nodes
}

// waits tells whether a migration waits for a lock of a table.
func waits(t *testing.T, c *pgx.Conn) (yes bool) {
	t.Helper()
	ok(t, c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'
		AND mode IN ('ExclusiveLock', 'AccessExclusiveLock') AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&yes))
	return yes
}

// Nodes of the release before go on during a migration: in whichever order they touch tables,
// none of them is refused as part of a deadlock.
func TestMigrationBesideOlderNodes(t *testing.T) {
	const message = "INSERT INTO messages VALUES ('m', 't', '', 1, '')"
	for name, node := range map[string][2]string{
		"reads what is due":      {"SELECT FROM deliveries", "SELECT FROM messages"},
		"reads a checkpoint":     {"SELECT FROM checkpoints", "SELECT FROM entities; SELECT FROM totals; SELECT FROM counters; SELECT FROM parts"},
		"reads usage":            {"SELECT FROM checkpoints", "SELECT FROM usage_series"},
		"saves":                  {"SELECT FROM checkpoints FOR UPDATE", "DELETE FROM entities; DELETE FROM key_blocks; UPDATE checkpoints SET seq = 1; UPDATE streams SET saved = 0"},
		"lists a customer":       {"DELETE FROM customers", "DELETE FROM activity; " + message + "; DELETE FROM deliveries"},
		"appends":                {"UPDATE streams SET seq = seq; DELETE FROM activity", message + "; DELETE FROM deliveries"},
		"queues a message":       {message, "DELETE FROM deliveries"},
		"says what is delivered": {"SELECT FROM deliveries FOR UPDATE", "UPDATE deliveries SET attempts = 1"},
		"saves a job":            {"SELECT FROM jobs FOR UPDATE", "UPDATE jobs SET rev = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, nodes := before(t, node[0], "SELECT 1")
			migrated := make(chan error, 1)
			go func() {
				_, _, err := postgres.Migrate(ctx, url)
				migrated <- err
			}()
			within(t, time.Minute, "the migration waits", func() bool { return waits(t, nodes[1]) })
			_, err := nodes[0].Exec(ctx, node[1]+"; COMMIT")
			ok(t, err)
			ok(t, <-migrated)
		})
	}
}

// While something long holds a table, such as a backup, the service goes on and the
// migration comes after it.
func TestMigrationGivesWay(t *testing.T) {
	url, nodes := before(t, "SELECT FROM parts", "SELECT 1")
	migrated := make(chan error, 1)
	go func() {
		_, _, err := postgres.Migrate(ctx, url)
		migrated <- err
	}()
	within(t, time.Minute, "the migration waits", func() bool { return waits(t, nodes[1]) })
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := nodes[1].Exec(limited, "INSERT INTO checkpoints VALUES (1, 1, '', 1, 0); COMMIT")
	ok(t, err)
	_, err = nodes[0].Exec(ctx, "COMMIT")
	ok(t, err)
	ok(t, <-migrated)
}
