package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// trimmedStore is a store whose customer acme has something of everything, and a log that
// begins before its checkpoint and ends after it; "beta" has its log whole. It also says
// when it ends.
func trimmedStore(t testing.TB) (s *mem.Store, now int64) {
	s = lived(t, "acme", "beta")
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour, KeysInMemory: 16})
	r.now.Store(int64(start) + int64(24*time.Hour))
	ctx := context.Background()
	_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "people", DisplayName: "People",
		Meter: &bursar.Meter{EventName: "seen", Aggregation: bursar.Aggregation{Function: "UNIQUE", Field: "who"}}})
	r.must(err)
	rows, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("people"),
		UsageLimit: bursar.Some(bursar.AmountFromInt(0)), Enforcement: bursar.Some(bursar.Soft), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
	r.must(err)
	_, _, err = r.CreateBoost(ctx, tester, "acme", rows[0].ID, bursar.BoostInput{Amount: bursar.AmountFromInt(5)})
	r.must(err)
	_, _, err = r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "stopped", EntityTypeID: "user"}})
	r.must(err)
	_, _, err = r.Freeze(ctx, tester, "acme", "stopped", "before the trim")
	r.must(err)
	_, _, err = r.PutDegradePolicies(ctx, tester, "acme", []bursar.DegradePolicyInput{{EntityID: "u", Capability: capability("people"),
		Steps: []bursar.DegradeStep{{AtPercent: 80, Models: map[string]string{"a": "b"}, NoTools: true}}}})
	r.must(err)
	_, _, err = r.PutNotifications(ctx, tester, "acme", []bursar.NotificationInput{{EntityID: "u", Name: "n", Emails: []string{"a@b.example"}, Thresholds: []int{1}}})
	r.must(err)
	see := func(from, to int) {
		for i := from; i < to; i++ {
			_, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{{CustomerID: "acme", EventName: "seen", IdempotencyKey: fmt.Sprint("seen-", i),
				Dimensions: append([]bursar.Dimension{{Key: "who", Value: fmt.Sprint("w", i%7)}}, onUser...)}})
			r.must(err)
			r.advance(20 * time.Minute)
		}
	}
	see(0, 20)
	_, err = r.consume("acme", 7, "history")
	r.must(err)
	r.close()
	trim := r.now.Load() - int64(3*time.Hour)
	s.Fail = func(op string) error {
		if op == "save" {
			return errors.New("no checkpoint")
		}
		return nil
	}
	r.open()
	see(20, 30)
	_, err = r.consume("acme", 8, "tail")
	r.must(err)
	_ = r.Close(ctx) // which cannot save
	s.Fail = nil
	if n, err := s.TrimLog(ctx, bursar.Time(trim), 0); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	// beta's checkpoint is of its whole log, of which the newest commit is left; acme has more.
	return s, r.now.Load()
}

