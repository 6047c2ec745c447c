package engine

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// state is one customer: the fold of its log. Entities, definitions, counters, totals,
// levels and holds are immutable once they are in it; a change replaces them, so a
// reader or a checkpoint that has a pointer has a consistent value. Numbers ("ord")
// count from 1 in order of creation and are never used again.
type state struct {
	head     Head
	customer *bursar.Customer // nil = never created

	types  names[string]
	caps   names[bursar.Capability]
	combos names[string] // encoded dimensions
	paths  names[string] // encoded steps

	entities []*entity // by ord
	byID     map[string]uint32
	children map[uint32][]uint32 // of 0: the roots; a list only grows at its end, or is another one
	kidCount map[uint32]kidCount // of those
	entOrder ordered[uint32]     // as they are listed

	rows     []*rowDef // by ord; nil = deleted
	rowIDs   [][16]byte
	counters []*counter // by ord; nil = as at creation
	// Rows are found from their entity: node-wide ones from firstRow, scoped ones by their
	// place; both lists go on through nextRow.
	firstRow []uint32 // by entity ord
	nextRow  []uint32 // by row ord
	scoped   map[place]scopedRows
	under    []uint32            // by row ord: the scope entity of its place
	scopedOf map[uint32][]uint32 // by entity ord: its scoped rows, for listings
	inScope  []uint8             // by entity ord: ownsScoped, isScope

	totals map[uint32]*total // by capability ord
	levels map[levelKey]*level
	holds  map[[16]byte]*hold // open ones, and closed ones until a checkpoint has them
	// holds by id, and the open ones by when they end
	openHolds, closedHolds ordered[[16]byte]
	endings                endings

	schedules map[rule]*schedule
	liveTypes map[uint32]int // live entities by type
	liveCaps  map[uint32]int // rows by capability
	strict    int            // rows with a strict allocation
	named     map[naming]int // limits with a scope, by each entity that they name

	feed *feed // nil = nobody watches

	money
	keys keySet
	// Usage series: series has what was added since the checkpoint at seriesBase;
	// while one is being saved, flushing has what goes into it and series what came
	// after flushTo.
	series     map[bucket]bursar.Amount
	seriesBase uint64
	flushing   map[bucket]bursar.Amount
	flushTo    uint64
	dirty      dirty
	// shared: other processes may save checkpoints too. In place of series, steps then has
	// what each commit since seriesBase added, for whatever of it the store has. aged is the
	// older part of what is not known to be saved, up to agedTo; dirty is what came after.
	shared bool
	steps  []seriesStep
	added  int // buckets in steps
	aged   dirty
	agedTo uint64

	// While a checkpoint is read: how many assignments there were and the last one's id.
	rowCount int
	lastRow  [16]byte
}

const (
	ownsScoped uint8 = 1
	isScope    uint8 = 2
)

// dirty is what changed since the last checkpoint, as it is now: a checkpoint takes it
// whole and at once.
type dirty struct {
	records  int
	entities map[uint32]*entity
	rows     map[uint32]*rowDef // nil value = deleted
	counters map[uint32]*counter
	totals   map[uint32]*total
	levels   map[levelKey]*level
	holds    map[[16]byte]*hold
	parts    map[partKey]any
	uniques  map[uniqueKey]*uniqueSet // nil value = dropped
}

func newDirty() dirty {
	return dirty{parts: map[partKey]any{}, uniques: map[uniqueKey]*uniqueSet{}, entities: map[uint32]*entity{}, rows: map[uint32]*rowDef{}, counters: map[uint32]*counter{},
		totals: map[uint32]*total{}, levels: map[levelKey]*level{}, holds: map[[16]byte]*hold{}}
}

type entity struct {
	id       string
	name     *string
	meta     map[string]string
	typ      uint32
	parent   uint32 // 0 = root
	created  bursar.Time
	updated  bursar.Time
	archived bursar.Time // 0 = live
}

type rowDef struct {
	ent, cap     uint32
	label        string
	scope        []uint32 // ascending; nil = node-wide
	limit        bursar.Amount
	limited      bool
	soft, strict bool
	sched        *schedule
	thresholds   []int
	created      bursar.Time
	updated      bursar.Time
}

// counter is a row's usage. used is of the current window, prev of the one before it.
type counter struct {
	window
	prev, used, held bursar.Amount
}

// rolled is c in a later window w: what was used is of w's previous window, or of one
// that is forgotten.
func (c counter) rolled(w window) counter {
	r := counter{window: w, held: c.held}
	if w.follows(c.window) {
		r.prev = c.used
	}
	return r
}

type total struct {
	value, held bursar.Amount
	at          bursar.Time
}

// figures tells that something was used or is held. Nothing takes that back.
func (t *total) figures() bool { return t.at != 0 || !t.held.IsZero() }

// bucket is a SeriesKey by numbers.
type bucket struct{ at, cap, ent, child, combo uint32 }

