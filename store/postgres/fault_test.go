package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// patience is for what would never come, however slow the machine is.
const patience = 5 * time.Minute

// within fails unless f becomes true in time.
func within(t *testing.T, d time.Duration, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); !f(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, d)
		}
	}
}

func appends(t *testing.T, s *postgres.Store, commits ...store.Commit) {
	t.Helper()
	out, err := s.Append(ctx, commits, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o != store.Committed {
			t.Fatalf("outcomes %v", out)
		}
	}
}

func outcomeIs(t *testing.T, s *postgres.Store, c store.Commit, want store.Outcome) {
	t.Helper()
	got, err := s.Outcomes(ctx, []store.Commit{c})
	if err != nil || got[0] != want {
		t.Fatalf("Outcomes = %v, %v; want %v", got, err, want)
	}
}

// An Append whose connection is lost, or whose session is ended, is as it was said to be.
func TestConnectionLost(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	for _, c := range []struct {
		name, at string
		do       func() action
		unknown  bool
		want     store.Outcome
	}{
		{"before the locks", "BEGIN", func() action { return cut }, false, store.Stale},
		{"behind the locks", "BEGIN", func() action { return swallow }, false, store.Stale},
		{"before the commit", "COMMIT", func() action { return cut }, true, store.Stale},
		{"behind the commit", "COMMIT", func() action { return swallow }, true, store.Committed},
		{"session ended before the locks", "BEGIN", func() action { server.Terminate(t); return pass }, false, store.Stale},
		{"session ended before the commit", "COMMIT", func() action { server.Terminate(t); return pass }, true, store.Stale},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, url := newProxy(t, server, server.Database(t))
			s := open(t, url)
			defer func() { ok(t, s.Close()) }()
			for n := 1; n <= 3; n++ { // known streams and new ones, with plans and without
				appends(t, s, commit("other", n, nil))
				p.once(c.at, c.do)
				lost := commit("acme", n, []byte("lost"))
				_, err := s.Append(ctx, []store.Commit{lost}, nil)
				if err == nil || errors.Is(err, store.ErrNotCommitted) == c.unknown {
					t.Fatalf("Append = %v", err)
				}
				outcomeIs(t, s, lost, c.want)
				if c.want == store.Stale {
					appends(t, s, lost)
				}
				outcomeIs(t, s, lost, store.Committed)
				within(t, patience, "Err is nil again", func() bool { return s.Err() == nil })
			}
		})
	}
}

