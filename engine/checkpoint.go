package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

// meta is the small part of a checkpoint.
type meta struct {
	Customer *bursar.Customer    `json:"customer"`
	Types    []string            `json:"entityTypes"`
	Caps     []bursar.Capability `json:"capabilities"`
	Combos   [][]byte            `json:"combinations"`
	Rows     int                 `json:"assignments"` // numbers given, to deleted ones too
	LastRow  string              `json:"lastAssignment"`
}

// capture is a checkpoint that is being saved: what was dirty at its head, which new
// changes no longer touch.
type capture struct {
	cp     Checkpoint
	dirty  dirty
	series map[bucket]bursar.Amount
	steps  []seriesStep // in place of series where other processes save, too
	gen    int64        // the open generation and how many of its keys are in the segment
	keys   int
}

// savePause bounds the share of time that saving one busy customer takes: after a
// checkpoint that took t it is left alone for savePause × t, unless CheckpointEvery says
// that it is time.
const savePause = 4

// checkpoint saves what changed in c. Only taking the pointers to it holds c's lock;
// nobody waits for the store.
func (e *Engine) checkpoint(ctx context.Context, c *customer) error {
	defer e.keeper.note(c)
	if !e.saves(c) || c.stray.Load() {
		return nil
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	began := time.Now()
	c.mu.Lock()
	c.saved = began
	if c.st.unsaved() == 0 {
		c.mu.Unlock()
		return nil
	}
	held := e.holding.begin()
	k, fill := c.st.capture(c.id, e.o)
	e.holding.end(savers, held, 1)
	c.mu.Unlock()
	fill()
	err := e.store.Save(ctx, &k.cp)
	e.saved(c, k, began, err)
	if err == nil {
		e.letClosedGo(c, k.dirty.holds)
	}
	return err
}

// saved takes note of how saving k went.
func (e *Engine) saved(c *customer, k *capture, began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.st.restoreDirty(k)
		if errors.Is(err, ErrSuperseded) && e.nodes != nil {
			c.stray.Store(true)
		}
		return
	}
	c.st.saved(k)
	c.notBefore = time.Now().Add(savePause * time.Since(began))
	e.counters.checkpoints.Add(1)
}

// forgetSlice is how many holds are let go under one lock.
const forgetSlice = 128

// letClosedGo forgets those of holds, which the store has, that are closed; others have
// their turn meanwhile.
func (e *Engine) letClosedGo(c *customer, holds map[[16]byte]*hold) {
	for list := slices.Collect(maps.Values(holds)); len(list) > 0; {
		n := min(len(list), forgetSlice)
		c.mu.Lock()
		began := e.holding.begin()
		c.st.letClosedGo(list[:n])
		e.holding.end(savers, began, n)
		c.mu.Unlock()
		list = list[n:]
	}
}

// capture takes what is dirty, and leaves nothing dirty. fill makes the rows of it and
// needs no lock: all that it reads is immutable.
func (s *state) capture(id string, o Options) (*capture, func()) {
	s.dirty.over(s.aged)
	s.aged = dirty{}
	k := &capture{dirty: s.dirty, series: s.series, steps: slices.Clone(s.steps), gen: s.keys.gen, keys: s.keys.n}
	s.dirty, s.series = newDirty(), map[bucket]bursar.Amount{}
	s.flushing, s.flushTo = k.series, s.head.Seq
	k.cp = Checkpoint{Stream: id, Head: s.head, Base: s.seriesBase, Due: s.due(), DropGenerations: s.keys.outdated(s.head.Now, o.LateHorizon)}
	m := meta{Customer: s.customer, Types: s.types.list, Caps: s.caps.list, Rows: len(s.rows), LastRow: formatID(s.rowIDs[len(s.rowIDs)-1])}
	combos := s.combos.list
	rowIDs := s.rowIDs
	keys, from := s.keys.frozen(), s.keys.saved
	closing := slices.Clone(s.keys.closing)
	fill := func() {
		for _, c := range combos {
			m.Combos = append(m.Combos, []byte(c))
		}
		k.cp.Meta, _ = json.Marshal(m)
		k.fillRows(rowIDs, m.Types, m.Caps)
		k.fillParts(m.Caps)
		if segment := keys.from(from); len(segment) > 0 {
			k.cp.Segments = []KeySegment{{Gen: k.gen, Part: k.cp.Head.Seq, Data: sortEntries(segment)}}
		}
		for _, g := range closing {
			k.cp.Generations = append(k.cp.Generations, g.store())
		}
	}
	return k, fill
}

