package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

const flipped = "UPDATE bursar.log SET %s WHERE stream = (SELECT id FROM bursar.streams WHERE name = 'a') AND seq IN (2, 66)"

// A bit that is not as it was written, in whichever column of a commit, is found where the
// log is read, and that customer alone is refused.
func TestDamagedCommitIsNotServed(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	e, err := engine.Open(ctx, s, engine.Options{})
	ok(t, err)
	for _, id := range []string{"a", "b"} {
		_, _, err := e.CreateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{})
		ok(t, err)
		for i := range 3 {
			_, _, err := e.UpdateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{Name: bursar.Some(fmt.Sprint("name ", i))})
			ok(t, err)
		}
	}
	ok(t, e.Close(ctx))
	ok(t, s.Close())
	exec(t, url, "UPDATE bursar.streams SET saved = 0 WHERE name = 'a'; DELETE FROM bursar.checkpoints") // its state is that of its log
	s = open(t, url)
	defer func() { ok(t, s.Close()) }()
	whole := logOf(t, s)
	for _, column := range []string{"seq", "now", "sum"} {
		refuses(t, s, url, fmt.Sprintf("%s = %[1]s # 64", column))
	}
	for _, column := range []string{"hash", "commit_id", "payload"} {
		refuses(t, s, url, fmt.Sprintf("%s = set_byte(%[1]s, 3, get_byte(%[1]s, 3) # 16)", column))
	}
	if got := logOf(t, s); got != whole {
		t.Fatal("the test left damage")
	}

	exec(t, url, fmt.Sprintf(flipped, "payload = set_byte(payload, 3, get_byte(payload, 3) # 16)"))
	var log bytes.Buffer
	e, err = engine.Open(ctx, s, engine.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	ok(t, err)
	_, _, err = e.Customer(ctx, ledger.ReadOptions{}, "b")
	ok(t, err)
	_, _, err = e.Customer(ctx, ledger.ReadOptions{}, "a")
	if ours, ok := err.(*bursar.Error); !ok || ours.Code != bursar.CodeGovernanceUnavailable {
		t.Errorf("a damaged customer: %v", err)
	}
	ok(t, e.Close(ctx))
	if got := log.String(); !strings.Contains(got, "commit 2 is not what was written") {
		t.Errorf("the place is not logged: %s", got)
	}

	// Rows of a program that knows no checksums are read.
	exec(t, url, fmt.Sprintf(flipped, "payload = set_byte(payload, 3, get_byte(payload, 3) # 16), sum = NULL"))
	if got := logOf(t, s); got != whole {
		t.Error("a commit without a checksum is another one")
	}
}

func logOf(t *testing.T, s store.Store) (all string) {
	t.Helper()
	ok(t, s.ReadLog(ctx, "a", 0, 0, func(r store.LogRow) error {
		all += fmt.Sprintf("%+v\n", r)
		return nil
	}))
	return all
}

// refuses damages a commit, and has it as it was in the end.
func refuses(t *testing.T, s store.Store, url, change string) {
	t.Helper()
	exec(t, url, fmt.Sprintf(flipped, change))
	err := s.ReadLog(ctx, "a", 0, 0, func(store.LogRow) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "the log is damaged") || !strings.Contains(err.Error(), `stream "a"`) {
		t.Errorf("%s: ReadLog = %v", change, err)
	}
	_, tails, _, err := s.Heads(ctx, []string{"a"}, []uint64{0})
	if ok(t, err); len(tails[0]) > 2 {
		t.Errorf("%s: Heads gives %d rows", change, len(tails[0]))
	}
	if err := s.Err(); err != nil {
		t.Errorf("%s: the store is out of service: %v", change, err)
	}
	exec(t, url, fmt.Sprintf(flipped, change))
}
