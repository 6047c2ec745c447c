package mem

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// checkpoint is what was saved of one stream, rows by their keys.
type checkpoint struct {
	head        store.Head
	due         bursar.Time
	meta        []byte
	entities    map[uint32]store.EntityRow
	assignments map[uint32]store.AssignmentRow
	counters    map[uint32]store.CounterRow
	totals      map[totalKey]store.TotalRow
	holds       map[string]store.HoldRow
	series      map[store.SeriesKey]bursar.Amount
	parts       map[partKey]store.PartRow
	segments    map[segmentKey]store.KeySegment
	generations map[int64]store.KeyGeneration
}

type totalKey struct {
	level      bool
	entityOrd  uint32
	capability bursar.Capability
}

type partKey struct{ sort, key string }

type segmentKey struct {
	gen  int64
	part uint64
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, cp *store.Checkpoint) error {
	if err := s.begin(ctx, "save"); err != nil {
		return err
	}
	err := s.save(cp)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.fail("save.after")
}

func (s *Store) save(in *store.Checkpoint) error {
	st := s.streams[in.Stream]
	if st == nil {
		st = &stream{activity: map[string]store.Activity{}}
	}
	cp := st.saved
	if cp == nil {
		cp = newCheckpoint()
	}
	if !in.Anew && in.Head.Seq <= cp.head.Seq || in.Base != cp.head.Seq {
		return fmt.Errorf("%w: %d on %d, saved is %d", store.ErrSuperseded, in.Head.Seq, in.Base, cp.head.Seq)
	}
	if rows := st.after(in.Head.Seq - 1); s.Clock != nil && (len(rows) == 0 || rows[0].Head != in.Head) {
		return fmt.Errorf("%w: the log does not have commit %d as it was read", store.ErrSuperseded, in.Head.Seq)
	}
	if in.Anew {
		cp = newCheckpoint()
	}
	s.streams[in.Stream], st.saved = st, cp
	cp.head, cp.due, cp.meta = in.Head, in.Due, bytes.Clone(in.Meta)
	cp.saveRows(in)
	return nil
}

func (cp *checkpoint) saveRows(in *store.Checkpoint) {
	for _, r := range in.Entities {
		cp.entities[r.Ord] = cloneEntity(r)
	}
	for _, r := range in.Counters {
		cp.counters[r.Ord] = r
	}
	for _, r := range in.Assignments {
		if r.Deleted {
			delete(cp.assignments, r.Ord)
			delete(cp.counters, r.Ord)
			continue
		}
		cp.assignments[r.Ord] = cloneAssignment(r)
	}
	for _, r := range in.Totals {
		cp.totals[totalKey{r.Level, r.EntityOrd, r.Capability}] = r
	}
	for _, r := range in.Holds {
		cp.holds[r.ID] = cloneHold(r)
	}
	for _, r := range in.Series {
		cp.series[r.SeriesKey] = cp.series[r.SeriesKey].Add(r.Amount)
	}
	for _, r := range in.Parts {
		if k := (partKey{r.Sort, r.Key}); r.Body == nil {
			delete(cp.parts, k)
		} else {
			cp.parts[k] = clonePart(r)
		}
	}
	cp.saveKeys(in)
}

func (cp *checkpoint) saveKeys(in *store.Checkpoint) {
	for _, r := range in.Segments {
		cp.segments[segmentKey{r.Gen, r.Part}] = cloneSegment(r)
	}
	for _, g := range in.Generations {
		cp.generations[g.Gen] = cloneGeneration(g)
		maps.DeleteFunc(cp.segments, func(k segmentKey, _ store.KeySegment) bool { return k.gen == g.Gen })
	}
	maps.DeleteFunc(cp.segments, func(k segmentKey, _ store.KeySegment) bool { return k.gen < in.DropGenerations })
	maps.DeleteFunc(cp.generations, func(gen int64, _ store.KeyGeneration) bool { return gen < in.DropGenerations })
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, name string, visit func(*store.Checkpoint) error) error {
	if err := s.begin(ctx, "load"); err != nil {
		return err
	}
	var parts []*store.Checkpoint
	if st := s.streams[name]; st != nil && st.saved != nil {
		parts = st.saved.load(name)
	}
	s.mu.Unlock() // so that visit may use the store
	for _, part := range parts {
		if err := cmp.Or(ctx.Err(), visit(part)); err != nil {
			return err
		}
	}
	return nil
}

func (cp *checkpoint) load(name string) []*store.Checkpoint {
	first := &store.Checkpoint{
		Stream: name, Head: cp.head, Due: cp.due, Meta: bytes.Clone(cp.meta),
		Totals: slices.SortedFunc(maps.Values(cp.totals), compareTotals),
	}
	for _, h := range values(cp.holds, cloneHold) {
		if h.Status == bursar.HoldOpen {
			first.Holds = append(first.Holds, h)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(cp.segments), compareSegments) {
		first.Segments = append(first.Segments, cloneSegment(cp.segments[k]))
	}
	first.Generations = values(cp.generations, func(g store.KeyGeneration) store.KeyGeneration {
		g.Blocks = nil
		return cloneGeneration(g)
	})
	parts := []*store.Checkpoint{first}
	for keys := range slices.Chunk(slices.SortedFunc(maps.Keys(cp.parts), compareParts), partRows) {
		part := &store.Checkpoint{Stream: name, Head: cp.head}
		for _, k := range keys {
			part.Parts = append(part.Parts, clonePart(cp.parts[k]))
		}
		parts = append(parts, part)
	}
	for rows := range slices.Chunk(values(cp.entities, cloneEntity), partRows) {
		parts = append(parts, &store.Checkpoint{Stream: name, Head: cp.head, Entities: rows})
	}
	for rows := range slices.Chunk(values(cp.assignments, cloneAssignment), partRows) {
		parts = append(parts, &store.Checkpoint{Stream: name, Head: cp.head, Assignments: rows})
	}
	for rows := range slices.Chunk(values(cp.counters, same), partRows) {
		parts = append(parts, &store.Checkpoint{Stream: name, Head: cp.head, Counters: rows})
	}
	return parts
}

// values are clones of m's values in order of their keys.
func values[K cmp.Ordered, V any](m map[K]V, clone func(V) V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, clone(m[k]))
	}
	return out
}

func same[T any](v T) T { return v }

func compareTotals(a, b store.TotalRow) int {
	level := map[bool]int{true: 1}
	return cmp.Or(level[a.Level]-level[b.Level], cmp.Compare(a.EntityOrd, b.EntityOrd), compareCapabilities(a.Capability, b.Capability))
}

func compareCapabilities(a, b bursar.Capability) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

func compareParts(a, b partKey) int {
	return cmp.Or(cmp.Compare(a.sort, b.sort), cmp.Compare(a.key, b.key))
}

func compareSegments(a, b segmentKey) int {
	return cmp.Or(cmp.Compare(a.gen, b.gen), cmp.Compare(a.part, b.part))
}

// Saved implements store.Store.
func (s *Store) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	if err := s.begin(ctx, "saved"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := make([]uint64, len(streams))
	for i, name := range streams {
		if st := s.streams[name]; st != nil && st.saved != nil {
			out[i] = st.saved.head.Seq
		}
	}
	return out, nil
}
