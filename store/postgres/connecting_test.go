package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// sessions counts the sessions that begin.
type sessions struct {
	mu   sync.Mutex
	n    int
	open int // that begin at this moment
	most int // of open
}

func (s *sessions) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.open++
	s.most = max(s.most, s.open)
}

func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// counted says how many began, and the most that began at a time.
func (s *sessions) counted() (n, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.most
}

// well waits until s is done with asking whether its server can be reached.
func well(t *testing.T, s *postgres.Store) {
	t.Helper()
	within(t, patience, "Err is nil again", func() bool { return s.Err() == nil })
}

func begins(statements []string) bool {
	return len(statements) == 1 && strings.HasPrefix(statements[0], "SELECT pg_is_in_recovery()")
}

// A store that many wait for begins few sessions at a time: a server that gets a hundred
// at once, from all nodes, answers none of them in time.
func TestFewSessionsBeginAtATime(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	p, url := newProxy(t, server, server.Database(t))
	s := openWith(t, url, postgres.Options{Timeout: time.Minute})
	defer func() { ok(t, s.Close()) }()
	fewBegin(t, s, p)
}

// So it is at the second host of a URL, where the first one is a replica.
func TestFewSessionsBeginAtTheSecondHost(t *testing.T) {
	replica := pgtest.New(t, pgtest.Options{NoSync: true, Settings: []string{"default_transaction_read_only=on"}})
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	ok(t, open(t, server.URL("postgres")).Close())
	p, url := newProxy(t, server, server.URL("postgres"))
	s := openWith(t, strings.Replace(url, "@", "@"+replica.Addr()+",", 1), postgres.Options{NoMigrate: true, Timeout: time.Minute})
	defer func() { ok(t, s.Close()) }()
	fewBegin(t, s, p)
}

// fewBegin has many ask a store that has no sessions, by way of p.
func fewBegin(t *testing.T, s *postgres.Store, p *proxy) {
	t.Helper()
	const callers, most = 12, 2
	asks := func(ctx context.Context) error {
		_, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
		return err
	}
	p.on(func(statements []string) action {
		if begins(statements) {
			return pass
		}
		return cut
	})
	if asks(ctx) == nil {
		t.Fatal("answered through a connection that was cut")
	}
	var seen sessions
	held := make(chan struct{})
	p.on(func(statements []string) action {
		if begins(statements) {
			seen.begin()
			<-held
			seen.end()
		}
		return pass
	})
	patient, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() { _ = asks(patient) })
	}
	within(t, patience, "sessions begin", func() bool { _, n := seen.counted(); return n >= most })
	time.AfterFunc(2*time.Second, cancel) // for one more, which is not to begin
	all.Wait()
	close(held)
	ok(t, asks(ctx))
	if _, n := seen.counted(); n > most {
		t.Errorf("%d sessions began at a time", n)
	}
}

// A session that is found to have ended takes those of its age with it, but none that
// began after they were given up.
func TestNewSessionsAreKept(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true})
	p, url := newProxy(t, server, server.Database(t))
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	appends(t, s, commit("acme", 1, nil))
	var seen sessions
	holding := make(chan chan struct{})
	p.on(func(statements []string) action {
		if begins(statements) {
			seen.begin()
			return pass
		}
		mine := make(chan struct{})
		holding <- mine
		<-mine
		return cut
	})
	commits := []store.Commit{commit("acme", 1, nil)}
	var first, second sync.WaitGroup
	asks := func() {
		if _, err := s.Outcomes(ctx, commits); err == nil {
			t.Error("answered through a connection that was cut")
		}
	}
	first.Go(asks)
	one := <-holding
	second.Go(asks)
	two := <-holding
	answers := func(statements []string) action {
		if begins(statements) {
			seen.begin()
		}
		return pass
	}
	p.on(answers)
	close(one)
	first.Wait()
	well(t, s)
	outcomeIs(t, s, commits[0], store.Committed)
	before, _ := seen.counted()
	close(two)
	second.Wait()
	well(t, s)
	outcomeIs(t, s, commits[0], store.Committed)
	if n, _ := seen.counted(); n != before {
		t.Errorf("%d sessions began again", n-before)
	}
}
