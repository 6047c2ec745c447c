package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/store/storetest"
)

var _ store.Store = (*postgres.Store)(nil)

var ctx = context.Background()

func TestConformance(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	migrated := server.Database(t)
	ok(t, open(t, migrated).Close())
	urls := map[store.Store]string{}
	storetest.Run(t,
		func(t *testing.T) store.Store {
			url := server.Copy(t, migrated)
			s := patient(t, url)
			urls[s] = url
			return s
		},
		func(t *testing.T, s store.Store) store.Store {
			ok(t, s.Close())
			again := patient(t, urls[s])
			urls[again] = urls[s]
			return again
		})
}

func open(t testing.TB, url string) *postgres.Store { return openWith(t, url, postgres.Options{}) }

// patient opens a store that waits however slow the machine is.
func patient(t testing.TB, url string) *postgres.Store {
	return openWith(t, url, postgres.Options{Timeout: time.Minute, Slow: 5 * time.Minute})
}

func openWith(t testing.TB, url string, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(ctx, url, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