func (b bucket) named(caps []bursar.Capability) SeriesKey {
	return SeriesKey{Bucket: b.at, Capability: caps[b.cap-1], EntityOrd: b.ent, ChildOrd: b.child, Combo: b.combo}
}

// fillRows makes the rows, in order of their keys: stores are faster so.
func (k *capture) fillRows(rowIDs [][16]byte, types []string, caps []bursar.Capability) {
	for _, ord := range slices.Sorted(maps.Keys(k.dirty.entities)) {
		k.cp.Entities = append(k.cp.Entities, entityRow(ord, k.dirty.entities[ord], types))
	}
	for _, ord := range slices.Sorted(maps.Keys(k.dirty.rows)) {
		k.cp.Assignments = append(k.cp.Assignments, assignmentRow(ord, rowIDs[ord], k.dirty.rows[ord], caps))
	}
	for _, ord := range slices.Sorted(maps.Keys(k.dirty.counters)) {
		if def, changed := k.dirty.rows[ord]; changed && def == nil {
			continue // deleted, and its counter with it
		}
		c := k.dirty.counters[ord]
		k.cp.Counters = append(k.cp.Counters, CounterRow{ord, c.prevStart, c.start, c.end, c.prev, c.used, c.held})
	}
	for cap, t := range k.dirty.totals {
		k.cp.Totals = append(k.cp.Totals, TotalRow{Capability: caps[cap-1], Value: t.value, Held: t.held, At: t.at})
	}
	for key, l := range k.dirty.levels {
		k.cp.Totals = append(k.cp.Totals, TotalRow{Level: true, EntityOrd: key.leaf, Capability: caps[key.cap-1], Value: l.value, At: l.at})
	}
	for _, id := range slices.SortedFunc(maps.Keys(k.dirty.holds), compareID) {
		k.cp.Holds = append(k.cp.Holds, k.dirty.holds[id].row(caps))
	}
	series := k.series
	if len(k.steps) > 0 {
		series = map[bucket]bursar.Amount{}
	}
	for _, st := range k.steps {
		addUp(series, st.adds)
	}
	for _, key := range slices.SortedFunc(maps.Keys(series), bucket.compare) {
		k.cp.Series = append(k.cp.Series, SeriesRow{key.named(caps), series[key]})
	}
}

func (b bucket) compare(c bucket) int {
	return cmp.Or(cmp.Compare(b.ent, c.ent), cmp.Compare(b.cap, c.cap), cmp.Compare(b.at, c.at), cmp.Compare(b.child, c.child), cmp.Compare(b.combo, c.combo))
}

// saved takes note that the store has k.
func (s *state) saved(k *capture) {
	s.seriesBase, s.flushing = k.cp.Head.Seq, nil
	s.forgetSteps(k.cp.Head.Seq)
	for i := range k.cp.Generations {
		s.keys.stored(&k.cp.Generations[i])
	}
	s.keys.forget(k.cp.DropGenerations, k.cp.Head.Now)
	if s.keys.gen == k.gen {
		s.keys.saved = k.keys
	}
}

// letClosedGo forgets those of holds that are closed: the store has them.
func (s *state) letClosedGo(holds []*hold) {
	for _, h := range holds {
		if s.holds[h.id] == h && h.status != bursar.HoldOpen {
			s.forgetHold(h.id)
		}
	}
}

// restoreDirty takes back what could not be saved.
func (s *state) restoreDirty(k *capture) {
	s.dirty.over(k.dirty)
	addUp(s.series, k.series)
	s.flushing = nil
}

// over lays d over older, which it takes.
func (d *dirty) over(older dirty) {
	if older.records == 0 {
		return
	}
	d.records += older.records
	d.entities = over(d.entities, older.entities)
	d.rows = over(d.rows, older.rows)
	d.counters = over(d.counters, older.counters)
	d.totals = over(d.totals, older.totals)
	d.levels = over(d.levels, older.levels)
	d.holds = over(d.holds, older.holds)
	d.parts = over(d.parts, older.parts)
	d.uniques = over(d.uniques, older.uniques)
}

func over[K comparable, V any](newer, older map[K]V) map[K]V {
	maps.Copy(older, newer)
	return older
}

// unsaved is how many records changed what no checkpoint is known to have.
func (s *state) unsaved() int { return s.dirty.records + s.aged.records }

