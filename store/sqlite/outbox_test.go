package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

// message is one with a pending delivery of the same ID and a body of n bytes.
func message(id string, n int) store.Message {
	return store.Message{ID: id, CreatedAt: 1, Body: make([]byte, n), Deliveries: []store.Delivery{
		{ID: id, EndpointID: "hook", MessageID: id, Status: store.DeliveryPending, NextAttempt: 1},
	}}
}

// status is how the delivery stands; "" when there is none.
func status(t testing.TB, s *sqlite.Store, id string) store.DeliveryStatus {
	t.Helper()
	d, err := s.Delivery(ctx, id)
	if ok(t, err); d == nil {
		return ""
	}
	return d.Status
}

// TestOlderSchema opens files as the first schema left them: log.db keeps what it has
// and gets an outbox, state.db is made anew.
func TestOlderSchema(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	grow(t, s, "acme", 1, 3, 0)
	listed := commit("umbrella", 1, 0, nil)
	listed.Listing = &bursar.Customer{ID: "umbrella"}
	_, err := s.Append(ctx, []store.Commit{listed}, nil)
	ok(t, err)
	checkpoint(t, s, "acme", 3, 0)
	checkpoint(t, s, "umbrella", 1, 0)
	closeStore(t, s)
	ok(t, sqlite.Exec(filepath.Join(dir, "log.db"), "DROP TABLE denials; DROP TABLE denial_tags; DROP TABLE denial_counts; DROP TABLE IF EXISTS jobs; DROP TABLE base_parts; DROP TABLE bases; DROP TABLE deliveries; DROP TABLE messages; ALTER TABLE log DROP COLUMN length; DROP TABLE activity_blocks; DROP TABLE activity_entities; PRAGMA user_version=1"))
	ok(t, sqlite.Exec(filepath.Join(dir, "state.db"), "DROP TABLE parts; CREATE TABLE old (x); INSERT INTO old VALUES (1); PRAGMA user_version=1"))

	s = open(t, dir)
	heads, _, _, err := s.Heads(ctx, []string{"acme", "umbrella"}, nil)
	if ok(t, err); heads[0].Seq != 3 || heads[1].Seq != 1 {
		t.Errorf("heads %v", heads)
	}
	customers, err := s.Customers(ctx, store.CustomerQuery{})
	if ok(t, err); len(customers) != 1 {
		t.Errorf("customers %v", customers)
	}
	grow(t, s, "umbrella", 2, 2, 0)
	checkpoint(t, s, "umbrella", 2, 0)
	replays(t, s, "acme")
	ok(t, s.AddMessage(ctx, message("m", 10)))
	ok(t, s.SaveDenials(ctx, []store.DenialRow{{CustomerID: "acme", ID: "d", At: 1, Body: []byte("{}")}}, nil))
	closeStore(t, s)

	s = open(t, dir) // once is enough
	defer closeStore(t, s)
	if !loads(t, s, "umbrella") || status(t, s, "m") != store.DeliveryPending {
		t.Error("what was written behind the migration is gone")
	}
	rows := 0
	ok(t, s.ReadLog(ctx, "acme", 0, 0, func(r store.LogRow) error {
		if rows++; string(r.Payload) != "payload" {
			t.Errorf("row %d is %q", rows, r.Payload)
		}
		return nil
	}))
	if rows != 3 {
		t.Errorf("%d rows", rows)
	}
}

// TestDiskFullOutbox: writes of the outbox that find no space are certainly not done.
func TestDiskFullOutbox(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	ok(t, s.AddMessage(ctx, message("m", 10)))
	ok(t, s.SetMaxPages(1)) // means: as long as they are
	long := store.Delivery{ID: "m", Status: store.DeliveryFailed, Error: strings.Repeat("x", 1<<20)}
	with := commit("acme", 1, 0, nil)
	with.Messages = []store.Message{message("a", 10), message("b", 1<<20)}
	for range 2 {
		_, err := s.Append(ctx, []store.Commit{commit("other", 1, 0, nil), with}, nil)
		for what, err := range map[string]error{
			"Append": err, "AddMessage": s.AddMessage(ctx, message("n", 1<<20)), "SaveDeliveries": s.SaveDeliveries(ctx, []store.Delivery{long}),
		} {
			if !errors.Is(err, store.ErrNotCommitted) || errors.Is(err, store.ErrPoisoned) {
				t.Errorf("%s = %v", what, err)
			}
		}
	}
	for _, id := range []string{"a", "b", "n"} {
		if got := status(t, s, id); got != "" {
			t.Errorf("%s is %s", id, got)
		}
	}
	if got := status(t, s, "m"); got != store.DeliveryPending || s.Err() != nil {
		t.Errorf("m is %s, Err = %v", got, s.Err())
	}
	heads, _, _, err := s.Heads(ctx, []string{"acme", "other"}, nil)
	if ok(t, err); heads[0].Seq != 0 || heads[1].Seq != 0 {
		t.Errorf("heads %v", heads)
	}
	ok(t, s.SetMaxPages(1<<30))
	ok(t, s.SaveDeliveries(ctx, []store.Delivery{long}))
	if got := status(t, s, "m"); got != store.DeliveryFailed {
		t.Errorf("with space again m is %s", got)
	}
}

// TestTrimFreesRows: what TrimOutbox deletes is gone from the file too.
func TestTrimFreesRows(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	ok(t, s.AddMessage(ctx, message("m", 10)))
	ended := message("ended", 10)
	ended.Deliveries[0].Status = store.DeliverySucceeded
	ok(t, s.AddMessage(ctx, ended))
	ok(t, s.AddMessage(ctx, store.Message{ID: "to nobody", CreatedAt: 1}))
	ok(t, s.TrimOutbox(ctx, 2))
	for _, table := range []string{"messages", "deliveries"} {
		n, err := s.Count(table)
		if ok(t, err); n != 1 {
			t.Errorf("%d %s are left, want 1", n, table)
		}
	}
}

// TestPlans holds the queries of the outbox to their indexes: deliveries that have
// ended cost nothing, and no list is sorted.
func TestPlans(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	for _, c := range []struct{ name, want string }{
		{"due", "deliveries_waiting (endpoint_id=? AND next_attempt<?)"},
		{"waiting", "COVERING INDEX deliveries_waiting (endpoint_id>?)"},
		{"pending", "COVERING INDEX deliveries_waiting"},
		{"listed", "deliveries_endpoint (endpoint_id=? AND id<?)"},
		{"failed", "deliveries_failed (endpoint_id=? AND id<?)"},
		{"trim", "COVERING INDEX messages_created (created_at>? AND created_at<?)"},
		{"trim", "deliveries_message (message=?)"},
		{"parts", "SEARCH parts USING PRIMARY KEY (stream=?)"},
	} {
		plan, err := s.Plan(c.name)
		if ok(t, err); !strings.Contains(plan, c.want) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s:\n%s\nwant %s", c.name, plan, c.want)
		}
	}
}
