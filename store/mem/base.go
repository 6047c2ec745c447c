package mem

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

var errStreamExists = errors.New("the stream is there already")

// Base implements store.Store: a log is trimmed only up to its checkpoint.
func (s *Store) Base(ctx context.Context, name string, visit func(*store.Checkpoint) error) error {
	if err := s.begin(ctx, "base"); err != nil {
		return err
	}
	var parts []*store.Checkpoint
	if st := s.streams[name]; st != nil && st.saved != nil && st.head.Seq > uint64(len(st.log)) {
		parts = st.saved.whole(name)
	}
	s.mu.Unlock()
	for _, part := range parts {
		if err := cmp.Or(ctx.Err(), visit(part)); err != nil {
			return err
		}
	}
	return nil
}

// whole is load with all rows.
func (cp *checkpoint) whole(name string) []*store.Checkpoint {
	parts := cp.load(name)
	first := parts[0]
	first.Holds = values(cp.holds, cloneHold)
	first.Generations = values(cp.generations, cloneGeneration)
	for key, amount := range cp.series {
		first.Series = append(first.Series, store.SeriesRow{SeriesKey: key, Amount: amount})
	}
	slices.SortFunc(first.Series, func(a, b store.SeriesRow) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.EntityOrd, b.EntityOrd), compareCapabilities(a.Capability, b.Capability),
			cmp.Compare(a.ChildOrd, b.ChildOrd), cmp.Compare(a.Combo, b.Combo))
	})
	return parts
}

// Begin implements store.Store.
func (s *Store) Begin(ctx context.Context, name string, parts iter.Seq2[*store.BasePart, error]) error {
	if err := s.beginWrite(ctx, "begin"); err != nil {
		return err
	}
	s.mu.Unlock() // so that parts may use the store
	st := &stream{activity: map[string]store.Activity{}, saved: newCheckpoint()}
	var listing *bursar.Customer
	var uses []store.Use
	for p, err := range parts {
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
		}
		st.begin(p)
		if p.Listing != nil {
			listing = p.Listing
		}
		uses = append(uses, p.Uses...)
	}
	s.mu.Lock()
	if old := s.streams[name]; old != nil && old.head.Seq > 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, errStreamExists)
	}
	s.streams[name] = st
	if listing != nil {
		s.customers[listing.ID] = cloneCustomer(*listing)
	}
	for _, u := range uses {
		if s.uses[u] == nil {
			s.uses[u] = map[string]bool{}
		}
		s.uses[u][name] = true
	}
	s.mu.Unlock()
	return s.fail("begin.after")
}

func (st *stream) begin(p *store.BasePart) {
	if in := p.Checkpoint; in != nil {
		if st.head == (store.Head{}) {
			st.head, st.saved.head, st.saved.due, st.saved.meta = in.Head, in.Head, in.Due, bytes.Clone(in.Meta)
		}
		st.saved.saveRows(in)
	}
	for _, r := range p.Log {
		r.Payload = bytes.Clone(r.Payload)
		st.log = append(st.log, r)
	}
	for _, a := range p.Activity {
		st.activity[a.ID] = cloneActivity(a)
	}
}

// Rewrite implements store.Store.
func (s *Store) Rewrite(ctx context.Context, name string, to store.Head, parts iter.Seq2[*store.BasePart, error]) error {
	if err := s.beginWrite(ctx, "rewrite"); err != nil {
		return err
	}
	s.mu.Unlock() // so that parts may use the store
	added := &stream{activity: map[string]store.Activity{}}
	var listing *bursar.Customer
	var uses []store.Use
	for p, err := range parts {
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
		}
		added.begin(p)
		if p.Listing != nil {
			listing = p.Listing
		}
		uses = append(uses, p.Uses...)
	}
	s.mu.Lock()
	st := s.streams[name]
	if st == nil || !st.has(to) {
		s.mu.Unlock()
		return fmt.Errorf("%w: the log of %q was never at commit %d as given", store.ErrNotCommitted, name, to.Seq)
	}
	st.rewind(to)
	st.log = append(st.log, added.log...)
	if n := len(st.log); n > 0 {
		st.head = st.log[n-1].Head
	}
	maps.Copy(st.activity, added.activity)
	if listing != nil {
		s.customers[listing.ID] = cloneCustomer(*listing)
	}
	for _, users := range s.uses {
		delete(users, name)
	}
	for _, u := range uses {
		if s.uses[u] == nil {
			s.uses[u] = map[string]bool{}
		}
		s.uses[u][name] = true
	}
	s.mu.Unlock()
	return s.fail("rewrite.after")
}

// has tells whether the log was at h.
func (st *stream) has(h store.Head) bool {
	if h == (store.Head{}) || st.saved != nil && st.saved.head == h {
		return true
	}
	return slices.ContainsFunc(st.log, func(r store.LogRow) bool { return r.Head == h })
}

// rewind forgets what came after to.
func (st *stream) rewind(to store.Head) {
	st.head = to
	st.log = slices.DeleteFunc(st.log, func(r store.LogRow) bool { return r.Head.Seq > to.Seq })
	last := store.LastID(to)
	maps.DeleteFunc(st.activity, func(id string, _ store.Activity) bool { return id > last })
	if st.saved != nil && st.saved.head.Seq > to.Seq {
		st.saved = nil
	}
}
