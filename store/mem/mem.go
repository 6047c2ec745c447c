// Package mem keeps everything in maps and slices: the reference of what a store does,
// for tests and the simulator. It is deterministic: what the contract leaves open
// (the order of Due and Users) is ordered here.
package mem

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// partRows is how many rows of one table a part of Load holds. It is small so that
// tests meet checkpoints of many parts.
const partRows = 512

var (
	errClosed = errors.New("mem: store is closed")
)

// Store is a store.Store in memory.
type Store struct {
	// Fail, when set, is called at the start of every operation with its name:
	// "append", "outcomes", "heads", "streams", "readlog", "load", "save", "saved", "claim", "due", "findkeys", "hold", "holds",
	// "series", "customers", "activity", "users", "base", "begin", "rewrite", "trimlog", "addmessage", "savedeliveries",
	// "trimoutbox", "duedeliveries", "deliveries", "delivery", "pendingdeliveries",
	// "savejob", "jobs", "trimjobs", "savedenials", "denials", "denialcounts", "mostdenied" or "trimdenials".
	// The operation does nothing and returns the error, if there is one. "append.after",
	// "save.after", "begin.after", "rewrite.after", "addmessage.after", "savedeliveries.after" and "trimoutbox.after" are
	// called once the write is done: an error then leaves the caller without its
	// outcome. An error that wraps engine.ErrPoisoned poisons the store. No lock is held
	// during the call. Set it before the store is used.
	Fail func(op string) error
	// Clock, when set, makes the store one that several engines share: it is their clock.
	// Set it before the store is used.
	Clock func() bursar.Time

	mu        sync.Mutex
	dead      error // ErrPoisoned or errClosed, once it is so
	streams   map[string]*stream
	customers map[string]bursar.Customer
	uses      map[store.Use]map[string]bool // streams by what they use
	outbox    outbox
	asides    store.Asides
	claims    map[string]claim
	jobs      map[string]store.JobRow
	denials   denials
}

// claim is who has a name until when, by the system's clock.
type claim struct {
	holder string
	until  time.Time
}

type stream struct {
	head     store.Head
	log      []store.LogRow
	activity map[string]store.Activity
	saved    *checkpoint
}

// New makes an empty store.
func New() *Store {
	return &Store{
		streams:   map[string]*stream{},
		customers: map[string]bursar.Customer{},
		uses:      map[store.Use]map[string]bool{},
		outbox:    newOutbox(),
		claims:    map[string]claim{},
		jobs:      map[string]store.JobRow{},
		denials:   newDenials(),
	}
}

// CrashClone is what a restart would find now: everything that was written. The clone
// shares nothing with s, which may be used on, closed or poisoned.
func (s *Store) CrashClone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New()
	c.Clock = s.Clock
	for name, st := range s.streams {
		c.streams[name] = st.clone()
	}
	for id, row := range s.customers {
		c.customers[id] = cloneCustomer(row)
	}
	for u, users := range s.uses {
		c.uses[u] = maps.Clone(users)
	}
	c.outbox, c.asides = s.outbox.clone(), s.asides
	c.denials = s.denials.clone()
	for id, j := range s.jobs {
		c.jobs[id] = cloneJob(j)
	}
	return c
}

// begin starts the operation op: without an error it returns with s locked.
func (s *Store) begin(ctx context.Context, op string) error {
	if err := cmp.Or(s.Err(), ctx.Err()); err != nil {
		return err
	}
	if err := s.fail(op); err != nil {
		return err
	}
	s.mu.Lock()
	if s.dead != nil {
		defer s.mu.Unlock()
		return s.dead
	}
	return nil
}

// beginWrite is begin for what a done context certainly keeps from being written.
func (s *Store) beginWrite(ctx context.Context, op string) error {
	err := s.begin(ctx, op)
	if err != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
	}
	return err
}

func (s *Store) fail(op string) error {
	if s.Fail == nil {
		return nil
	}
	err := s.Fail(op)
	if err == nil || !errors.Is(err, store.ErrPoisoned) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = err
	return err
}

// Err implements store.Store.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = errClosed
	}
	return nil
}

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	if err := s.beginWrite(ctx, "append"); err != nil {
		return nil, err
	}
	out := make([]store.Outcome, len(commits))
	for i := range commits {
		c := &commits[i]
		if out[i] = s.append(c); out[i] == store.Stale && again != nil && s.Clock != nil {
			if c = again(i, s.tail(c)); c != nil {
				out[i] = s.append(c)
			}
		}
	}
	s.mu.Unlock()
	if err := s.fail("append.after"); err != nil {
		return nil, err
	}
	return out, nil
}

// tail is what c's stream has after c.After.
func (s *Store) tail(c *store.Commit) (rows []store.LogRow) {
	if st := s.streams[c.Stream]; st != nil {
		rows = slices.Clone(st.after(c.After.Seq))
	}
	return rows
}

// refusal says why c may not be appended, or Committed.
func (s *Store) refusal(st *stream, c *store.Commit) store.Outcome {
	if st.head != c.After || c.Undecided {
		return store.Stale
	}
	if !c.Imported && s.Clock != nil && c.Now != c.After.Now {
		if off := c.Now - s.Clock(); off > store.MaxSkew || off < -store.MaxSkew {
			return store.Skewed
		}
	}
	if catalogue := s.streams[store.CatalogueStream]; c.Stream != store.CatalogueStream && (len(c.Begin) > 0 || s.Clock != nil) && !c.Imported {
		seq := uint64(0)
		if catalogue != nil {
			seq = catalogue.head.Seq
		}
		if !s.asides.Rule(c.Catalogue, seq) {
			return store.OldCatalogue
		}
	}
	for _, u := range c.Unused {
		if len(s.uses[u]) > 0 {
			return store.InUse
		}
	}
	return store.Committed
}

