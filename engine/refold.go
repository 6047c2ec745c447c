package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// refold makes a stream's state from its log, whole or on from a base, and sums of it by
// which two stores can be compared. Of reservations that have ended only the sum remains,
// and keys and series, which nothing folds from, are not made, so that its memory follows
// the state and not the length of the log.
type refold struct {
	stream string
	st     *state     // of a customer
	cat    *Catalogue // of the catalogue
	based  bool
	ended  hash.Hash
	b      encoder
}

// sums are of what a log folds to. Ended is of the reservations that have ended, in the
// order in which they did; a log that was trimmed does not tell.
type sums struct {
	State string `json:"state"`
	Ended string `json:"ended,omitempty"`
}

// differ tells whether a and b cannot be of one log.
func (a sums) differ(b sums) bool {
	return a.State != b.State || a.Ended != b.Ended && a.Ended != "" && b.Ended != ""
}

func newRefold(stream string) *refold {
	f := &refold{stream: stream, ended: sha256.New()}
	if stream == CatalogueStream {
		f.cat = newCatalogue()
	} else {
		f.st = newState()
	}
	return f
}

func (f *refold) head() Head {
	if f.cat != nil {
		return f.cat.head
	}
	return f.st.head
}

// add applies the next row. What does not continue the log, or does not apply, is an
// error.
func (f *refold) add(row *LogRow) (err error) {
	defer recovered(f.stream, row, &err)
	if f.cat != nil {
		return f.cat.fold(row)
	}
	v, _, err := f.st.step(f.stream, row)
	if err != nil {
		return err
	}
	v.newKeys, v.adds = nil, nil
	ended := slices.SortedFunc(maps.Keys(v.hlds), compareID)
	v.merge(row.Head)
	for _, id := range ended {
		if h := f.st.holds[id]; h.status != bursar.HoldOpen {
			f.b.b = f.b.b[:0]
			h.dump(&f.b)
			f.ended.Write(f.b.b)
			f.st.forgetHold(id)
		}
	}
	if f.st.dirty.records > 10_000 {
		f.st.dirty = newDirty()
	}
	return nil
}

// recovered turns a panic over a row into an error: a log that was made up can have any
// numbers in it.
func recovered(stream string, row *LogRow, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("stream %q, commit %d does not apply: %v", stream, row.Head.Seq, p)
	}
}

// base takes in what the log goes on from, before any row.
func (f *refold) base(ctx context.Context, s Store, each func(*Checkpoint) error) error {
	if f.cat != nil {
		return nil // it is never trimmed
	}
	err := s.Base(ctx, f.stream, func(cp *Checkpoint) error {
		f.based = true
		if err := f.st.base(cp); err != nil {
			return err
		}
		return each(cp)
	})
	if f.based && err == nil {
		f.st.restored()
	}
	return err
}

func (f *refold) sums() sums {
	dump := f.st.dump
	if f.cat != nil {
		dump = f.cat.dump
	}
	state := sha256.Sum256(dump())
	s := sums{State: hex.EncodeToString(state[:])}
	if !f.based {
		s.Ended = sumText(f.ended)
	}
	return s
}

// fold applies one row of the catalogue's log.
func (c *Catalogue) fold(row *LogRow) error {
	recs, err := checkRow(c.head, CatalogueStream, row)
	if err != nil {
		return err
	}
	for _, r := range recs {
		if err := c.apply(r); err != nil {
			return err
		}
	}
	c.moved(row.Head, aside(recs))
	return nil
}

// dump is everything that follows from the catalogue's log, in one order, as bytes.
func (c *Catalogue) dump() []byte {
	replies := slices.SortedFunc(maps.Values(c.replies), func(a, b keptReply) int { return compareID(a.Hash, b.Hash) })
	b, err := json.Marshal([]any{c.head.Seq, c.head.Hash, c.secret, c.EntityTypes(), c.Features(), c.Currencies(), c.APIKeys(), c.RateCards(), c.Webhooks(), replies})
	if err != nil {
		panic(err) // all of it came from JSON
	}
	return b
}

// dump writes all of h.
func (h *hold) dump(e *encoder) {
	h.encode(e)
	for i := range h.costs {
		h.costs[i].encode(e)
	}
}