// A COMMIT that the server refuses has certainly written nothing.
func TestCommitRefused(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	url := server.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	exec(t, url, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '40001'; END $$`)
	exec(t, url, `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON bursar.log DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION refuse()`)
	c := commit("acme", 1, nil)
	if _, err := s.Append(ctx, []store.Commit{c}, nil); !errors.Is(err, store.ErrNotCommitted) {
		t.Errorf("Append = %v", err)
	}
	outcomeIs(t, s, c, store.Stale)
	exec(t, url, "DROP TRIGGER refuse ON bursar.log")
	appends(t, s, c)
}

// exec runs a statement in the database.
func exec(t *testing.T, url, sql string) {
	t.Helper()
	c, err := pgx.Connect(ctx, url)
	ok(t, err)
	_, err = c.Exec(ctx, sql)
	ok(t, errors.Join(err, c.Close(ctx)))
}

// What others hold on to ends in an error, in time, and does not count against the server.
func TestLockHeld(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	first := commit("acme", 1, nil)
	appends(t, s, first)
	c, err := pgx.Connect(ctx, url)
	ok(t, err)
	defer func() { ok(t, c.Close(ctx)) }()
	_, err = c.Exec(ctx, "BEGIN; SELECT 1 FROM bursar.streams WHERE name = 'acme' FOR UPDATE")
	ok(t, err)
	impatient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = s.Append(impatient, []store.Commit{commit("acme", 2, nil), commit("other", 1, nil)}, nil)
	if !errors.Is(err, store.ErrNotCommitted) || impatient.Err() != nil {
		t.Errorf("Append = %v", err)
	}
	if _, err := s.Outcomes(ctx, []store.Commit{first}); err == nil {
		t.Error("read without the lock")
	}
	if _, _, _, err := s.Heads(ctx, []string{"acme"}, nil); err != nil || s.Err() != nil {
		t.Errorf("Heads = %v, Err = %v", err, s.Err())
	}
	_, err = c.Exec(ctx, "ROLLBACK")
	ok(t, err)
	outcomeIs(t, s, first, store.Committed)
	appends(t, s, commit("acme", 2, nil), commit("other", 1, nil))
}

// A server that does not answer ends in an error, in time.
func TestServerHangs(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	p, url := newProxy(t, server, server.Database(t))
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	appends(t, s, commit("acme", 1, nil))
	p.on(func([]string) action { return hang })
	impatient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _, _, heads := s.Heads(impatient, []string{"acme"}, nil)
	_, lost := s.Append(impatient, []store.Commit{commit("acme", 2, nil)}, nil)
	if heads == nil || !errors.Is(lost, store.ErrNotCommitted) || impatient.Err() != nil {
		t.Errorf("Heads = %v, Append = %v", heads, lost)
	}
	if s.Err() == nil {
		t.Error("Err is nil")
	}
	p.on(nil)
	within(t, patience, "Err is nil again", func() bool { return s.Err() == nil })
	appends(t, s, commit("acme", 2, nil))
}

// Plans outlive changes of the tables that they are for.
func TestPlansSurvive(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	for n := 1; n <= 3; n++ {
		c := commit("acme", n, nil)
		if out, err := s.Append(ctx, []store.Commit{c}, again); err != nil || out[0] != store.Committed {
			t.Fatalf("Append = %v, %v", out, err)
		}
		outcomeIs(t, s, c, store.Committed)
		ok(t, s.Save(ctx, &store.Checkpoint{Stream: "acme", Head: c.Head(), Base: uint64(n - 1), Counters: []store.CounterRow{{Ord: 1}}}))
		ok(t, s.Load(ctx, "acme", func(*store.Checkpoint) error { return nil }))
		for _, table := range []string{"streams", "log", "checkpoints", "counters", "holds"} {
			exec(t, url, fmt.Sprintf("ALTER TABLE bursar.%s ADD extra%d text; ANALYZE bursar.%[1]s", table, n))
		}
	}
}

// A server that is away is reported, poisons nothing and is found once it is back.
func TestServerAway(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	s := open(t, server.Database(t))
	defer func() { ok(t, s.Close()) }()
	for n, immediate := range []bool{true, false} {
		c := commit("acme", n+1, nil)
		appends(t, s, c)
		server.Stop(t, immediate)
		impatient, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if _, _, _, err := s.Heads(impatient, []string{"acme"}, nil); err == nil || impatient.Err() != nil {
			t.Errorf("Heads = %v", err)
		}
		if _, err := s.Append(ctx, []store.Commit{commit("acme", n+2, nil)}, nil); !errors.Is(err, store.ErrNotCommitted) {
			t.Errorf("Append = %v", err)
		}
		if err := s.Err(); err == nil || errors.Is(err, store.ErrPoisoned) {
			t.Errorf("Err = %v", err)
		}
		server.Start(t)
		within(t, patience, "Err is nil again", func() bool { return s.Err() == nil })
		outcomeIs(t, s, c, store.Committed)
	}
}

// A server that is, or has become, a replica is refused.
func TestReplica(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	url := server.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	appends(t, s, commit("acme", 1, nil))
	server.Demote(t)
	if _, _, _, err := s.Heads(ctx, []string{"acme"}, nil); err == nil {
		t.Error("a replica answers") // the old connections are gone with its restart
	}
	if _, _, _, err := s.Heads(ctx, []string{"acme"}, nil); err == nil || !strings.Contains(err.Error(), "not a primary") {
		t.Errorf("Heads = %v", err)
	}
	if s.Err() == nil {
		t.Error("Err is nil")
	}
	for _, no := range []bool{true, false} {
		if _, err := postgres.Open(ctx, url, postgres.Options{NoMigrate: no}); err == nil || !strings.Contains(err.Error(), "not a primary") {
			t.Errorf("Open = %v", err)
		}
	}
	server.Promote(t)
	within(t, patience, "Err is nil again", func() bool { return s.Err() == nil })
	appends(t, s, commit("acme", 2, nil))
}

// With synchronous replication nothing is said to be committed before it is replicated,
// not even by an Outcomes that sees it.
func TestUnreplicated(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	s := open(t, server.Database(t))
	defer func() { ok(t, s.Close()) }()
	appends(t, s, commit("acme", 1, nil))
	server.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	server.Exec(t, "SELECT pg_reload_conf()")
	c := commit("acme", 2, nil)
	within(t, patience, "the setting holds", func() bool {
		_, err := s.Append(ctx, []store.Commit{c}, nil)
		if err == nil {
			c = commit("acme", int(c.After.Seq)+2, nil)
		} else if errors.Is(err, store.ErrNotCommitted) {
			t.Fatal(err)
		}
		return err != nil
	})
	if out, err := s.Outcomes(ctx, []store.Commit{c}); err == nil {
		t.Errorf("Outcomes = %v of what is not replicated", out)
	}
	server.Exec(t, "ALTER SYSTEM RESET synchronous_standby_names")
	server.Exec(t, "SELECT pg_reload_conf()")
	within(t, patience, "the outcome is known", func() bool {
		out, err := s.Outcomes(ctx, []store.Commit{c})
		return err == nil && out[0] == store.Committed
	})
}

func TestErrorsHaveNoPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://bursar:s3cret@127.0.0.1:1/x", "postgres://bursar:s3cret@127.0.0.1:port/x", "postgres://bursar:s3cret@%zz/",
		"host=127.0.0.1 port=1 password=s3cret", "password=s3cret port='",
	} {
		for _, no := range []bool{true, false} {
			_, err := postgres.Open(ctx, url, postgres.Options{NoMigrate: no})
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Open = %v", err)
			}
		}
	}
}
