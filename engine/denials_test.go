package engine_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// deny notes that an agent of a customer was denied by a limit.
func (r *rig) deny(customer, agent, limit, id string) {
	r.NoteDenial(denialBy(customer, agent, limit, id, r.Now()))
}

func denialBy(customer, agent, limit, id string, at bursar.Time) *engine.Denial {
	n := bursar.Node{AssignmentID: limit, EntityID: "o", ScopeEntityIDs: []string{}, Capability: capability("tokens"), Label: "daily", Enforcement: bursar.Hard,
		UsageLimit: new(bursar.AmountFromInt(5)), CurrentUsage: bursar.AmountFromInt(5), Requested: bursar.AmountFromInt(1), ResetsAt: at.Milli() + 1e9, Exceeded: true}
	return &engine.Denial{ID: id, CustomerID: customer, At: at, Kind: "CHECK", RequestID: "r", Capability: capability("tokens"), Requested: bursar.AmountFromInt(1),
		Dimensions: []bursar.Dimension{{Key: "user", Value: agent}, {Key: "n", Value: "7", Kind: bursar.DimNumber}},
		Decision: bursar.Decision{Reason: bursar.CodeBudgetExceeded, Named: []string{agent}, Chains: [][]bursar.Node{{n}},
			Binding: &bursar.Binding{Source: bursar.BindingEntity, Node: n}}}
}

// denied are the ids that a list shows, newest first, over all its pages.
func (r *rig) denied(o ledger.ReadOptions, q engine.DenialQuery) (ids []string) {
	r.t.Helper()
	if q.Limit == 0 {
		q.Limit = 7
	}
	for {
		p, _, err := engine.ListDenials(r.t.Context(), r.Engine, o, "acme", q, nil, func(_ *ledger.Sight, d *engine.Denial) (*engine.Denial, bool) { return d, true })
		r.must(err)
		for _, d := range p.Items {
			ids = append(ids, d.ID)
		}
		if !p.HasNext {
			return ids
		}
		last := p.Items[len(p.Items)-1]
		q.After = &ledger.ListPos{CreatedAt: last.At.Milli(), ID: last.ID}
	}
}

// denials are what the counts of a customer come to: all, those of which there are samples, and
// those that are not told apart.
func (r *rig) denials() (denied, kept, other int) {
	r.t.Helper()
	r.must(r.DenialCounts(context.Background(), "acme", 0, 1<<62, func(_ bursar.Time, g *engine.DenialGroup, n, k uint64, _ bursar.Time) {
		denied, kept = denied+int(n), kept+int(k)
		if g.Other {
			other += int(n)
		}
	}))
	return denied, kept, other
}

func (r *rig) wantDenials(when string, denied, kept, other int) {
	r.t.Helper()
	if d, k, o := r.denials(); d != denied || k != kept || o != other {
		r.t.Errorf("%s: %d denied, %d kept, %d others; want %d, %d, %d", when, d, k, o, denied, kept, other)
	}
}

// A denial of a request with very much in it is counted, and no sample is kept of it.
func TestLargeDenialsAreCountedAlone(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	large := denialBy("acme", "u", "l", "large", r.Now())
	for i := range 40 {
		large.Dimensions = append(large.Dimensions, bursar.Dimension{Key: fmt.Sprint("note", i), Value: strings.Repeat("x", 1000)})
	}
	r.NoteDenial(large)
	r.deny("acme", "u", "l", "small")
	r.wantDenials("one is large", 2, 1, 0)
}

// Denials are there after a restart, as they were; what is written is told once.
func TestDenialsOutliveARestart(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{})
		r.furnish("acme", "other")
		want := denialBy("acme", "u", "l1", "id-1", r.Now())
		r.NoteDenial(want)
		r.deny("acme", "u", "l2", "id-2")
		r.deny("other", "u", "l1", "id-3")
		for range 2 {
			if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{}); !slices.Equal(got, []string{"id-2", "id-1"}) {
				t.Errorf("%v", got)
			}
			r.wantDenials("before the restart", 2, 2, 0)
			engine.SaveDenials(r.Engine)
		}
		r.deny("acme", "u", "l1", "id-4") // the last one is written at Close
		r.close()
		r.open()
		defer r.close()
		if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{}); !slices.Equal(got, []string{"id-4", "id-2", "id-1"}) {
			t.Errorf("%v", got)
		}
		r.deny("acme", "u", "l1", "id-5") // in the same hour and group
		r.wantDenials("after it", 4, 4, 0)
		p, _, err := engine.ListDenials(t.Context(), r.Engine, ledger.ReadOptions{}, "acme", engine.DenialQuery{AssignmentID: "l1", ListPage: ledger.ListPage{Limit: 9}}, nil,
			func(_ *ledger.Sight, d *engine.Denial) (*engine.Denial, bool) { return d, d.ID == "id-1" })
		r.must(err)
		want.At = want.At.Milli()
		if len(p.Items) != 1 || !reflect.DeepEqual(p.Items[0], want) {
			t.Errorf("read\n%+v\nwant\n%+v", p.Items, want)
		}
		most, err := r.MostDenied(t.Context(), r.Now(), 2)
		r.must(err)
		if len(most) != 2 || most[0].CustomerID != "acme" || most[0].Denied != 3 || most[0].Limit.AssignmentID != "l1" || most[0].Limit.Label != "daily" {
			t.Errorf("%+v", most)
		}
	})
}