func (s *Store) append(c *store.Commit) store.Outcome {
	st := s.streams[c.Stream]
	if st == nil {
		st = &stream{activity: map[string]store.Activity{}}
	}
	if refusal := s.refusal(st, c); refusal != store.Committed {
		return refusal
	}
	s.streams[c.Stream] = st
	st.head = c.Head()
	if c.Aside {
		s.asides.Add(st.head.Seq)
	}
	st.log = append(st.log, store.LogRow{Head: st.head, ID: c.ID, Payload: bytes.Clone(c.Payload)})
	if c.Listing != nil {
		s.customers[c.Listing.ID] = cloneCustomer(*c.Listing)
	}
	for _, a := range c.Activity {
		st.activity[a.ID] = cloneActivity(a)
	}
	for _, u := range c.Begin {
		if s.uses[u] == nil {
			s.uses[u] = map[string]bool{}
		}
		s.uses[u][c.Stream] = true
	}
	for _, u := range c.End {
		delete(s.uses[u], c.Stream)
	}
	for _, m := range c.Messages {
		s.outbox.add(m)
	}
	return store.Committed
}

// Heads implements store.Store.
func (s *Store) Heads(ctx context.Context, streams []string, after []uint64) (heads []store.Head, tails [][]store.LogRow, now bursar.Time, err error) {
	if err := s.begin(ctx, "heads"); err != nil {
		return nil, nil, 0, err
	}
	defer s.mu.Unlock()
	if s.Clock != nil {
		now = s.Clock()
		tails = make([][]store.LogRow, len(streams))
	}
	heads = make([]store.Head, len(streams))
	for i, name := range streams {
		st := s.streams[name]
		if st == nil {
			continue
		}
		heads[i] = st.head
		if s.Clock != nil && after != nil {
			for _, r := range page(st.after(after[i]), tailRows) {
				r.Payload = bytes.Clone(r.Payload)
				tails[i] = append(tails[i], r)
			}
		}
	}
	return heads, tails, now, nil
}

// tailRows is how many rows of each stream Heads gives along. It is small so that tests
// meet logs that have more.
const tailRows = 3

// Outcomes implements store.Store.
func (s *Store) Outcomes(ctx context.Context, commits []store.Commit) ([]store.Outcome, error) {
	if err := s.begin(ctx, "outcomes"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := make([]store.Outcome, len(commits))
	for i := range commits {
		out[i] = store.Stale
		if tail := s.tail(&commits[i]); len(tail) > 0 && tail[0].ID == commits[i].ID {
			out[i] = store.Committed
		}
	}
	return out, nil
}

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error) {
	if err := s.begin(ctx, "claim"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	got := make([]bool, len(names))
	now := time.Now()
	for i, name := range names {
		c := s.claims[name]
		if got[i] = s.Clock == nil || c.holder == holder || !now.Before(c.until); got[i] {
			s.claims[name] = claim{holder, now.Add(ttl)}
		}
	}
	return got, nil
}

// after is what the log has after seq.
func (st *stream) after(seq uint64) []store.LogRow {
	trimmed := st.head.Seq - uint64(len(st.log))
	if seq >= st.head.Seq {
		return nil
	}
	return st.log[max(seq, trimmed)-trimmed:]
}

// TrimLog implements store.Store.
func (s *Store) TrimLog(ctx context.Context, before bursar.Time, limit int) (n int, err error) {
	if err := s.begin(ctx, "trimlog"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[name]
		for name != store.CatalogueStream && st.saved != nil && len(st.log) > 1 && st.log[0].Head.Seq <= st.saved.head.Seq && st.log[0].Head.Now < before {
			if limit > 0 && n == limit {
				return n, nil
			}
			st.log = st.log[1:]
			n++
		}
	}
	return n, nil
}

// ReadLog implements store.Store.
func (s *Store) ReadLog(ctx context.Context, name string, after uint64, limit int, visit func(store.LogRow) error) error {
	if err := s.begin(ctx, "readlog"); err != nil {
		return err
	}
	var rows []store.LogRow
	if st := s.streams[name]; st != nil {
		rows = page(st.after(after), limit)
	}
	s.mu.Unlock() // rows of the log never change
	for _, r := range rows {
		r.Payload = bytes.Clone(r.Payload)
		if err := visit(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Due implements store.Store, least recently written streams first.
func (s *Store) Due(ctx context.Context, before bursar.Time, limit int) ([]string, error) {
	if err := s.begin(ctx, "due"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var names []string
	for name, st := range s.streams {
		switch cp := st.saved; {
		case name == store.CatalogueStream:
		case cp == nil && st.head.Seq > 0,
			cp != nil && st.head.Seq > cp.head.Seq,
			cp != nil && cp.due != 0 && cp.due <= before:
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := cmp.Compare(s.streams[a].head.Now, s.streams[b].head.Now); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return page(names, limit), nil
}

// Streams implements store.Store, in order of name.
func (s *Store) Streams(ctx context.Context, after string, limit int) ([]string, error) {
	if err := s.begin(ctx, "streams"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var names []string
	for name, st := range s.streams {
		if name > after && st.head.Seq > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return page(names, limit), nil
}

// Users implements store.Store, in order of name.
func (s *Store) Users(ctx context.Context, u store.Use, limit int) ([]string, error) {
	if err := s.begin(ctx, "users"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.uses[u]))
	for name := range s.uses[u] {
		names = append(names, name)
	}
	slices.Sort(names)
	return page(names, limit), nil
}

// page is the first limit rows, all of them when limit is 0.
func page[T any](rows []T, limit int) []T {
	if limit > 0 && len(rows) > limit {
		return rows[:limit]
	}
	return rows
}
