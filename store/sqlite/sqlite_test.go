package sqlite_test

import (
	"testing"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/bursarhq/bursar/store/storetest"
)

var _ engine.Store = (*sqlite.Store)(nil)

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	dirs := map[engine.Store]string{}
	storetest.Run(t,
		func(t *testing.T) engine.Store {
			dir := t.TempDir()
			s := open(t, dir)
			dirs[s] = dir
			return s
		},
		func(t *testing.T, s engine.Store) engine.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, dirs[s])
			dirs[again] = dirs[s]
			return again
		})
}
