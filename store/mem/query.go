package mem

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// read starts the query op on the stream's checkpoint, which is empty when there is
// none: without an error it returns with s locked.
func (s *Store) read(ctx context.Context, op, name string) (*checkpoint, error) {
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	if st := s.streams[name]; st != nil && st.saved != nil {
		return st.saved, nil
	}
	return newCheckpoint(), nil
}

// FindKeys implements store.Store.
func (s *Store) FindKeys(ctx context.Context, name string, gen int64, hashes [][16]byte) ([][]byte, error) {
	cp, err := s.read(ctx, "findkeys", name)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	found := make([][]byte, len(hashes))
	for i := range hashes {
		for _, b := range cp.generations[gen].Blocks {
			for e := range slices.Chunk(b.Data, store.KeyEntrySize) {
				if bytes.HasPrefix(e, hashes[i][:]) {
					found[i] = bytes.Clone(e)
				}
			}
		}
	}
	return found, nil
}

// Hold implements store.Store.
func (s *Store) Hold(ctx context.Context, name, id string) (*store.HoldRow, error) {
	cp, err := s.read(ctx, "hold", name)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	h, ok := cp.holds[id]
	if !ok {
		return nil, nil
	}
	h = cloneHold(h)
	return &h, nil
}

// Holds implements store.Store.
func (s *Store) Holds(ctx context.Context, name string, q store.HoldQuery) ([]store.HoldRow, error) {
	cp, err := s.read(ctx, "holds", name)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var rows []store.HoldRow
	for _, h := range values(cp.holds, same) {
		if h.Status == q.Status && h.ID > q.After && (q.Before == "" || h.ID < q.Before) &&
			(q.EntityOrd == 0 || slices.Contains(h.Entities, q.EntityOrd)) {
			rows = append(rows, cloneHold(h))
		}
	}
	return pageOf(rows, q.Limit, q.Before != ""), nil
}

// Series implements store.Store, in order of bucket, capability, child and combination.
func (s *Store) Series(ctx context.Context, name string, q store.SeriesQuery) ([]store.SeriesRow, uint64, error) {
	cp, err := s.read(ctx, "series", name)
	if err != nil {
		return nil, 0, err
	}
	defer s.mu.Unlock()
	var rows []store.SeriesRow
	for k, amount := range cp.series {
		if k.EntityOrd == q.EntityOrd && q.From <= k.Bucket && k.Bucket < q.To &&
			(q.Capability.Kind == 0 || k.Capability.Kind == q.Capability.Kind) &&
			(q.Capability.ID == "" || k.Capability.ID == q.Capability.ID) &&
			(q.Children == nil || slices.Contains(q.Children, k.ChildOrd)) {
			rows = append(rows, store.SeriesRow{SeriesKey: k, Amount: amount})
		}
	}
	slices.SortFunc(rows, func(a, b store.SeriesRow) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), compareCapabilities(a.Capability, b.Capability),
			cmp.Compare(a.ChildOrd, b.ChildOrd), cmp.Compare(a.Combo, b.Combo))
	})
	if q.Limit > 0 && len(rows) > q.Limit {
		rows = rows[:q.Limit]
	}
	return rows, cp.head.Seq, nil
}

// Customers implements store.Store.
func (s *Store) Customers(ctx context.Context, q store.CustomerQuery) ([]bursar.Customer, error) {
	if err := s.begin(ctx, "customers"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var rows []bursar.Customer
	for _, c := range s.customers {
		pos := store.CustomerPos{CreatedAt: c.CreatedAt, ID: c.ID}
		if (q.Email == "" || c.Email != nil && *c.Email == q.Email) &&
			(q.Name == "" || c.Name != nil && *c.Name == q.Name) &&
			(q.Search == "" || contains(&c.ID, q.Search) || contains(c.Name, q.Search) || contains(c.Email, q.Search)) &&
			(q.CreatedFrom == 0 || c.CreatedAt >= q.CreatedFrom) &&
			(q.CreatedTo == 0 || c.CreatedAt < q.CreatedTo) &&
			(q.IncludeArchived || c.ArchivedAt == nil) &&
			(q.After == nil || comparePos(pos, *q.After) > 0) &&
			(q.Before == nil || comparePos(pos, *q.Before) < 0) {
			rows = append(rows, cloneCustomer(c))
		}
	}
	slices.SortFunc(rows, func(a, b bursar.Customer) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return pageOf(rows, q.Limit, q.Before != nil), nil
}

// contains tells whether part is in text, where A to Z match a to z.
func contains(text *string, part string) bool {
	return text != nil && strings.Contains(strings.Map(lower, *text), strings.Map(lower, part))
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

func comparePos(a, b store.CustomerPos) int {
	return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
}

// Activity implements store.Store.
func (s *Store) Activity(ctx context.Context, name string, q store.ActivityQuery) ([]store.Activity, error) {
	if err := s.begin(ctx, "activity"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return nil, nil
	}
	var rows []store.Activity
	for _, a := range values(st.activity, same) {
		if (q.EntityID == "" || a.EntityID == q.EntityID) &&
			(q.EntityIDs == nil || a.EntityID != "" && slices.Contains(q.EntityIDs, a.EntityID)) &&
			(q.Action == "" || a.Action == q.Action) &&
			(q.ActorID == "" || a.ActorID == q.ActorID) &&
			(q.From == 0 || a.Timestamp >= q.From) &&
			(q.To == 0 || a.Timestamp < q.To) &&
			(q.Below == "" || a.ID < q.Below) && a.ID > q.Above {
			rows = append(rows, cloneActivity(a))
		}
	}
	rows = pageOf(rows, q.Limit, q.Above == "")
	slices.Reverse(rows)
	return rows, nil
}

// pageOf is the first limit rows or, with last, the last ones.
func pageOf[T any](rows []T, limit int, last bool) []T {
	if last && limit > 0 && len(rows) > limit {
		return rows[len(rows)-limit:]
	}
	return page(rows, limit)
}