type levelKey struct{ leaf, cap uint32 }

type level struct {
	value bursar.Amount
	at    bursar.Time
}

// rule is a cadence with its zone as it was written.
type rule struct {
	bursar.Schedule
	zone string
}

// schedule is a rule that all rows of it share, with the window it was last asked for.
type schedule struct {
	rule
	last atomic.Pointer[window]
}

func newSchedule(cadence, zone string, hasAnchor bool, anchor bursar.Time) (*schedule, error) {
	c, err := bursar.ParseCadence(cadence)
	if err != nil {
		return nil, err
	}
	loc, err := location(zone)
	if err != nil {
		return nil, err
	}
	return &schedule{rule: rule{bursar.Schedule{Cadence: c, Anchor: int64(anchor), HasAnchor: hasAnchor, Location: loc}, zone}}, nil
}

// zones keeps what time.LoadLocation read, so that schedules of one zone are equal and
// share its tables. There are about 600 names.
var zones sync.Map

func location(name string) (*time.Location, error) {
	if l, ok := zones.Load(name); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	kept, _ := zones.LoadOrStore(name, l)
	return kept.(*time.Location), nil
}

// windowAt is the window at t.
func (s *schedule) windowAt(t bursar.Time) window {
	if w := s.last.Load(); w != nil && w.start <= t && t < w.end {
		return *w
	}
	start, end := s.Window(int64(t))
	prev, _ := s.Previous(start)
	w := window{prevStart: bursar.Time(prev), start: bursar.Time(start), end: bursar.Time(end)}
	s.last.Store(&w)
	return w
}

// firstWindow is the window at t of a row that begins to count at t: the one before it
// is not tracked.
func (s *schedule) firstWindow(t bursar.Time) window {
	w := s.windowAt(t)
	w.prevStart = w.start
	return w
}

// names numbers values from 1.
type names[T comparable] struct {
	list []T // list[i] has number i+1
	ords map[T]uint32
}

func (n *names[T]) ord(v T) uint32 { return n.ords[v] }
func (n *names[T]) at(i uint32) T  { return n.list[i-1] }
func (n *names[T]) add(v T) {
	n.list = append(n.list, v)
	n.ords[v] = uint32(len(n.list))
}

func newState() *state {
	s := &state{
		types:    names[string]{ords: map[string]uint32{}},
		caps:     names[bursar.Capability]{ords: map[bursar.Capability]uint32{}},
		combos:   names[string]{ords: map[string]uint32{}},
		paths:    names[string]{ords: map[string]uint32{}},
		entities: make([]*entity, 1), byID: map[string]uint32{}, children: map[uint32][]uint32{}, kidCount: map[uint32]kidCount{},
		rows: make([]*rowDef, 1), rowIDs: make([][16]byte, 1), counters: make([]*counter, 1),
		firstRow: make([]uint32, 1), nextRow: make([]uint32, 1), under: make([]uint32, 1), scoped: map[place]scopedRows{}, scopedOf: map[uint32][]uint32{}, inScope: make([]uint8, 1),
		totals: map[uint32]*total{}, levels: map[levelKey]*level{}, holds: map[[16]byte]*hold{},
		openHolds: newOrdered(compareID), closedHolds: newOrdered(compareID), endings: newEndings(),
		schedules: map[rule]*schedule{}, liveTypes: map[uint32]int{}, liveCaps: map[uint32]int{}, named: map[naming]int{},
		money: newMoney(), series: map[bucket]bursar.Amount{}, dirty: newDirty(),
	}
	s.entOrder = newOrdered(func(a, b uint32) int {
		return s.entities[a].compare(&ListPos{CreatedAt: s.entities[b].created, ID: s.entities[b].id})
	})
	return s
}

// setEntity puts e at ord, which exists or is the next, and keeps the indexes.
func (s *state) setEntity(ord uint32, e *entity) {
	if int(ord) == len(s.entities) {
		s.entities = append(s.entities, nil)
		s.firstRow = append(s.firstRow, 0)
		s.inScope = append(s.inScope, 0)
		s.byID[e.id] = ord
	}
	old := s.entities[ord]
	s.entities[ord] = e
	if old == nil {
		s.entOrder.insert(ord)
	}
	if old == nil || old.parent != e.parent {
		if old != nil {
			kids := s.children[old.parent]
			at := slices.Index(kids, ord)
			s.children[old.parent] = slices.Concat(kids[:at], kids[at+1:])
		}
		s.children[e.parent] = append(s.children[e.parent], ord)
	}
	if old != nil {
		s.countEntity(old, -1)
	}
	s.countEntity(e, 1)
}

// kidCount is how many children an entity has.
type kidCount struct{ all, live int }

func (s *state) countEntity(e *entity, n int) {
	k := s.kidCount[e.parent]
	if k.all += n; e.archived == 0 {
		k.live += n
		s.liveTypes[e.typ] += n
	}
	s.kidCount[e.parent] = k
}

