package ledger

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Statement makes entries of records.
type Statement struct {
	Q      *LedgerQuery
	caps   []bursar.Capability
	grants []ledgerGrant // by ord
	Since  bursar.Time   // no entry is older; 0 = there are none at all
	Found  []bursar.LedgerEntry

	read   int         // records so far
	Rest   uint64      // the commit behind which the list goes on, in the direction of the page; 0 = none
	RestAt bursar.Time // and its instant
}

// A page of the ledger that is not full ends once so many records were read for it, or when the
// request's time is over.
const ledgerRecords = 500_000 // with something in it

const ledgerEmpty = 4_000_000 // with nothing in it yet

// Enough tells, after a commit, whether the page ends there; then it goes on behind that commit.
// It does not end there after the first one: the page before may have ended with that.
func (l *Statement) Enough(late bool, row *record.Row) bool {
	late = late && l.read > 0
	l.read += len(row.Recs)
	most := ledgerEmpty
	if len(l.Found) > 0 {
		most = ledgerRecords
	}
	if l.read < most && !late {
		return false
	}
	l.Rest, l.RestAt = row.Head.Seq, row.Head.Now
	return true
}

// RestID is before all entries of the commit that the page ended with or, where the page lists
// what is newer, behind them.
func (l *Statement) RestID() string {
	if l.Q.Above != "" {
		return EntryID(l.Rest, 1<<20-1, 1<<16-1)
	}
	return EntryID(l.Rest, 0, 0)
}

type ledgerGrant struct {
	id, currency string
	amount       bursar.Amount
	lapse        bursar.LedgerType // the type of entry of credits that are given back once the grant has ended
}

// Snapshot copies from the state what the numbers in records stand for: capabilities and
// grants. A number keeps its meaning for ever.
func (l *Statement) Snapshot(s *State) {
	l.caps = slices.Clip(s.Caps.List)
	l.grants = make([]ledgerGrant, len(s.Grants))
	for ord, g := range s.Grants {
		if g == nil {
			continue
		}
		l.grants[ord] = ledgerGrant{g.ID, g.CurrencyID, g.Amount, bursar.LedgerExpired}
		if g.Status == bursar.GrantVoided {
			l.grants[ord].lapse = bursar.LedgerVoided
		}
		if (l.Q.CurrencyID == "" || g.CurrencyID == l.Q.CurrencyID) && (l.Since == 0 || g.CreatedAt < l.Since) {
			l.Since = g.CreatedAt
		}
	}
}

// EntryID is fixed in width, so that the order of the texts is the order of time.
func EntryID(seq uint64, record, entry int) string {
	return fmt.Sprintf("%016x.%05x.%04x", seq, record, entry)
}

const entryIDSize = 16 + 1 + 5 + 1 + 4

func EntrySeq(id string) (uint64, error) {
	if len(id) != entryIDSize || id[16] != '.' || id[22] != '.' {
		return 0, bursar.Errorf(bursar.CodeInvalidCursor, "%.64q is not a place in the ledger", id)
	}
	seq, err := strconv.ParseUint(id[:16], 16, 64)
	if err != nil {
		return 0, bursar.Errorf(bursar.CodeInvalidCursor, "%.64q is not a place in the ledger", id)
	}
	return seq, nil
}

// Entries are those of a commit that the query selects, oldest first.
func (l *Statement) Entries(row *record.Row) (out []bursar.LedgerEntry) {
	for i, r := range row.Recs {
		n := 0
		add := func(ord uint32, typ bursar.LedgerType, amount bursar.Amount, at bursar.Time, feature uint32, event string) {
			x := bursar.LedgerEntry{ID: EntryID(row.Head.Seq, i, n), Amount: amount, Type: typ, Timestamp: at, EventID: event}
			n++
			if amount.IsZero() {
				return
			}
			if x.GrantID, x.CurrencyID = l.grants[ord].id, l.grants[ord].currency; feature != 0 {
				x.FeatureID = l.caps[feature-1].ID
			}
			if (l.Q.CurrencyID == "" || l.Q.CurrencyID == x.CurrencyID) && (l.Q.Types == nil || slices.Contains(l.Q.Types, typ)) {
				out = append(out, x)
			}
		}
		switch r := r.(type) {
		case *record.GrantMade:
			if r.Active {
				add(r.Ord, bursar.LedgerGranted, r.Grant.Amount, row.Head.Now, 0, "") // an overdraft is of 0: no entry
			}
		case *record.GrantBegun:
			add(r.Ord, bursar.LedgerGranted, l.grants[r.Ord].amount, r.At, 0, "")
		case *record.GrantEnded:
			typ := bursar.LedgerExpired
			if r.Voided {
				typ = bursar.LedgerVoided
			}
			add(r.Ord, typ, r.Lapsed.Neg(), r.At, 0, "")
		case *record.Draw:
			event := drawnFor(row, r)
			for _, m := range r.Moves {
				add(m.Grant, drawType(r.Reason, m), m.Amount.Neg(), r.At, r.Feature, event)
				if m.Ended {
					add(m.Grant, l.grants[m.Grant].lapse, m.Amount, r.At, 0, "")
				}
			}
		}
	}
	return out
}

// drawType is the kind of entry that a move makes. What a transfer frees is the
// overdraft's, what it takes is the new grant's.
func drawType(reason record.DrawReason, m record.Move) bursar.LedgerType {
	switch {
	case reason == record.DrawCorrection:
		return bursar.LedgerUpdated
	case reason == record.DrawTransfer && m.Amount.Sign() < 0:
		return bursar.LedgerTransferSource
	case reason == record.DrawTransfer:
		return bursar.LedgerTransferTarget
	}
	return bursar.LedgerConsumed
}

// drawnFor is the id of what a draw is for: that of a usage or, where a hold ended, that of the
// reservation.
func drawnFor(row *record.Row, r *record.Draw) string {
	if r.Reason != record.DrawConsumed || int(r.Of) >= len(row.Recs) {
		return ""
	}
	switch of := row.Recs[r.Of].(type) {
	case *record.HoldCommitted:
		return store.FormatID(of.ID)
	case *record.HoldExpired:
		return store.FormatID(of.ID)
	case *record.Usage:
		if of.Op == record.OpHeldEvent {
			if u := endOf(row, int(r.Of)); u != nil {
				return store.FormatID(u.ID)
			}
		}
	}
	p := record.Placed{Record: row.Recs[r.Of], Row: row, Index: int(r.Of)}
	return p.ID()
}

// endOf is the record that ends a hold, given the number i of a record of its usage in row.
func endOf(row *record.Row, i int) *record.EventUsed {
	for _, r := range row.Recs[i:] {
		if u, ok := r.(*record.EventUsed); ok {
			return u
		}
	}
	return nil
}