// savedElsewhere takes note that another process has saved a checkpoint at seq, and gives
// the holds that it has. What comes into the next one is since then.
func (s *state) savedElsewhere(seq uint64, horizon time.Duration) (has []map[[16]byte]*hold) {
	if seq > s.head.Seq || s.flushing != nil {
		return nil
	}
	s.keys.forget(s.keys.outdated(s.head.Now, horizon), s.head.Now)
	if seq > s.seriesBase {
		s.seriesBase = seq
		s.forgetSteps(seq)
	}
	if seq >= s.agedTo {
		has = append(has, s.aged.holds)
		s.aged, s.agedTo, s.dirty = s.dirty, s.head.Seq, newDirty()
	}
	if seq == s.head.Seq {
		has = append(has, s.aged.holds)
		s.aged = dirty{}
	}
	return has
}

func entityRow(ord uint32, e *entity, types []string) EntityRow {
	r := EntityRow{Ord: ord, ID: e.id, TypeID: types[e.typ-1], ParentOrd: e.parent, Name: e.name, CreatedAt: e.created, UpdatedAt: e.updated, ArchivedAt: e.archived}
	if len(e.meta) > 0 {
		r.Metadata, _ = json.Marshal(e.meta)
	}
	return r
}

func assignmentRow(ord uint32, id [16]byte, def *rowDef, caps []bursar.Capability) AssignmentRow {
	if def == nil {
		return AssignmentRow{Ord: ord, ID: formatID(id), Deleted: true}
	}
	r := AssignmentRow{Ord: ord, ID: formatID(id), EntityOrd: def.ent, Capability: caps[def.cap-1], Label: def.label, Scope: def.scope,
		Cadence: def.sched.Cadence.String(), Timezone: def.sched.zone, Soft: def.soft, Strict: def.strict, Thresholds: def.thresholds,
		CreatedAt: def.created, UpdatedAt: def.updated}
	if def.limited {
		r.Limit = &def.limit
	}
	if def.sched.HasAnchor {
		t := bursar.Time(def.sched.Anchor)
		r.Anchor = &t
	}
	return r
}

func (h *hold) row(caps []bursar.Capability) HoldRow {
	var e encoder
	h.encode(&e)
	e.uint(uint64(len(h.costs)))
	for i := range h.costs {
		h.costs[i].encode(&e)
	}
	r := HoldRow{ID: formatID(h.id), Capability: caps[h.cap-1], Status: h.status, CreatedAt: h.created, ExpiresAt: h.expires,
		ClosedAt: h.closed, Amount: h.amount, Detail: e.b}
	for _, s := range h.path {
		r.Entities = append(r.Entities, s.ent)
	}
	return r
}

func holdFromRow(r *HoldRow) (*hold, error) {
	h := new(hold)
	d := decoder{b: r.Detail}
	h.decode(&d)
	h.costs = make([]heldCost, d.count())
	for i := range h.costs {
		h.costs[i].decode(&d)
	}
	if d.bad {
		return nil, fmt.Errorf("%w: saved hold %s", errRecord, r.ID)
	}
	return h, nil
}

// restore takes one part of a checkpoint in. Entities and assignments come in order.
func (s *state) restore(cp *Checkpoint) error {
	if cp.Meta != nil {
		var m meta
		if err := json.Unmarshal(cp.Meta, &m); err != nil {
			return fmt.Errorf("checkpoint of %q: %w", cp.Stream, err)
		}
		s.head, s.customer, s.seriesBase = cp.Head, m.Customer, cp.Head.Seq
		s.rowCount = m.Rows
		s.lastRow, _ = parseID(m.LastRow)
		for _, t := range m.Types {
			s.types.add(t)
		}
		for _, c := range m.Caps {
			s.caps.add(c)
		}
		for _, c := range m.Combos {
			s.combos.add(string(c))
		}
	}
	for i := range cp.Entities {
		if err := s.restoreEntity(&cp.Entities[i]); err != nil {
			return err
		}
	}
	for i := range cp.Assignments {
		if err := s.restoreRow(&cp.Assignments[i]); err != nil {
			return err
		}
	}
	for i := range cp.Counters {
		c := &cp.Counters[i]
		for int(c.Ord) >= len(s.counters) {
			s.counters = append(s.counters, nil)
		}
		s.counters[c.Ord] = &counter{window{c.PrevStart, c.WindowStart, c.WindowEnd}, c.Previous, c.Used, c.Held}
	}
	for i := range cp.Totals {
		t := &cp.Totals[i]
		cap := s.caps.ord(t.Capability)
		if t.Level {
			s.levels[levelKey{t.EntityOrd, cap}] = &level{t.Value, t.At}
		} else {
			s.totals[cap] = &total{t.Value, t.Held, t.At}
		}
	}
	for i := range cp.Holds {
		h, err := holdFromRow(&cp.Holds[i])
		if err != nil {
			return err
		}
		s.holds[h.id] = h
	}
	for i := range cp.Parts {
		if err := s.restorePart(&cp.Parts[i]); err != nil {
			return err
		}
	}
	return s.restoreKeys(cp)
}

