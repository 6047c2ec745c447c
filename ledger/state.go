// Package ledger is one customer: a state that is the fold of the records of its log, every
// decision that can be made about it, and every reading of it.
//
// A View lays what a request has changed so far over the state. A Decider judges a request
// on a view and emits records; applying them is the same code that folds a log. Nothing
// here waits, locks, reads a clock or calls a store: what is missing is asked for by name,
// and whoever runs the ledger fetches it and asks again.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Fold applies one row of the log.
func (s *State) Fold(stream string, row *store.LogRow) error {
	v, _, err := s.ApplyCommit(stream, row)
	if err == nil {
		v.Merge(row.Head)
	}
	return err
}

// Memory is about how many bytes s takes.
func (s *State) Memory() int64 {
	sets := int64(0)
	for _, set := range s.Uniques {
		sets += 10*int64(min(set.Count(), maxExact)) + 200
	}
	return sets + s.unreadMemory() + s.degradeBytes + s.notificationBytes + s.details + s.terms.memory + 500*int64(len(s.defaults.list)+len(s.requests)) + 600*int64(len(s.Grants)) + 300*int64(len(s.boosts)+len(s.loans)+len(s.Promos)) + 40*int64(len(s.ranks.loose)+len(s.ranks.lends)) + 100*int64(len(s.Fired)+len(s.told)+s.owed.N+len(s.notificationUse)) + 4096 + 1000*int64(len(s.learned)) + 40*int64(s.paths.count()) + 120*int64(s.Entities.Len()) + 4*int64(s.idOrder.N) + 128*int64(len(s.grams)) + 120*int64(len(s.cased)) + 118*int64(s.Rows.Len()) + 600*int64(len(s.Holds)) + 100*int64(s.series.n+len(s.Levels)+s.added+len(s.additions)) + s.Keys.memory()
}

// maxUnrecorded bounds the settled holds and grants whose effect on credits and usage
// series a reader works out itself. With more of them, it shows that effect only once
// commits have recorded it. Limits and totals are always up to date (endings).
const maxUnrecorded = 100

// ViewAt is the customer as it reads at now: holds and grants whose time has come have
// ended.
func (s *State) ViewAt(now bursar.Time, cat *catalogue.Catalogue) *View {
	v := NewView(s, max(now, s.Head.Now))
	if due := s.Ends(); due != 0 && due <= v.Now {
		(&Decider{View: v, Cat: cat, Rehearsal: true}).Expire(maxUnrecorded)
	}
	return v
}