func postgresIn(t testing.TB) store.Store {
	s, err := postgres.Open(context.Background(), pgtest.Database(t), postgres.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// contents is what a store shows of a customer, once its checkpoint is at its log's end.
func contents(t testing.TB, s store.Store, customer string) string {
	t.Helper()
	ctx := context.Background()
	var b strings.Builder
	add := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		text, err := store.EncodeRows(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	heads, _, _, err := s.Heads(ctx, []string{customer}, nil)
	add(heads, err)
	saved, err := s.Saved(ctx, []string{customer})
	add(saved, err)
	for _, status := range []bursar.HoldStatus{bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldReleased, bursar.HoldExpired} {
		for _, ord := range []uint32{0, 1, 2} {
			holds, err := s.Holds(ctx, customer, store.HoldQuery{Status: status, EntityOrd: ord, Limit: 1000})
			add(holds, err)
		}
	}
	for ord := range uint32(3) {
		rows, _, err := s.Series(ctx, customer, store.SeriesQuery{EntityOrd: ord, To: 1<<32 - 1})
		slices.SortFunc(rows, func(a, b store.SeriesRow) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		add(rows, err)
	}
	activity, err := s.Activity(ctx, customer, store.ActivityQuery{Limit: 1000})
	add(activity, err)
	list, err := s.Customers(ctx, store.CustomerQuery{Limit: 10, IncludeArchived: true})
	add(list, err)
	for _, u := range []store.Use{{Kind: "entityType", ID: "org"}, {Kind: "currency", ID: "gold"}, {Kind: "currency", ID: "credits"}} {
		users, err := s.Users(ctx, u, 10)
		slices.Sort(users)
		add(users, err)
	}
	var log []store.LogRow
	err = s.ReadLog(ctx, customer, 0, 0, func(r store.LogRow) error { log = append(log, r); return nil })
	add(log, err)
	return b.String()
}

var states = regexp.MustCompile(`"state":"[0-9a-f]{64}"`)

// A log that was trimmed goes from store to store and back, with all that is not in it.
func TestTransferOfTrimmedLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PostgreSQL")
	}
	source, now := trimmedStore(t)
	file := exported(t, source, "")
	if n := bytes.Count(file, []byte(`{"type":"base"`)); n != 2 {
		t.Fatalf("%d logs go on from a base", n)
	}
	sums := states.FindAll(file, -1)
	first := append([]store.Store{sqliteIn(t), postgresIn(t), sqliteIn(t), mem.New(), sqliteIn(t)}, source)
	for i, s := range first[:5] {
		got, err := imported(s, file)
		if err != nil || got.Written != got.Commits || got.Streams != 3 {
			t.Fatalf("store %d: %+v, %v", i, got, err)
		}
		if again, err := imported(s, file); err != nil || again.Written != 0 {
			t.Errorf("store %d again: %+v, %v", i, again, err)
		}
		if file = exported(t, s, ""); fmt.Sprintf("%s", states.FindAll(file, -1)) != fmt.Sprintf("%s", sums) {
			t.Errorf("store %d has another state", i)
		}
	}
	want := map[string]string{}
	for i := len(first) - 1; i >= 0; i-- {
		if i != 1 { // whose clock is its own
			r := newRig(t, first[i], quiet)
			r.now.Store(now)
			if frozen, _, err := r.Freezes(t.Context(), ledger.ReadOptions{}, "acme"); err != nil || len(frozen) != 1 || frozen[0].EntityID != "stopped" {
				t.Errorf("store %d: frozen are %v, %v", i, frozen, err)
			}
			if p, _, err := r.DegradePolicies(t.Context(), ledger.ReadOptions{}, "acme"); err != nil || len(p) != 1 || p[0].EntityID != "u" || p[0].Capability != capability("people") || len(p[0].Steps) != 1 || p[0].Steps[0].Models["a"] != "b" {
				t.Errorf("store %d: policies are %v, %v", i, p, err)
			}
			if n, _, err := r.Notifications(t.Context(), ledger.ReadOptions{}, "acme"); err != nil || len(n) != 1 || n[0].EntityID != "u" || n[0].Emails[0] != "a@b.example" {
				t.Errorf("store %d: notifications are %v, %v", i, n, err)
			}
			for key, amount := range map[string]int64{"history": 7, "tail": 8} {
				if res, err := r.consume("acme", amount, key); err != nil || !res.Duplicate {
					t.Errorf("store %d: the key %s: %+v, %v", i, key, res, err)
				}
			}
			r.close()
		}
		for _, customer := range []string{"acme", "beta"} {
			got := contents(t, first[i], customer)
			if i == len(first)-1 {
				want[customer] = got
			}
			theirs := strings.Split(want[customer], "\n")
			for n, line := range strings.Split(got, "\n") {
				if line != theirs[n] {
					t.Errorf("store %d shows something else of %s in line %d:\n%.300s\nwant\n%.300s", i, customer, n, line, theirs[n])
				}
			}
		}
	}
	r := newRig(t, first[0], quiet)
	defer r.close()
	r.now.Store(now)
	if _, err := r.consume("acme", 1, "new"); err != nil {
		t.Error(err)
	}
}
