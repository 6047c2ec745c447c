package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
)

// Ledger lists what moved a customer's grants, newest first. It is read from the log,
// backwards, and so as long as the log is: a page of what is rare ends where much of the
// log was read, and says where it goes on.
func (e *Engine) Ledger(ctx context.Context, o ReadOptions, q LedgerQuery) (p Page[bursar.LedgerEntry], version uint64, err error) {
	if err := e.recordTime(ctx, o, q.CustomerID); err != nil {
		return p, 0, err
	}
	l := ledger{q: &q}
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *view) error {
		l.snapshot(v.state)
		return nil
	})
	if err != nil {
		return p, 0, err
	}
	p.Items = []bursar.LedgerEntry{}
	if l.since != 0 {
		read := e.ledgerBelow
		if q.Above != "" {
			read = e.ledgerAbove
		}
		err = read(ctx, &l, version)
	}
	if err != nil {
		return p, 0, err
	}
	p.Items = append(p.Items, l.found...)
	p.cut(q.Limit, q.Below != "", q.Above != "")
	if l.rest != 0 {
		p.Rest = &ListPos{CreatedAt: l.restAt, ID: entryID(l.rest, 0, 0)}
		p.HasNext, p.HasPrev = p.HasNext || q.Above == "", p.HasPrev || q.Above != ""
	}
	return p, version, nil
}

// ledger makes entries of records.
type ledger struct {
	q      *LedgerQuery
	caps   []bursar.Capability
	grants []ledgerGrant // by ord
	since  bursar.Time   // no entry is older; 0 = there are none at all
	found  []bursar.LedgerEntry

	read   int         // records so far
	rest   uint64      // the commit behind which, or ahead of which, the list goes on; 0 = none
	restAt bursar.Time // and its instant
}

// A page of the ledger that is not full ends once so many records were read for it, or
// when the request has not got more time than this.
const (
	ledgerRecords = 500_000   // with something in it
	ledgerEmpty   = 4_000_000 // with nothing in it yet
	ledgerSpare   = 2 * time.Second
)

// enough tells, after a commit, whether the page ends there; then it goes on at seq.
func (l *ledger) enough(ctx context.Context, row *logRow, seq uint64) bool {
	l.read += len(row.recs)
	most := ledgerEmpty
	if len(l.found) > 0 {
		most = ledgerRecords
	}
	until, limited := ctx.Deadline()
	if l.read < most && !(limited && time.Until(until) < ledgerSpare) {
		return false
	}
	l.rest, l.restAt = seq, row.Head.Now
	return true
}

type ledgerGrant struct {
	id, currency string
	amount       bursar.Amount
	lapse        bursar.LedgerType // of credits that come back once it has ended
}

// snapshot takes from the state the names that records have numbers of. Numbers never
// change their meaning.
func (l *ledger) snapshot(s *state) {
	l.caps = slices.Clip(s.caps.list)
	l.grants = make([]ledgerGrant, len(s.grants))
	for ord, g := range s.grants {
		if g == nil {
			continue
		}
		l.grants[ord] = ledgerGrant{g.ID, g.CurrencyID, g.Amount, bursar.LedgerExpired}
		if g.Status == bursar.GrantVoided {
			l.grants[ord].lapse = bursar.LedgerVoided
		}
		if (l.q.CurrencyID == "" || g.CurrencyID == l.q.CurrencyID) && (l.since == 0 || g.CreatedAt < l.since) {
			l.since = g.CreatedAt
		}
	}
}

// entryID is fixed in width, so that the order of the texts is the order of time.
func entryID(seq uint64, record, entry int) string {
	return fmt.Sprintf("%016x.%05x.%04x", seq, record, entry)
}

const entryIDSize = 16 + 1 + 5 + 1 + 4

func entrySeq(id string) (uint64, error) {
	if len(id) != entryIDSize || id[16] != '.' || id[22] != '.' {
		return 0, bursar.Errorf(bursar.CodeInvalidCursor, "%.64q is not a place in the ledger", id)
	}
	seq, err := strconv.ParseUint(id[:16], 16, 64)
	if err != nil {
		return 0, bursar.Errorf(bursar.CodeInvalidCursor, "%.64q is not a place in the ledger", id)
	}
	return seq, nil
}

