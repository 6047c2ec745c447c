package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Refold makes a stream's state from its log, from the beginning or on from a base, and sums of it
// by which two stores can be compared. Its memory grows with the state, not with the length of the
// log: of reservations that have ended it keeps only the sum, and it makes no keys and no series,
// as no state depends on them.
type Refold struct {
	Stream string
	St     *State               // of a customer
	Cat    *catalogue.Catalogue // of the catalogue
	Based  bool
	ended  hash.Hash
	b      record.Encoder
}

// Sums are checksums of what a log folds to. Ended is that of the reservations that have ended, in
// the order in which they did; "" = the log was trimmed, so it does not tell.
type Sums struct {
	State string `json:"state"`
	Ended string `json:"ended,omitempty"`
}

// Differ tells whether a and b cannot be of one log.
func (a Sums) Differ(b Sums) bool {
	return a.State != b.State || a.Ended != b.Ended && a.Ended != "" && b.Ended != ""
}

func NewRefold(stream string) *Refold {
	f := &Refold{Stream: stream, ended: sha256.New()}
	if stream == store.CatalogueStream {
		f.Cat = catalogue.NewCatalogue()
	} else {
		f.St = NewState()
	}
	return f
}

func (f *Refold) Head() store.Head {
	if f.Cat != nil {
		return f.Cat.Head
	}
	return f.St.Head
}

// Add applies the next row. What does not continue the log, or does not apply, is an
// error.
func (f *Refold) Add(row *store.LogRow) error { return f.AddTo(row, nil) }

// AddTo is Add; c, unless it is nil, gets what the listings show of the row.
func (f *Refold) AddTo(row *store.LogRow, c *store.Commit) (err error) {
	defer Recovered(f.Stream, row, &err)
	if f.Cat != nil {
		return f.Cat.Fold(row)
	}
	v, recs, err := f.St.ApplyCommit(f.Stream, row)
	if err != nil {
		return err
	}
	if c != nil {
		c.After, c.ID, c.Now = f.St.Head, row.ID, row.Head.Now
		v.Effects(c, recs)
	}
	v.NewKeys, v.Adds = nil, nil
	ended := slices.SortedFunc(maps.Keys(v.Hlds), record.CompareID)
	v.Merge(row.Head)
	for _, id := range ended {
		if h := f.St.Holds[id]; h.Status != bursar.HoldOpen {
			f.b.B = f.b.B[:0]
			h.Dump(&f.b)
			f.ended.Write(f.b.B)
			f.St.forgetHold(id)
		}
	}
	if f.St.Dirty.Records > 10_000 {
		f.St.Dirty = NewDirty()
	}
	return nil
}

// Recovered turns a panic over a row into an error: a log that was made up can have any
// numbers in it.
func Recovered(stream string, row *store.LogRow, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("stream %q, commit %d does not apply: %v", stream, row.Head.Seq, p)
	}
}

// Base takes in, before any row, the checkpoint that a trimmed log goes on from.
func (f *Refold) Base(read func(visit func(*store.Checkpoint) error) error, each func(*store.Checkpoint) error) error {
	if f.Cat != nil {
		return nil // it is never trimmed
	}
	err := read(func(cp *store.Checkpoint) error {
		f.Based = true
		if err := f.St.Base(cp); err != nil {
			return err
		}
		return each(cp)
	})
	if f.Based && err == nil {
		err = f.St.Restored()
	}
	return err
}

func (f *Refold) Sums() Sums {
	var all []byte
	if f.Cat != nil {
		all = f.Cat.Dump()
	} else {
		all = f.St.dump(true)
	}
	state := sha256.Sum256(all)
	s := Sums{State: hex.EncodeToString(state[:])}
	if !f.Based {
		s.Ended = SumText(f.ended)
	}
	return s
}

func SumText(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// NewSum is the sum of lines.
func NewSum() hash.Hash { return sha256.New() }

// Recipients are those of a customer's notifications, as deliveries have them.
func (f *Refold) Recipients() (endpoints []string) {
	for _, list := range f.St.notifications {
		for _, n := range list {
			endpoints = append(endpoints, notified(n).Endpoints()...)
		}
	}
	return endpoints
}
