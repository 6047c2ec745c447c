package record

import (
	"github.com/bursarhq/bursar"
)

// The level of a leaf is its own usage of a FLUCTUATING feature, as SETs and all that was
// used since have left it: a SET charges the difference to the new level. It is kept for a leaf, or
// for the customer (0) where nothing resolves, and never goes below 0, as usage does not.

// LevelSet gives a leaf a level. None is written for a SET whose Usage says the level itself: its
// Amount, at its Timestamp.
type LevelSet struct {
	Key LevelKey
	Level
}

func (*LevelSet) Kind() Kind { return kindLevel }

func (r *LevelSet) encode(e *Encoder) {
	e.Ord(r.Key.Leaf)
	e.Ord(r.Key.Cap)
	e.Amount(r.Value)
	e.Time(r.At)
}

func (r *LevelSet) decode(d *Decoder) {
	r.Key.Leaf, r.Key.Cap = d.ord(), d.ord()
	r.Value, r.At = d.amount(), d.time()
}

// Moved is l after usage of an amount, which may be negative. A level below 0 was SET by
// a version that took it as it came.
func (l Level) Moved(by bursar.Amount) Level {
	v := l.Value.Add(by)
	if least := bursar.MinAmount(l.Value, bursar.Amount{}); v.Less(least) {
		v = least
	}
	return Level{v, l.At}
}

// Set is l after a SET to a value at a time, and by how much that changes it. A SET that is
// older than the level is stale: it changes nothing.
func (l Level) Set(value bursar.Amount, at bursar.Time) (now Level, by bursar.Amount, stale bool) {
	if at < l.At {
		return l, bursar.Amount{}, true
	}
	now = Level{bursar.MaxAmount(value, bursar.Amount{}), at}
	return now, now.Value.Sub(l.Value), false
}

type LevelKey struct{ Leaf, Cap uint32 }

type Level struct {
	Value bursar.Amount
	At    bursar.Time
}
