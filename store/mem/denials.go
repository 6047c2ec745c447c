package mem

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// denials are the samples, the oldest first, and the counts by customer, hour and Key.
type denials struct {
	rows   []store.DenialRow
	counts map[countKey]store.DenialCount
}

type countKey struct {
	customer string
	hour     bursar.Time
	key      string
}

func newDenials() denials { return denials{counts: map[countKey]store.DenialCount{}} }

func (d *denials) clone() denials {
	return denials{rows: slices.Clone(d.rows), counts: maps.Clone(d.counts)} // no row is ever changed
}

func cloneDenial(r store.DenialRow) store.DenialRow {
	r.Tags, r.Body = slices.Clone(r.Tags), bytes.Clone(r.Body)
	return r
}

// SaveDenials implements store.Store.
func (s *Store) SaveDenials(ctx context.Context, rows []store.DenialRow, counts []store.DenialCount) error {
	if err := s.beginWrite(ctx, "savedenials"); err != nil {
		return err
	}
	d := &s.denials
	for _, r := range rows {
		at, there := slices.BinarySearchFunc(d.rows, r, func(a, b store.DenialRow) int {
			return cmp.Or(a.Pos().Compare(b.Pos()), cmp.Compare(a.CustomerID, b.CustomerID))
		})
		if !there {
			d.rows = slices.Insert(d.rows, at, cloneDenial(r))
		}
	}
	for _, c := range counts {
		k := countKey{c.CustomerID, c.Hour, string(c.Key())}
		if d.counts[k].Denied <= c.Denied {
			d.counts[k] = c
		}
	}
	s.mu.Unlock()
	return s.fail("savedenials.after")
}

// Denials implements store.Store.
func (s *Store) Denials(ctx context.Context, q store.DenialQuery) (rows []store.DenialRow, err error) {
	if err := s.begin(ctx, "denials"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for i := range s.denials.rows {
		if r := &s.denials.rows[i]; q.Selects(r) {
			rows = append(rows, cloneDenial(*r))
		}
	}
	if q.Above != nil {
		return q.Newest(page(rows, q.Limit)), nil
	}
	slices.Reverse(rows)
	return page(rows, q.Limit), nil
}

// DenialCounts implements store.Store.
func (s *Store) DenialCounts(ctx context.Context, customer string, from, to bursar.Time, except [][]byte, visit func(store.DenialCount) error) error {
	if err := s.begin(ctx, "denialcounts"); err != nil {
		return err
	}
	sums := map[countKey]store.DenialCount{}
	for k, c := range s.denials.counts {
		if k.customer == customer && k.hour >= from && k.hour < to && !hasKey(except, k.key) {
			c.Process = ""
			addCount(sums, c)
		}
	}
	s.mu.Unlock()
	for _, c := range slices.SortedFunc(maps.Values(sums), func(a, b store.DenialCount) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Group, b.Group))
	}) {
		if err := visit(c); err != nil {
			return err
		}
	}
	return nil
}

func hasKey(keys [][]byte, key string) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == key })
}

func addCount(sums map[countKey]store.DenialCount, c store.DenialCount) {
	k := countKey{c.CustomerID, c.Hour, string(c.Key())}
	sum, there := sums[k]
	if !there {
		sums[k] = c
		return
	}
	sum.Denied, sum.Kept, sum.Last = sum.Denied+c.Denied, sum.Kept+c.Kept, max(sum.Last, c.Last)
	sums[k] = sum
}

// MostDenied implements store.Store.
func (s *Store) MostDenied(ctx context.Context, from bursar.Time, except [][]byte, limit int) ([]store.DenialCount, error) {
	if err := s.begin(ctx, "mostdenied"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	sums := map[countKey]store.DenialCount{}
	for k, c := range s.denials.counts {
		if k.hour >= from && c.Limit != "" && !hasKey(except, k.key) {
			c.Process, c.Group, c.Hour = "", "", 0
			addCount(sums, c)
		}
	}
	return page(slices.SortedFunc(maps.Values(sums), func(a, b store.DenialCount) int {
		return cmp.Or(cmp.Compare(b.Denied, a.Denied), cmp.Compare(b.Last, a.Last), cmp.Compare(a.CustomerID, b.CustomerID), cmp.Compare(a.Limit, b.Limit))
	}), limit), nil
}

// TrimDenials implements store.Store.
func (s *Store) TrimDenials(ctx context.Context, before bursar.Time, limit int) (n int, err error) {
	if err := s.beginWrite(ctx, "trimdenials"); err != nil {
		return 0, err
	}
	d := &s.denials
	old, _ := slices.BinarySearchFunc(d.rows, before, func(r store.DenialRow, t bursar.Time) int { return cmp.Compare(r.At, t) })
	old = min(old, limit)
	d.rows = slices.Clone(d.rows[old:])
	for k := range d.counts {
		if k.hour < before && n < limit {
			delete(d.counts, k)
			n++
		}
	}
	s.mu.Unlock()
	return n + old, s.fail("trimdenials.after")
}
