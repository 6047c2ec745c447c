package ledger

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Meta is the small part of a checkpoint.
type Meta struct {
	Customer *bursar.Customer    `json:"customer"`
	Types    []string            `json:"entityTypes"`
	Caps     []bursar.Capability `json:"capabilities"`
	Combos   [][]byte            `json:"combinations"`
	Rows     int                 `json:"assignments"` // numbers given, to deleted ones too
	LastRow  string              `json:"lastAssignment"`
	// How many there are: who reads the checkpoint makes room for so many. Older ones do not say.
	Entities int `json:"entities,omitempty"`
	Paths    int `json:"paths,omitempty"`
}

// Capture is a checkpoint that is being saved: the changes up to its head. Later changes go
// into a new Dirty and do not touch it.
type Capture struct {
	Cp        store.Checkpoint
	Dirty     Dirty
	series    buckets
	additions []seriesAddition // in place of series where other processes save, too
	gen       int64            // the open generation of keys
	keys      int              // how many of its keys the store has with this checkpoint
}

// ForgetSlice is how many holds are let go under one lock.
const ForgetSlice = 128

// Capture takes the changes that no checkpoint has; from then on the state collects new
// ones. The function that it returns makes the rows, and needs no lock, as all that it
// reads is immutable.
func (s *State) Capture(id string, lateHorizon time.Duration) (*Capture, func()) {
	s.Dirty.over(s.earlier)
	s.earlier = Dirty{}
	k := &Capture{Dirty: s.Dirty, series: s.series, additions: slices.Clone(s.additions), gen: s.Keys.Gen, keys: s.Keys.N}
	s.Dirty, s.series = NewDirty(), newBuckets()
	s.flushing, s.flushTo = &k.series, s.Head.Seq
	k.Cp = store.Checkpoint{Stream: id, Head: s.Head, Base: s.SeriesBase, Due: s.Due(), DropGenerations: s.Keys.outdated(s.Head.Now, lateHorizon)}
	m := Meta{Customer: s.Customer, Types: s.Types.List, Caps: s.Caps.List, Rows: s.Rows.Len(), LastRow: store.FormatID(s.RowIDs.At(uint32(s.RowIDs.len() - 1))),
		Entities: s.Entities.Len(), Paths: s.paths.count()}
	combos := s.combos.List
	rowIDs := s.RowIDs
	keys, from := s.Keys.Snapshot(), s.Keys.saved
	closing := slices.Clone(s.Keys.Closing)
	fill := func() {
		for _, c := range combos {
			m.Combos = append(m.Combos, []byte(c))
		}
		k.Cp.Meta, _ = json.Marshal(m)
		k.fillRows(rowIDs, m.Types, m.Caps)
		k.fillParts(m.Caps)
		if segment := keys.From(from); len(segment) > 0 {
			k.Cp.Segments = []store.KeySegment{{Gen: k.gen, Part: k.Cp.Head.Seq, Data: sortEntries(segment)}}
		}
		for _, g := range closing {
			k.Cp.Generations = append(k.Cp.Generations, g.store())
		}
	}
	return k, fill
}

// fillRows makes the rows, in order of their keys: stores are faster so.
func (k *Capture) fillRows(rowIDs idList, types []string, caps []bursar.Capability) {
	for _, ord := range slices.Sorted(maps.Keys(k.Dirty.entities)) {
		k.Cp.Entities = append(k.Cp.Entities, entityRow(ord, k.Dirty.entities[ord], types))
	}
	for _, ord := range slices.Sorted(maps.Keys(k.Dirty.rows)) {
		k.Cp.Assignments = append(k.Cp.Assignments, assignmentRow(ord, rowIDs.At(ord), k.Dirty.rows[ord], caps))
	}
	k.Cp.Counters = slices.Grow(k.Cp.Counters, len(k.Dirty.counters))
	for _, ord := range slices.Sorted(maps.Keys(k.Dirty.counters)) {
		if def, changed := k.Dirty.rows[ord]; changed && def == nil {
			continue // deleted, and its counter with it
		}
		c := k.Dirty.counters[ord]
		k.Cp.Counters = append(k.Cp.Counters, store.CounterRow{Ord: ord, PrevStart: c.PrevStart, WindowStart: c.Start, WindowEnd: c.End, Previous: c.Prev, Used: c.Used, Held: c.Held})
	}
	for cap, t := range k.Dirty.totals {
		k.Cp.Totals = append(k.Cp.Totals, store.TotalRow{Capability: caps[cap-1], Value: t.Value, Held: t.Held, At: t.At})
	}
	for key, l := range k.Dirty.levels {
		k.Cp.Totals = append(k.Cp.Totals, store.TotalRow{Level: true, EntityOrd: key.Leaf, Capability: caps[key.Cap-1], Value: l.Value, At: l.At})
	}
	for _, id := range slices.SortedFunc(maps.Keys(k.Dirty.Holds), record.CompareID) {
		k.Cp.Holds = append(k.Cp.Holds, k.Dirty.Holds[id].Row(caps))
	}
	series := &k.series
	if len(k.additions) > 0 {
		sums := newBuckets()
		series = &sums
	}
	for _, st := range k.additions {
		series.addAll(eachOf(st.adds))
	}
	sums := make([]Addition, 0, series.n)
	for key, a := range series.all() {
		sums = append(sums, Addition{key, a})
	}
	slices.SortFunc(sums, func(a, b Addition) int { return a.Bucket.compare(b.Bucket) })
	k.Cp.Series = slices.Grow(k.Cp.Series, len(sums))
	for i := range sums {
		k.Cp.Series = append(k.Cp.Series, store.SeriesRow{SeriesKey: sums[i].Bucket.Named(caps), Amount: sums[i].Amount})
	}
}

