package postgres_test

import (
	"strings"
	"sync"
	"testing"

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