// setRow puts def at ord, which exists or is the next; nil deletes it.
func (s *state) setRow(ord uint32, id [16]byte, def *rowDef) {
	if int(ord) == len(s.rows) {
		s.rows = append(s.rows, nil)
		s.counters = append(s.counters, nil)
		s.nextRow, s.under = append(s.nextRow, 0), append(s.under, 0)
		s.rowIDs = append(s.rowIDs, id)
	}
	old := s.rows[ord]
	if def != nil {
		def.sched = s.intern(def.sched)
	}
	s.rows[ord] = def
	switch {
	case old == nil && def != nil:
		s.link(ord, def)
		s.countNamed(def, 1)
		s.liveCaps[def.cap]++
	case old != nil && def == nil:
		s.unlink(ord, old)
		s.countNamed(old, -1)
		s.liveCaps[old.cap]--
		s.counters[ord] = nil
		s.untrackRow(ord, old.cap)
	}
	s.countStrict(old, -1)
	s.countStrict(def, 1)
}

func (s *state) countStrict(def *rowDef, n int) {
	if def != nil && def.strict {
		s.strict += n
	}
}

// intern makes rows of one schedule share it.
func (s *state) intern(sch *schedule) *schedule {
	if kept := s.schedules[sch.rule]; kept != nil {
		return kept
	}
	s.schedules[sch.rule] = sch
	return sch
}

// rowByID finds a live row. rowIDs ascend by place; a number that was deleted before the
// checkpoint was read repeats the ID before it.
func (s *state) rowByID(id [16]byte) uint32 {
	i, ok := slices.BinarySearchFunc(s.rowIDs[1:], id, comparePlaces)
	if ok && s.rowIDs[i+1] == id && s.rows[i+1] != nil {
		return uint32(i + 1)
	}
	return 0
}

func compareID(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }

// hold is a reservation. The rows it charges are those of its chains.
type hold struct {
	id       [16]byte
	cap      uint32
	amount   bursar.Amount
	status   bursar.HoldStatus
	settle   bool
	created  bursar.Time
	expires  bursar.Time
	closed   bursar.Time
	recorded bursar.Amount // when COMMITTED or settled
	late     bool
	dims     []bursar.Dimension
	combo    uint32
	path     []step
	chains   [][]uint32
	costs    []heldCost
}

// heldRows is the rows of a capability that the hold is on and that still exist, each
// once.
func (v *view) heldRows(h *hold, cap uint32) []uint32 {
	var rows []uint32
	for _, c := range h.chains {
		for _, ord := range c {
			if def := v.def(ord); def != nil && def.cap == cap {
				rows = append(rows, ord)
			}
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

var statusCodes = []bursar.HoldStatus{bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldReleased, bursar.HoldExpired}

// encode writes all of h.
func (h *hold) encode(e *encoder) {
	(&holdOpenRec{id: h.id, cap: h.cap, amount: h.amount, created: h.created, expires: h.expires, settle: h.settle,
		dims: h.dims, combo: h.combo, path: h.path, chains: h.chains}).encode(e)
	e.byte(byte(slices.Index(statusCodes, h.status)))
	e.time(h.closed)
	e.amount(h.recorded)
	e.bool(h.late)
}

func (h *hold) decode(d *decoder) {
	var r holdOpenRec
	r.decode(d)
	*h = *r.hold()
	c := d.byte()
	if int(c) >= len(statusCodes) {
		d.fail()
		return
	}
	h.status, h.closed, h.recorded, h.late = statusCodes[c], d.time(), d.amount(), d.bool()
}

func (r *holdOpenRec) hold() *hold {
	return &hold{id: r.id, cap: r.cap, amount: r.amount, status: bursar.HoldOpen, settle: r.settle, created: r.created,
		expires: r.expires, dims: r.dims, combo: r.combo, path: r.path, chains: r.chains}
}

// setHold puts h in, and among the endings while it is open.
func (s *state) setHold(h *hold) {
	old := s.holds[h.id]
	s.holds[h.id] = h
	if old != nil && old.status == bursar.HoldOpen {
		s.untrack(old)
		s.openHolds.remove(h.id)
	}
	s.indexHold(h)
}

func (s *state) indexHold(h *hold) {
	if h.status != bursar.HoldOpen {
		s.closedHolds.insert(h.id)
		return
	}
	s.track(h)
	s.openHolds.insert(h.id)
}

// forgetHold lets go of a hold that is closed.
func (s *state) forgetHold(id [16]byte) {
	delete(s.holds, id)
	s.closedHolds.remove(id)
}

// due is when time alone changes something next: a hold expires, a grant becomes active
// or expires; 0 = nothing does.
func (s *state) due() bursar.Time {
	due := s.timed
	if at := s.endings.next(); at != 0 && (due == 0 || at < due) {
		due = at
	}
	return due
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
func sortedOrds[V any](m map[uint32]V) []uint32 { return slices.Sorted(maps.Keys(m)) }