// State is one customer: the fold of its log. Entities, definitions, counters, totals,
// levels and holds are immutable once they are in it; a change replaces them, so a
// reader or a checkpoint that has a pointer has a consistent value. Numbers ("ord")
// count from 1 in order of creation and are never used again.
type State struct {
	Head     store.Head
	Customer *bursar.Customer // nil = never created

	Types  names[string]
	Caps   names[bursar.Capability]
	combos names[string] // encoded dimensions
	paths  pathSet

	Entities     list[record.Entity] // by ord
	details      int64               // about how many bytes the entities' own details take
	byID         index
	similar      similar             // to find ids that are nearly known
	cased        map[string][]uint32 // entities whose id has capitals, by the id in lower case
	children     map[uint32][]uint32 // 0: the roots; a list only grows at its end, or a new one replaces it
	parents      numberSet           // entities that have children, or had
	archivedKids map[uint32]int      // of children, by parent: how many are archived
	entOrder     ordered[uint32]     // as they are listed
	idOrder      ordered[uint32]     // by id, once it is made (TreeIndex)
	grams        grams               // made with it

	Rows     rowList
	RowIDs   idList
	counters counterList // one that is not there is as at creation
	ranks    ranks       // follow from rows and counters
	// Rows are found from their entity: those without a scope from firstRow, scoped ones by their
	// place; both lists go on through nextRow.
	firstRow []uint32 // by entity ord
	nextRow  []uint32 // by row
	scoped   map[place]scopedRows
	scopedOf map[uint32][]uint32 // by entity ord: its scoped rows, for listings
	inScope  []uint8             // by entity ord: ownsScoped, isScope

	freezes           map[uint32]*record.Freeze          // by entity ord; 0 = the customer
	degrades          map[uint32][]*record.DegradePolicy // by entity ord
	degradeBytes      int64                              // about what they take
	notifications     map[uint32][]*record.Notification  // by entity ord; 0 = of the customer
	heard             map[uint32]*heard                  // follows from those
	notificationBytes int64                              // about what they take
	notificationUse   map[uint32]*record.NotificationUse // by root
	told              map[uint32]*record.Told            // by row
	owed              ordered[uint32]                    // rows whose told says so
	defaults          *defaultSet
	boosts            map[uint32][]*record.Boost // by row
	loans             map[uint32][]*record.Loan  // by row, of that which has more and of that which has less
	Promos            map[uint32]*promo          // by feature
	Fired             map[uint32]*record.Fired   // by row
	Uniques           map[record.UniqueKey]*uniqueSet
	windows           map[uint32][]bursar.Time        // by row: windows that uniques has sets of
	learned           map[uint32]*learned             // by entity ord, too
	lastCalls         ordered[lastCall]               // of those
	unread            map[uint32]*unreadShape         // by slot
	requests          map[uint32]*record.BoostRequest // by number
	lastRequest       uint32                          // the number of the newest, which is kept

	Totals map[uint32]*Total // by capability ord
	Levels map[record.LevelKey]*record.Level
	Holds  map[[16]byte]*record.Hold // open ones, and closed ones until a checkpoint has them
	// holds by id, and the open ones by when they end
	OpenHolds, closedHolds ordered[[16]byte]
	endings                endings

	schedules map[record.Rule]*record.Schedule
	terms     terms
	liveTypes map[uint32]int        // live entities by type
	liveCaps  map[uint32]int        // own limits and defaults by capability
	strict    map[uint32]struct{}   // rows with a strict allocation
	named     map[record.Naming]int // limits with a scope, by each entity that they name

	Feed *Feed // nil = nobody watches

	credits
	Keys keySet
	// Usage series: series has what was added since the checkpoint at SeriesBase;
	// while one is being saved, flushing has what goes into it and series what came
	// after flushTo.
	series     buckets
	SeriesBase uint64
	flushing   *buckets // nil = none is being saved
	flushTo    uint64
	Dirty      Dirty
	// Shared tells that other processes may save checkpoints too. Then additions, in place of
	// series, has what each commit since SeriesBase added: any prefix of it may be saved.
	// earlier has the unsaved changes up to commit earlierTo, Dirty those after it.
	Shared    bool
	additions []seriesAddition
	added     int // buckets in additions
	earlier   Dirty
	earlierTo uint64

	restoring *restoring // nil = no checkpoint is being read
}

const (
	ownsScoped uint8 = 1
	isScope    uint8 = 2
)

// Dirty is what changed since the last checkpoint, as it is now: a checkpoint takes it
// whole and at once.
type Dirty struct {
	Records  int
	entities map[uint32]*record.Entity
	rows     map[uint32]*record.Limit // nil value = deleted
	counters map[uint32]*Counter
	totals   map[uint32]*Total
	levels   map[record.LevelKey]*record.Level
	Holds    map[[16]byte]*record.Hold
	parts    map[partKey]any
	uniques  map[record.UniqueKey]*uniqueSet // nil value = dropped
}

func NewDirty() Dirty {
	return Dirty{parts: map[partKey]any{}, uniques: map[record.UniqueKey]*uniqueSet{}, entities: map[uint32]*record.Entity{}, rows: map[uint32]*record.Limit{}, counters: map[uint32]*Counter{},
		totals: map[uint32]*Total{}, levels: map[record.LevelKey]*record.Level{}, Holds: map[[16]byte]*record.Hold{}}
}