// In a flood every denial is counted, and few are kept.
func TestDenialsInAFlood(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{})
	defer func() { r.close() }()
	r.furnish("acme")
	const workers, each = 8, 20_000
	const kept = engine.DenialGroups + engine.DenialSamplesHour // the first of each group, and more
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				r.deny("acme", fmt.Sprint("agent-", i%(2*engine.DenialGroups)), "l", fmt.Sprintf("%d-%05d", w, i))
				if w < 4 && i%1000 == 0 {
					engine.SaveDenials(r.Engine)
				}
			}
		})
	}
	all.Wait()
	r.wantDenials("at once", workers*each, kept, workers*each/2)
	engine.SaveDenials(r.Engine)
	r.wantDenials("written", workers*each, kept, workers*each/2)
	rows, err := s.Denials(t.Context(), store.DenialQuery{CustomerID: "acme", To: 1 << 62})
	r.must(err)
	if len(rows) != kept {
		t.Errorf("%d samples", len(rows))
	}
	r.advance(time.Hour) // room for others
	for i := range 2 * engine.DenialSamples {
		r.deny("acme", "agent", "l", fmt.Sprintf("z-%03d", i))
	}
	r.wantDenials("an hour later", workers*each+2*engine.DenialSamples, kept+engine.DenialSamples, workers*each/2)
	if st := r.DenialStats(); st.Lost != 0 || st.Untold != 0 {
		t.Errorf("%+v", st)
	}
}

// A store that takes nothing, or takes it without a word, delays nobody; counts stay exact, and what
// there was no room for is counted.
func TestDenialsWaitForTheStore(t *testing.T) {
	for _, when := range []string{"savedenials", "savedenials.after"} {
		s := mem.New()
		var broken atomic.Bool
		s.Fail = func(op string) error {
			if broken.Load() && op == when {
				return errors.New("connection lost")
			}
			return nil
		}
		r := newRig(t, s, engine.Options{})
		r.furnish("acme")
		for round := range 3 {
			broken.Store(round < 2)
			for i := range 50 {
				r.deny("acme", "u", "l", fmt.Sprintf("%d-%02d", round, i))
			}
			engine.SaveDenials(r.Engine)
			r.wantDenials(fmt.Sprint(when, round), 51*round+50, engine.DenialSamples, 0)
			r.deny("acme", "u", "l", "one more") // of what is not known to be written, and is
			r.wantDenials(fmt.Sprint(when, round, " and one"), 51*(round+1), engine.DenialSamples, 0)
			most, err := r.MostDenied(t.Context(), r.Now(), 1)
			if r.must(err); len(most) != 1 || most[0].Denied != uint64(51*(round+1)) {
				t.Errorf("%s %d: %+v", when, round, most)
			}
			r.advance(time.Minute)
		}
		r.close()
		r.open()
		r.wantDenials("in the end", 153, engine.DenialSamples, 0)
		if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{}); len(got) != engine.DenialSamples || got[0] != "0-19" {
			t.Errorf("%s: %v", when, got)
		}
		broken.Store(true)
		for i := range engine.DenialsWaiting + 10 { // of ever other customers
			r.deny(fmt.Sprint("c", i), "u", "l", fmt.Sprint(i))
		}
		if st := r.DenialStats(); when == "savedenials" && (st.Lost != 10 || st.Waiting != engine.DenialsWaiting) {
			t.Errorf("%+v", st)
		}
		broken.Store(false)
		r.close()
	}
}