func (s *state) restoreEntity(r *EntityRow) error {
	if int(r.Ord) != len(s.entities) {
		return fmt.Errorf("checkpoint: entity number %d after %d", r.Ord, len(s.entities)-1)
	}
	e := &entity{id: r.ID, name: r.Name, typ: s.types.ord(r.TypeID), parent: r.ParentOrd, created: r.CreatedAt, updated: r.UpdatedAt, archived: r.ArchivedAt}
	if r.Metadata != nil {
		if err := json.Unmarshal(r.Metadata, &e.meta); err != nil {
			return fmt.Errorf("checkpoint: metadata of entity %q: %w", r.ID, err)
		}
	}
	s.setEntity(r.Ord, e)
	return nil
}

func (s *state) restoreRow(r *AssignmentRow) error {
	id, ok := parseID(r.ID)
	if !ok || int(r.Ord) < len(s.rows) {
		return fmt.Errorf("checkpoint: assignment number %d after %d", r.Ord, len(s.rows)-1)
	}
	for len(s.rows) < int(r.Ord) {
		s.skipRow(s.rowIDs[len(s.rowIDs)-1])
	}
	sched, err := newSchedule(r.Cadence, r.Timezone, r.Anchor != nil, 0)
	if err != nil {
		return fmt.Errorf("checkpoint: assignment %s: %w", r.ID, err)
	}
	if r.Anchor != nil {
		sched.Anchor = int64(*r.Anchor)
	}
	def := &rowDef{ent: r.EntityOrd, cap: s.caps.ord(r.Capability), label: r.Label, scope: r.Scope, soft: r.Soft, strict: r.Strict,
		sched: sched, thresholds: r.Thresholds, created: r.CreatedAt, updated: r.UpdatedAt}
	if len(r.Scope) == 0 {
		def.scope = nil
	}
	if r.Limit != nil {
		def.limit, def.limited = *r.Limit, true
	}
	s.rowIDs = append(s.rowIDs, id)
	s.rows = append(s.rows, def)
	s.nextRow, s.under = append(s.nextRow, 0), append(s.under, 0)
	return nil
}

// skipRow takes the number of a deleted assignment.
func (s *state) skipRow(id [16]byte) {
	s.rowIDs = append(s.rowIDs, id)
	s.rows = append(s.rows, nil)
	s.nextRow, s.under = append(s.nextRow, 0), append(s.under, 0)
}

// restored makes what follows from the rows once all parts are in, in whatever order
// their kinds came.
func (s *state) restored() {
	for len(s.rows) < s.rowCount {
		s.skipRow(s.lastRow)
	}
	for len(s.counters) < len(s.rows) {
		s.counters = append(s.counters, nil)
	}
	for ord, def := range s.rows {
		if def != nil {
			def.sched = s.intern(def.sched)
			s.link(uint32(ord), def)
			s.countNamed(def, 1)
			s.liveCaps[def.cap]++
			s.countStrict(def, 1)
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.holds), compareID) {
		s.indexHold(s.holds[id])
	}
	s.setGrants()
	s.keys.restored()
}

func (s *state) restoreKeys(cp *Checkpoint) error {
	for _, g := range cp.Generations {
		s.keys.closed = append(s.keys.closed, closedKeyGen{gen: g.Gen, end: g.End, count: g.Count, filter: g.Filter})
	}
	for _, seg := range cp.Segments {
		if len(seg.Data)%KeyEntrySize != 0 {
			return fmt.Errorf("checkpoint: damaged idempotency keys")
		}
		s.keys.gen, s.keys.last = seg.Gen, max(s.keys.last, s.head.Now)
		for at := 0; at < len(seg.Data); at += KeyEntrySize {
			entry := seg.Data[at : at+KeyEntrySize]
			if s.keys.lookup([16]byte(entry)) == nil { // two processes may have saved it
				s.keys.insert(entry)
			}
		}
	}
	return nil
}
