package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// Reading logs again: what the ledger, backtests and re-pricing have in common. None of
// it holds a customer's lock while it reads.

// ScanChunk is how many commits are read at a time, at most.
const ScanChunk = 512

func ErrTrimmed(customer string, t bursar.Time) *bursar.Error {
	return bursar.Errorf(bursar.CodeHistoryTrimmed, "the log of customer %q does not reach back to %s any more", customer, t)
}

// Act is one thing that used something: a usage or the end of a hold, with what it cost.
type Act struct {
	record int // its number in the commit
	cap    uint32
	amount bursar.Amount // what every row took unless clamped; may be negative
	units  bursar.Amount // what was priced: of it, what the customer's total took
	At     bursar.Time   // effective
	priced bursar.Time   // when its price was taken; of a hold the price is the hold's
	dims   []bursar.Dimension
	combo  uint32
	path   []record.Hop
	Hold   *record.Hold // that it ended; nil = none
	Ended  bool         // it ended a hold; with hold nil, one that the scan has not met open
	costs  []*record.Cost
	event  int   // which event of the commit made it, from 1; below 0: which reading of unread usage, from −1; 0 = none
	with   []Act // what else the same event used, once OneByEvent has put it there
	// estimated tells that the act settled a hold of an event, or takes that back. It may have cost
	// less than its price: a dearer kind that shares the output cost in its place.
	estimated bool
}

// OneByEvent makes one act of all that an event used, and one of all by which another reading corrected that.
func OneByEvent(acts []Act) (out []Act) {
	for _, a := range acts {
		if n := len(out) - 1; a.event != 0 && n >= 0 && out[n].event == a.event {
			out[n].with = append(out[n].with, a)
			continue
		}
		out = append(out, a)
	}
	return out
}

// OpenHolds are the holds that were open at the commit that a scan has reached. A hold ends, and is
// used, at most MaxHoldLife after it was made: a scan that begins that much earlier
// than what it asks for knows all that it needs.
type OpenHolds map[[16]byte]*record.Hold

// ActsOf lists the acts of a commit, in order, and follows the holds.
func (o OpenHolds) ActsOf(row *record.Row) []Act {
	var acts []Act
	var gone [][16]byte
	events, rereads := 0, 0
	for i, r := range row.Recs {
		switch r := r.(type) {
		case *record.Usage:
			event := 0
			switch {
			case r.Op == record.OpEvent:
				if r.Key.Set { // the first of each event has its key
					events++
				}
				event = events
			case r.Op == record.OpHeldEvent && r.Delta.Sign() > 0: // else it takes an estimate back
				event = events + 1
			case r.Op == record.OpReread:
				event = -rereads - 1
			}
			if !r.Delta.IsZero() {
				acts = append(acts, Act{event: event, record: i, cap: r.Cap, amount: r.Delta, units: r.Total, At: r.At, priced: min(r.Timestamp, row.Head.Now),
					dims: r.Dims, combo: r.Combo, path: r.Path, estimated: r.Op == record.OpHeldEvent && r.Delta.Sign() < 0})
			}
		case *record.HoldOpened:
			o[r.ID] = r.Hold()
		case *record.HoldCost:
			if h := o[r.ID]; h != nil {
				h.Costs = append(h.Costs, r.Cost)
			}
		case *record.HoldFreed:
			gone = append(gone, r.ID)
		case *record.HoldCommitted:
			if r.Late != nil {
				late := *r.Late
				late.Costs = nil // they follow
				o[r.ID] = &late
			}
			acts, gone = append(acts, o.ending(i, &r.Closing)), append(gone, r.ID)
		case *record.HoldExpired:
			if gone = append(gone, r.ID); r.Settle {
				acts = append(acts, o.ending(i, &r.Closing))
			}
		case *record.EventUsed:
			events++
			for j := len(acts) - 1; r.Use.Estimated && j >= 0 && acts[j].event == events; j-- {
				acts[j].estimated = true
			}
			takenBackFirst(acts, events)
		case *record.UsageReread:
			rereads++
		case *record.Cost:
			if n := len(acts) - 1; !r.Correction && n >= 0 && acts[n].record == int(r.Of) {
				acts[n].costs = append(acts[n].costs, r)
			}
		}
	}
	for _, id := range gone {
		delete(o, id)
	}
	return acts
}

// takenBackFirst puts what the last acts take back of an estimate before what an event used in place of
// it: another reading of unread usage records it after that.
func takenBackFirst(acts []Act, event int) {
	back := len(acts)
	for back > 0 && acts[back-1].event == 0 && acts[back-1].estimated {
		back--
	}
	used := back
	for used > 0 && acts[used-1].event == event {
		used--
	}
	copy(acts[used:], slices.Concat(acts[back:], acts[used:back]))
}

func (o OpenHolds) ending(record int, c *record.Closing) Act {
	a := Act{record: record, amount: c.Amount, units: c.Amount, At: c.At, Ended: true, Hold: o[c.ID]}
	if h := a.Hold; h != nil {
		a.cap, a.dims, a.combo, a.path = h.Cap, h.Dims, h.Combo, h.Path
	}
	return a
}
