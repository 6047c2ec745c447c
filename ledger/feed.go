package ledger

import (
	"maps"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// Watching a customer. Commits only note what they touched, when somebody watches, in a
// ring that all watchers of the customer share; each watcher looks it up when it polls,
// so it gets a row once however often that was charged meanwhile. A watcher that falls
// behind the ring, or by more than maxChanges, is told to read the tree again (Resync),
// so nothing here grows without bound and no commit waits for a watcher.

// Limits of watching.
const FeedSize = 1 << 15 // touches that a customer's ring remembers

const feedKept = bursar.Time(60 * 1e9) // how long it is kept without a watcher, so that one may resume

// Feed is what commits touched in one customer. It is guarded by the customer's lock.
type Feed struct {
	Epoch    string // tells its positions from those of another feed
	Ring     []touch
	Next     uint64 // position of the next touch
	Watchers int
	Idle     bursar.Time // since when there is none
}

// touch is one thing that a commit changed.
type touch struct {
	Kind touchKind
	Ord  uint32
	Old  uint32        // the former parent of an entity that moved
	Was  *record.Limit // a limit that is gone, as it was
}

type touchKind uint8

const (
	touchRow    touchKind = iota
	TouchEntity           // made or changed
	TouchMoved            // also archived or restored: the tree has another form
	TouchMany             // what is frozen, or limited by default: figures of all below may change
)

func NewFeed(epoch string) *Feed { return &Feed{Epoch: epoch} }

func (f *Feed) add(t touch) {
	if len(f.Ring) < FeedSize {
		f.Ring = append(f.Ring, t)
	} else {
		f.Ring[f.Next%FeedSize] = t
	}
	f.Next++
}

// note is called before v is merged into its state.
func (f *Feed) note(v *View) {
	s := v.State
	if f.Watchers == 0 && v.Now-f.Idle > feedKept {
		s.Feed = nil
		return
	}
	if v.newDefaults != nil {
		f.add(touch{Kind: TouchMany})
	}
	for ord, e := range v.ents {
		t := touch{Kind: TouchEntity, Ord: ord}
		if int(ord) < s.Entities.Len() {
			if old := s.Entities.at(ord); old.Parent != e.Parent || old.Archived != e.Archived {
				t.Kind, t.Old = TouchMoved, old.Parent
			} else if old.Typ != e.Typ && !v.noDefaults() || v.defaultSet().goBy(e.Typ) && !maps.Equal(old.Meta, e.Meta) {
				t.Kind = TouchMany
			}
		}
		f.add(t)
	}
	for ent := range v.frzs {
		f.add(touch{Kind: TouchMany, Ord: ent})
	}
	for row, def := range v.defs {
		t := touch{Ord: row}
		if int(row) < s.Rows.Len() && s.Rows.At(row) != nil {
			if was := s.Rows.At(row); def == nil && was.ByDefault {
				continue // an idle row was shown to nobody
			} else if def == nil {
				t.Was = was
			} else if was.ByDefault != def.ByDefault { // its id changes with that, too
				t.Kind = TouchMany
			}
		} else if def != nil && s.gives(v.Now, def) {
			t.Kind = TouchMany
		}
		f.add(t)
	}
	for ord := range v.ctrs {
		f.add(touch{Ord: ord})
	}
	for ord := range v.bsts {
		f.add(touch{Ord: ord})
	}
}

// gives tells whether a new limit of an entity's own takes the place of one that it had by default.
func (s *State) gives(now bursar.Time, def *record.Limit) bool {
	if def.ByDefault || def.Ent == 0 || len(def.Scope) > 0 || int(def.Ent) >= s.Entities.Len() || len(s.defaults.list) == 0 {
		return false
	}
	return NewView(s, now).defaultOf(def.Ent, def.Cap, def.Label) != nil
}

// Has tells whether the ring still knows all from a position on.
func (f *Feed) Has(at uint64) bool { return at <= f.Next && f.Next-at <= uint64(len(f.Ring)) }

// Change is one thing that a watcher is told: one member is set.
type Change struct {
	Row     *TreeRow
	Removed string // the id of a limit that is gone, or that the filters do not let through any more
	Entity  *bursar.Entity
	Resync  bool // read the tree again; what follows goes on from there
}