// What several nodes counted adds up, on each of them.
func TestDenialsOfAllNodes(t *testing.T) {
	s := shared()
	a := newRig(t, s, engine.Options{})
	defer a.close()
	a.furnish("acme")
	b := newRig(t, s, engine.Options{})
	defer b.close()
	for i := range 3 {
		a.deny("acme", "u", "l", fmt.Sprint("a", i))
		b.deny("acme", "u", "l", fmt.Sprint("b", i))
	}
	engine.SaveDenials(a.Engine)
	engine.SaveDenials(b.Engine)
	for _, n := range []*rig{a, b} {
		n.wantDenials("both", 6, 6, 0)
		if got := n.denied(ledger.ReadOptions{}, engine.DenialQuery{}); len(got) != 6 {
			t.Errorf("%v", got)
		}
		most, err := n.MostDenied(t.Context(), n.Now(), 9)
		n.must(err)
		if len(most) != 1 || most[0].Denied != 6 {
			t.Errorf("%+v", most)
		}
	}
}

// A clock that is set back, and one that jumps, loses no count.
func TestDenialsAndTheClock(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	for _, step := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour, -time.Hour, 5 * time.Hour} {
		r.advance(step)
		r.deny("acme", "u", "l", fmt.Sprint(r.Now()))
		engine.SaveDenials(r.Engine)
	}
	r.wantDenials("in the end", 5, 5, 0)
}

// They are kept for a time, or in memory alone.
func TestDenialsAreKeptForATime(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{KeepDenials: 48 * time.Hour})
	r.furnish("acme")
	r.deny("acme", "u", "l", "old")
	r.advance(30 * time.Hour)
	r.deny("acme", "u", "l", "new")
	engine.SaveDenials(r.Engine)
	r.advance(20 * time.Hour)
	engine.TrimDenials(r.Engine)
	r.wantDenials("after 50 hours", 1, 1, 0)
	if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{}); !slices.Equal(got, []string{"new"}) {
		t.Errorf("%v", got)
	}
	r.close()

	r.options.KeepDenials = -1
	r.open()
	defer r.close()
	r.deny("acme", "u", "l", "unkept")
	engine.SaveDenials(r.Engine)
	r.wantDenials("in memory", 1, 0, 0)
	r.advance(26 * time.Hour)
	r.deny("acme", "u", "l", "unkept, too")
	r.wantDenials("a day later", 1, 0, 0)
	if rows, err := s.Denials(t.Context(), store.DenialQuery{CustomerID: "acme", To: 1 << 62}); err != nil || len(rows) != 1 {
		t.Errorf("%d written, %v", len(rows), err)
	}
}

// Denials are found by whom they named and those above, by time and by limit, through pages; a token
// finds those that named somebody whom it sees.
func TestDenialsAreFound(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{})
		defer r.close()
		r.furnish("acme")
		_, _, err := r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "p", EntityTypeID: "org"}, {ID: "v", EntityTypeID: "user", ParentID: bursar.Some("p")}})
		r.must(err)
		var ofU, ofV []string
		for i := range 12 * engine.DenialSamples {
			if i%engine.DenialSamples == 0 && i > 0 {
				r.advance(time.Hour)
			}
			r.advance(time.Millisecond)
			agent, id := "u", fmt.Sprintf("%04d", i)
			if i%3 == 0 {
				agent = "v"
				ofV = append(ofV, id)
			} else {
				ofU = append(ofU, id)
			}
			r.deny("acme", agent, "l-"+agent, id)
			if i%50 == 0 {
				engine.SaveDenials(r.Engine)
			}
		}
		slices.Reverse(ofU)
		slices.Reverse(ofV)
		token := ledger.ReadOptions{Token: &bursar.AccessToken{CustomerID: "acme", RootEntityID: "p"}}
		for what, got := range map[string][]string{
			"below p":        r.denied(ledger.ReadOptions{}, engine.DenialQuery{EntityID: "p"}),
			"v":              r.denied(ledger.ReadOptions{}, engine.DenialQuery{EntityID: "v", ListPage: ledger.ListPage{Limit: 1}}),
			"its limit":      r.denied(ledger.ReadOptions{}, engine.DenialQuery{AssignmentID: "l-v"}),
			"as the token":   r.denied(token, engine.DenialQuery{}),
			"v as the token": r.denied(token, engine.DenialQuery{EntityID: "v"}),
		} {
			if !slices.Equal(got, ofV) {
				t.Errorf("%s: %v, want %v", what, got, ofV)
			}
		}
		if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{EntityID: "o", ListPage: ledger.ListPage{Limit: 100}}); !slices.Equal(got, ofU) {
			t.Errorf("%v, want %v", got, ofU)
		}
		start := scriptStart + bursar.Time(2*time.Hour)
		if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{From: start, To: start + bursar.Time(time.Hour)}); len(got) != engine.DenialSamples {
			t.Errorf("%v", got)
		}
		back, _, err := engine.ListDenials(t.Context(), r.Engine, ledger.ReadOptions{}, "acme", engine.DenialQuery{EntityID: "p", ListPage: ledger.ListPage{Limit: 3, Before: &ledger.ListPos{CreatedAt: 1}}}, nil,
			func(_ *ledger.Sight, d *engine.Denial) (string, bool) { return d.ID, true })
		r.must(err)
		last := slices.Clone(ofV[len(ofV)-3:])
		if !slices.Equal(back.Items, last) || !back.HasPrev {
			t.Errorf("the oldest are %v, want %v", back.Items, last)
		}
		for _, o := range []ledger.ReadOptions{{}, token} {
			_, _, err := engine.ListDenials(t.Context(), r.Engine, o, "acme", engine.DenialQuery{EntityID: "nobody"}, nil, func(*ledger.Sight, *engine.Denial) (int, bool) { return 0, true })
			_, _, hidden := engine.ListDenials(t.Context(), r.Engine, token, "acme", engine.DenialQuery{EntityID: "u"}, nil, func(*ledger.Sight, *engine.Denial) (int, bool) { return 0, true })
			if codeOf(err) != bursar.CodeEntityNotFound || strings.ReplaceAll(hidden.Error(), `"u"`, `"nobody"`) != err.Error() {
				t.Errorf("%v, hidden %v", err, hidden)
			}
		}
	})
}