// Saved takes note that the store has k.
func (s *State) Saved(k *Capture) {
	s.SeriesBase, s.flushing = k.Cp.Head.Seq, nil
	s.forgetAdditions(k.Cp.Head.Seq)
	for i := range k.Cp.Generations {
		s.Keys.Stored(&k.Cp.Generations[i])
	}
	s.Keys.forget(k.Cp.DropGenerations, k.Cp.Head.Now)
	if s.Keys.Gen == k.gen {
		s.Keys.saved = k.keys
	}
}

// LetClosedGo forgets the closed ones of holds, which the store has.
func (s *State) LetClosedGo(holds []*record.Hold) {
	for _, h := range holds {
		if s.Holds[h.ID] == h && h.Status != bursar.HoldOpen {
			s.forgetHold(h.ID)
		}
	}
}

// RestoreDirty takes back in the changes of k, which could not be saved.
func (s *State) RestoreDirty(k *Capture) {
	s.Dirty.over(k.Dirty)
	s.series.addAll(k.series.all())
	s.flushing = nil
}

// over lays d over older, whose maps it takes over.
func (d *Dirty) over(older Dirty) {
	if older.Records == 0 {
		return
	}
	d.Records += older.Records
	d.entities = over(d.entities, older.entities)
	d.rows = over(d.rows, older.rows)
	d.counters = over(d.counters, older.counters)
	d.totals = over(d.totals, older.totals)
	d.levels = over(d.levels, older.levels)
	d.Holds = over(d.Holds, older.Holds)
	d.parts = over(d.parts, older.parts)
	d.uniques = over(d.uniques, older.uniques)
}

func over[K comparable, V any](newer, older map[K]V) map[K]V {
	maps.Copy(older, newer)
	return older
}

// Unsaved counts the records whose changes are in no checkpoint that is known to be saved.
func (s *State) Unsaved() int { return s.Dirty.Records + s.earlier.Records }

// SavedElsewhere notes that another process has saved a checkpoint at seq, and lets go of
// changes that it has. It returns the holds among them.
func (s *State) SavedElsewhere(seq uint64, horizon time.Duration) (has []map[[16]byte]*record.Hold) {
	if seq > s.Head.Seq || s.flushing != nil {
		return nil
	}
	s.Keys.forget(s.Keys.outdated(s.Head.Now, horizon), s.Head.Now)
	if seq > s.SeriesBase {
		s.SeriesBase = seq
		s.forgetAdditions(seq)
	}
	if seq >= s.earlierTo {
		has = append(has, s.earlier.Holds)
		s.earlier, s.earlierTo, s.Dirty = s.Dirty, s.Head.Seq, NewDirty()
	}
	if seq == s.Head.Seq {
		has = append(has, s.earlier.Holds)
		s.earlier = Dirty{}
	}
	return has
}

func entityRow(ord uint32, e *record.Entity, types []string) store.EntityRow {
	r := store.EntityRow{Ord: ord, ID: e.ID, TypeID: types[e.Typ-1], ParentOrd: e.Parent, Name: e.Name, CreatedAt: e.Created, UpdatedAt: e.Updated, ArchivedAt: e.Archived}
	if len(e.Meta) > 0 {
		r.Metadata, _ = json.Marshal(e.Meta)
	}
	return r
}

func assignmentRow(row uint32, id [16]byte, def *record.Limit, caps []bursar.Capability) store.AssignmentRow {
	if def == nil {
		return store.AssignmentRow{Ord: row, ID: store.FormatID(id), Deleted: true}
	}
	if def.ByDefault { // no own limit is without a cadence
		return store.AssignmentRow{Ord: row, ID: store.FormatID(id), EntityOrd: def.Ent, Capability: caps[def.Cap-1], Label: def.Label}
	}
	r := store.AssignmentRow{Ord: row, ID: store.FormatID(id), EntityOrd: def.Ent, Capability: caps[def.Cap-1], Label: def.Label, Scope: def.Scope,
		Cadence: def.Sched.Cadence.String(), Timezone: def.Sched.Zone, Soft: def.Soft, Strict: def.Strict, Thresholds: def.Thresholds,
		CreatedAt: def.Created, UpdatedAt: def.Updated}
	if def.Limited {
		r.Limit = &def.Limit
	}
	if def.Sched.HasAnchor {
		t := bursar.Time(def.Sched.Anchor)
		r.Anchor = &t
	}
	return r
}