func NewState() *State {
	s := &State{
		Types:  names[string]{ords: map[string]uint32{}},
		Caps:   names[bursar.Capability]{ords: map[bursar.Capability]uint32{}},
		combos: names[string]{ords: map[string]uint32{}},
		cased:  map[string][]uint32{}, children: map[uint32][]uint32{}, archivedKids: map[uint32]int{},
		firstRow: make([]uint32, 1), nextRow: make([]uint32, 1), scoped: map[place]scopedRows{}, scopedOf: map[uint32][]uint32{}, inScope: make([]uint8, 1),
		freezes: map[uint32]*record.Freeze{}, degrades: map[uint32][]*record.DegradePolicy{}, notifications: map[uint32][]*record.Notification{}, told: map[uint32]*record.Told{}, owed: newOrdered(cmp.Compare[uint32]), notificationUse: map[uint32]*record.NotificationUse{}, heard: map[uint32]*heard{}, defaults: newDefaultSet(nil),
		boosts: map[uint32][]*record.Boost{}, loans: map[uint32][]*record.Loan{}, Promos: map[uint32]*promo{},
		Fired: map[uint32]*record.Fired{}, Uniques: map[record.UniqueKey]*uniqueSet{}, windows: map[uint32][]bursar.Time{},
		learned: map[uint32]*learned{}, lastCalls: newOrdered(compareCalls), unread: map[uint32]*unreadShape{}, requests: map[uint32]*record.BoostRequest{},
		Totals: map[uint32]*Total{}, Levels: map[record.LevelKey]*record.Level{}, Holds: map[[16]byte]*record.Hold{},
		OpenHolds: newOrdered(record.CompareID), closedHolds: newOrdered(record.CompareID), endings: newEndings(),
		schedules: map[record.Rule]*record.Schedule{}, liveTypes: map[uint32]int{}, liveCaps: map[uint32]int{}, strict: map[uint32]struct{}{}, named: map[record.Naming]int{},
		credits: newCredits(), series: newBuckets(), Dirty: NewDirty(),
	}
	s.entOrder = newOrdered(func(a, b uint32) int {
		return compareEntity(s.Entities.at(a), &ListPos{CreatedAt: s.Entities.at(b).Created, ID: s.Entities.at(b).ID})
	})
	s.idOrder = newOrdered(func(a, b uint32) int { return strings.Compare(s.Entities.at(a).ID, s.Entities.at(b).ID) })
	s.Entities.add(record.Entity{}.With(record.Details{}))
	s.Rows.put(0, nil)
	s.RowIDs.add([16]byte{})
	return s
}

// intern makes rows of one schedule share it.
func (s *State) intern(sch *record.Schedule) *record.Schedule {
	if kept := s.schedules[sch.Rule]; kept != nil {
		return kept
	}
	s.schedules[sch.Rule] = sch
	return sch
}

// Due is when a commit is to be made that nobody asks for: time alone changes something, or people are owed what
// one commit had no room for; 0 = nothing is.
func (s *State) Due() bursar.Time {
	due := s.Ends()
	if s.owed.N > 0 && (due == 0 || s.Head.Now < due) {
		due = s.Head.Now
	}
	return due
}

// Ends is when time alone changes something next: a hold expires, a grant becomes active
// or expires; 0 = nothing does.
func (s *State) Ends() bursar.Time {
	due := s.timed
	if at := s.endings.next(); at != 0 && (due == 0 || at < due) {
		due = at
	}
	return due
}

// Snapshot copies what deciding about charges reads, to do so without the customer's
// lock. The values are immutable: lists and maps of them are copied.
func (s *State) Snapshot() *State {
	f := NewState()
	f.Head, f.Customer = s.Head, s.Customer
	f.Caps = names[bursar.Capability]{slices.Clip(s.Caps.List), maps.Clone(s.Caps.ords)}
	f.combos = names[string]{slices.Clip(s.combos.List), maps.Clone(s.combos.ords)}
	f.Entities, f.Rows, f.RowIDs, f.counters = s.Entities.clone(), rowList{s.Rows.clone()}, s.RowIDs, s.counters.clone()
	f.Totals = maps.Clone(s.Totals)
	f.Grants, f.Pools = slices.Clone(s.Grants), maps.Clone(s.Pools)
	f.defaults = s.defaults
	f.boosts, f.loans, f.Fired = maps.Clone(s.boosts), maps.Clone(s.loans), maps.Clone(s.Fired)
	return f
}