func (e *Engine) ledgerBelow(ctx context.Context, l *ledger, head uint64) error {
	upTo := head
	if l.q.Below != "" {
		seq, err := entrySeq(l.q.Below)
		if err != nil {
			return err
		}
		upTo = min(upTo, seq)
	}
	chunk := uint64(scanChunk)
	for done := false; !done && upTo > 0; {
		err := e.share.turn(ctx, l.q.CustomerID, func() (err error) {
			upTo, chunk, done, err = e.ledgerChunk(ctx, l, upTo, chunk)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ledgerChunk looks for entries in the chunk commits up to upTo, the newest first. It
// gives those that come next, and whether the page ends here.
func (e *Engine) ledgerChunk(ctx context.Context, l *ledger, upTo, chunk uint64) (uint64, uint64, bool, error) {
	after := upTo - min(upTo, chunk)
	rows, err := e.readChunk(ctx, l.q.CustomerID, after, upTo)
	if err != nil {
		return upTo, chunk, true, err
	}
	if n := len(rows); n > 0 && rows[n-1].Head.Seq < upTo { // it ended early: these are not the newest
		return upTo, max(1, uint64(n)/2), false, nil
	}
	for i := range slices.Backward(rows) {
		if rows[i].Head.Now < l.since {
			return upTo, chunk, true, nil
		}
		row, err := decodeRow(l.q.CustomerID, &rows[i])
		if err != nil {
			return upTo, chunk, true, err
		}
		entries := l.entries(row)
		for _, x := range slices.Backward(entries) {
			if l.q.Below == "" || x.ID < l.q.Below {
				if l.found = append(l.found, x); len(l.found) > l.q.Limit {
					return upTo, chunk, true, nil
				}
			}
		}
		if l.enough(ctx, row, row.Head.Seq) {
			return upTo, chunk, true, nil
		}
	}
	trimmed := len(rows) < int(upTo-after) // what was before
	return after, min(scanChunk, 2*chunk), trimmed, nil
}

func (e *Engine) ledgerAbove(ctx context.Context, l *ledger, head uint64) error {
	seq, err := entrySeq(l.q.Above)
	if err != nil {
		return err
	}
	after := seq - min(seq, 1)
	for done := false; !done && len(l.found) <= l.q.Limit; {
		err := e.share.turn(ctx, l.q.CustomerID, func() error {
			rows, err := e.readChunk(ctx, l.q.CustomerID, after, head)
			if done = len(rows) == 0; err != nil || done {
				return err
			}
			after = rows[len(rows)-1].Head.Seq
			return eachRow(ctx, l.q.CustomerID, rows, func(row *logRow) error {
				for _, x := range l.entries(row) {
					if x.ID > l.q.Above && len(l.found) <= l.q.Limit {
						l.found = append(l.found, x)
					}
				}
				if done = len(l.found) <= l.q.Limit && row.Head.Seq < head && l.enough(ctx, row, row.Head.Seq+1); done {
					return errChunkFull
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errChunkFull) {
			return err
		}
	}
	slices.Reverse(l.found)
	return nil
}

// entries are those of a commit that the query selects, oldest first.
func (l *ledger) entries(row *logRow) (out []bursar.LedgerEntry) {
	for i, r := range row.recs {
		n := 0
		add := func(ord uint32, typ bursar.LedgerType, amount bursar.Amount, at bursar.Time, feature uint32, event string) {
			x := bursar.LedgerEntry{ID: entryID(row.Head.Seq, i, n), Amount: amount, Type: typ, Timestamp: at, EventID: event}
			n++
			if amount.IsZero() {
				return
			}
			if x.GrantID, x.CurrencyID = l.grants[ord].id, l.grants[ord].currency; feature != 0 {
				x.FeatureID = l.caps[feature-1].ID
			}
			if (l.q.CurrencyID == "" || l.q.CurrencyID == x.CurrencyID) && (l.q.Types == nil || slices.Contains(l.q.Types, typ)) {
				out = append(out, x)
			}
		}
		switch r := r.(type) {
		case *grantRec:
			if r.active {
				add(r.ord, bursar.LedgerGranted, r.grant.Amount, row.Head.Now, 0, "") // an overdraft is of 0: no entry
			}
		case *grantBeginRec:
			add(r.ord, bursar.LedgerGranted, l.grants[r.ord].amount, r.at, 0, "")
		case *grantEndRec:
			typ := bursar.LedgerExpired
			if r.voided {
				typ = bursar.LedgerVoided
			}
			add(r.ord, typ, r.lapsed.Neg(), r.at, 0, "")
		case *drawRec:
			event := drawnFor(row, r)
			for _, m := range r.moves {
				add(m.grant, drawType(r.reason, m), m.amount.Neg(), r.at, r.feature, event)
				if m.ended {
					add(m.grant, l.grants[m.grant].lapse, m.amount, r.at, 0, "")
				}
			}
		}
	}
	return out
}

// drawType is the kind of entry that a move makes. What a transfer frees is the
// overdraft's, what it takes is the new grant's.
func drawType(reason drawReason, m move) bursar.LedgerType {
	switch {
	case reason == drawCorrection:
		return bursar.LedgerUpdated
	case reason == drawTransfer && m.amount.Sign() < 0:
		return bursar.LedgerTransferSource
	case reason == drawTransfer:
		return bursar.LedgerTransferTarget
	}
	return bursar.LedgerConsumed
}

// drawnFor is the id of what a draw is for: a usage has one of its own, the end of a
// hold is known by the reservation's.
func drawnFor(row *logRow, r *drawRec) string {
	if r.reason != drawConsumed || int(r.of) >= len(row.recs) {
		return ""
	}
	switch of := row.recs[r.of].(type) {
	case *holdCommitRec:
		return formatID(of.id)
	case *holdExpireRec:
		return formatID(of.id)
	default:
		p := placed{of, row, int(r.of)}
		return p.id()
	}
}
