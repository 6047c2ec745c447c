// Package storetest is the conformance suite of store.Store: each sentence of its
// contract that holds while nothing breaks is a test. What a store does with damage and faults it tests
// itself.
package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Open gives a new, empty store, which the test closes.
type Open func(t *testing.T) store.Store

// Reopen closes or crashes s and opens the same data again. nil skips what needs it.
type Reopen func(t *testing.T, s store.Store) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open, reopen Reopen) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Append", appendTests}, {"Uses", useTests}, {"Shared", sharedTests}, {"Log", logTests}, {"Customers", customerTests},
		{"Activity", activityTests}, {"Checkpoint", checkpointTests}, {"Load", loadTests}, {"Base", baseTests}, {"Rewrite", rewriteTests}, {"Keys", keyTests},
		{"Parts", partTests}, {"Due", dueTests}, {"Holds", holdTests}, {"Series", seriesTests},
		{"Outbox", outboxTests}, {"Deliveries", deliveryTests}, {"Trim", trimTests}, {"Jobs", jobTests}, {"Denials", denialTests}, {"Concurrent", concurrentTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) { c.run(&env{T: t, Store: openStore(t, open)}) })
			}
		})
	}
	if reopen == nil {
		return
	}
	t.Run("Reopen", func(t *testing.T) {
		for _, c := range reopenTests {
			t.Run(c.name, func(t *testing.T) {
				e := &env{T: t, Store: openStore(t, open)}
				c.run(e, func() {
					e.Store = reopen(t, e.Store)
					t.Cleanup(func() { e.close(e.Store) })
				})
			})
		}
	})
}

type test struct {
	name string
	run  func(*env)
}

type reopenTest struct {
	name string
	run  func(e *env, reopen func())
}

func openStore(t *testing.T, open Open) store.Store {
	s := open(t)
	t.Cleanup(func() { (&env{T: t}).close(s) })
	if err := s.Err(); err != nil {
		t.Fatalf("Err of a new store = %v", err)
	}
	return s
}

// env is a test with its store.
type env struct {
	*testing.T
	store.Store
}

var ctx = context.Background()

func (e *env) close(s store.Store) {
	e.Helper()
	if err := s.Close(); err != nil {
		e.Errorf("Close = %v", err)
	}
}

// ok ends the test if err is not nil.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// equal compares; nil and empty slices of rows are equal.
func equal[T any](e *env, what string, got, want T) {
	e.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() == reflect.Slice && g.Len() == 0 && w.Len() == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}

// stream is one stream and where the test believes its log to end.
type stream struct {
	e     *env
	name  string
	head  store.Head
	saved uint64 // the Seq of its checkpoint
}

func (e *env) stream(name string) *stream { return &stream{e: e, name: name} }

// commit prepares the next commit, which changes may alter.
func (st *stream) commit(changes ...func(*store.Commit)) store.Commit {
	c := store.Commit{Stream: st.name, After: st.head, Now: st.head.Now + 10, Imported: true} // on any store's clock
	for _, change := range changes {
		change(&c)
	}
	sum := sha256.Sum256(fmt.Append(nil, c.Stream, c.After, c.Payload))
	copy(c.ID[:], sum[:])
	copy(c.Hash[:], sum[16:])
	return c
}

// append appends the next commit.
func (st *stream) append(changes ...func(*store.Commit)) store.Commit {
	st.e.Helper()
	c := st.commit(changes...)
	st.e.outcomes([]store.Commit{c}, store.Committed)
	st.head = c.Head()
	return c
}

// outcomes appends and compares what became of the commits.
func (e *env) outcomes(commits []store.Commit, want ...store.Outcome) {
	e.Helper()
	got, err := e.Append(ctx, commits, nil)
	e.ok(err)
	if !reflect.DeepEqual(got, want) {
		e.Fatalf("outcomes %v, want %v", got, want)
	}
}

// ends compares where the stream's log ends with what the test believes.
func (st *stream) ends() {
	st.e.Helper()
	heads, _, _, err := st.e.Heads(ctx, []string{st.name}, nil)
	st.e.ok(err)
	equal(st.e, "head of "+st.name, heads, []store.Head{st.head})
}

// log reads the stream's rows after seq.
func (st *stream) log(after uint64, limit int) (rows []store.LogRow) {
	st.e.Helper()
	st.e.ok(st.e.ReadLog(ctx, st.name, after, limit, func(r store.LogRow) error {
		rows = append(rows, r)
		return nil
	}))
	return rows
}

// save appends a commit and saves a checkpoint at it.
func (st *stream) save(changes ...func(*store.Checkpoint)) {
	st.e.Helper()
	st.append()
	cp := &store.Checkpoint{Stream: st.name, Head: st.head, Base: st.saved}
	for _, change := range changes {
		change(cp)
	}
	st.e.ok(st.e.Save(ctx, cp))
	st.saved = cp.Head.Seq
}

// load reads the checkpoint's parts as one; nil when there is none.
func (st *stream) load() *store.Checkpoint {
	st.e.Helper()
	return st.whole(st.e.Load)
}

// whole is what read gives of the stream, its parts as one; nil when there are none.
func (st *stream) whole(read func(context.Context, string, func(*store.Checkpoint) error) error) *store.Checkpoint {
	st.e.Helper()
	var all *store.Checkpoint
	st.e.ok(read(ctx, st.name, func(cp *store.Checkpoint) error {
		all = merge(all, cp)
		return nil
	}))
	return all
}

func merge(all, part *store.Checkpoint) *store.Checkpoint {
	if all == nil {
		c := *part
		return &c
	}
	all.Entities = append(all.Entities, part.Entities...)
	all.Assignments = append(all.Assignments, part.Assignments...)
	all.Counters = append(all.Counters, part.Counters...)
	all.Totals = append(all.Totals, part.Totals...)
	all.Holds = append(all.Holds, part.Holds...)
	all.Series = append(all.Series, part.Series...)
	all.Parts = append(all.Parts, part.Parts...)
	all.Segments = append(all.Segments, part.Segments...)
	all.Generations = append(all.Generations, part.Generations...)
	return all
}

func ptr[T any](v T) *T { return &v }

var (
	tokens  = bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	images  = bursar.Capability{Kind: bursar.KindFeature, ID: "images"}
	credits = bursar.Capability{Kind: bursar.KindCurrency, ID: "tokens"} // the same id as a feature's
)

// whole is n units.
func whole(n int64) bursar.Amount { return bursar.AmountFromInt(n) }