// A list that finds nothing for long says where it goes on.
func TestDenialListsEndInTime(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{})
	defer r.close()
	r.furnish("acme")
	var rows []store.DenialRow
	for i := range engine.DenialScan + 500 {
		rows = append(rows, store.DenialRow{CustomerID: "acme", ID: fmt.Sprintf("%05d", i), At: scriptStart, Body: []byte(`{"kind":"CHECK"}`)})
	}
	r.must(s.SaveDenials(t.Context(), rows, nil))
	q := engine.DenialQuery{ListPage: ledger.ListPage{Limit: 5}}
	oldest := func(_ *ledger.Sight, d *engine.Denial) (string, bool) { return d.ID, d.ID < "00003" }
	p, _, err := engine.ListDenials(t.Context(), r.Engine, ledger.ReadOptions{}, "acme", q, nil, oldest)
	r.must(err)
	if len(p.Items) != 0 || p.Rest == nil {
		t.Fatalf("%+v", p)
	}
	q.After = p.Rest
	p, _, err = engine.ListDenials(t.Context(), r.Engine, ledger.ReadOptions{}, "acme", q, nil, oldest)
	r.must(err)
	if !slices.Equal(p.Items, []string{"00002", "00001", "00000"}) || p.Rest != nil || p.HasNext {
		t.Errorf("%+v", p)
	}
	// What is remembered comes in its place: behind all that is kept, if it is older.
	q.After = nil
	q.Limit = 1
	remembered := []*engine.Denial{denialBy("acme", "u", "l", "0", 1)}
	p, _, err = engine.ListDenials(t.Context(), r.Engine, ledger.ReadOptions{}, "acme", q, remembered, func(_ *ledger.Sight, d *engine.Denial) (string, bool) { return d.ID, d.ID < "02000" })
	r.must(err)
	if !slices.Equal(p.Items, []string{"01999"}) || !p.HasNext {
		t.Errorf("%+v", p)
	}
}

// A denial tells whom the request named, the lowest first; a grant does not.
func TestDenialsSayWhoWasNamed(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	dims := []bursar.Dimension{{Key: "org", Value: "o"}, {Key: "user", Value: "u"}, {Key: "x", Value: "y"}}
	for amount, want := range map[int64]string{1: "[]", 1e7: "[u o]"} {
		d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Requested: bursar.AmountFromInt(amount), Dimensions: dims}})
		r.must(err)
		if got := fmt.Sprint(d[0].Named); got != want {
			t.Errorf("a check of %d named %s, want %s", amount, got, want)
		}
	}
	in := spendOf("tokens", 1e7, "k")
	in.Dimensions = dims
	_, _, err := r.Consume(t.Context(), tester, "acme", in)
	var e *bursar.Error
	if !errors.As(err, &e) || e.Denial == nil || fmt.Sprint(e.Denial.Named) != "[u o]" {
		t.Errorf("%+v", err)
	}
}

func BenchmarkNoteDenial(b *testing.B) {
	r := newRig(b, mem.New(), engine.Options{})
	defer r.close()
	d := denialBy("acme", "u", "l", "id", r.Now())
	b.ReportAllocs()
	for b.Loop() {
		r.NoteDenial(d)
	}
}
