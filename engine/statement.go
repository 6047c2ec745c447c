package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// CreditUsage reports what a currency was spent on.
func (e *Engine) CreditUsage(ctx context.Context, o ledger.ReadOptions, q ledger.CreditUsageQuery) (out ledger.CreditReport, version uint64, err error) {
	if len(q.GroupBy) > ledger.MaxGroupBy {
		return out, 0, bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed, "at most %d keys to group by", ledger.MaxGroupBy)
	}
	if q.CurrencyID != "" && e.cat.Load().CurrencyOf[q.CurrencyID] == nil {
		return out, 0, bursar.ErrorAt("?currencyId", bursar.CodeCurrencyNotFound, "%s", e.cat.Load().NoCurrency(q.CurrencyID))
	}
	amounts := ledger.NewHistory(e.cat.Load(), ledger.HistoryQuery{From: q.From, To: q.To, Granularity: ledger.Day})
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *ledger.View) error {
		if out.CurrencyID = q.CurrencyID; out.CurrencyID == "" {
			out.CurrencyID = v.FirstCurrency()
		}
		return amounts.Begin(v)
	})
	if err != nil || out.CurrencyID == "" {
		return out, version, err
	}
	counts := amounts.OfCurrency(e.cat.Load(), out.CurrencyID, q.GroupBy)
	err = e.share.turn(ctx, q.CustomerID, func(ctx context.Context) (err error) {
		if version, err = e.gather(ctx, o, q.CustomerID, amounts, counts); err != nil {
			return err
		}
		return cmp.Or(amounts.KeepRest(), counts.KeepRest())
	})
	if err != nil {
		return ledger.CreditReport{}, 0, err
	}
	out.Warnings = amounts.Warnings()
	out.Series = ledger.SeriesOfCredits(amounts, counts)
	return out, version, nil
}

// Ledger lists what moved a customer's grants, newest first. It is read from the log,
// backwards, and so as long as the log is: a page of what is rare ends where much of the
// log was read, and says where it goes on.
func (e *Engine) Ledger(ctx context.Context, o ledger.ReadOptions, q ledger.LedgerQuery) (p ledger.Page[bursar.LedgerEntry], version uint64, err error) {
	if err := e.recordTime(ctx, o, q.CustomerID); err != nil {
		return p, 0, err
	}
	l := ledger.Statement{Q: &q}
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *ledger.View) error {
		l.Snapshot(v.State)
		return nil
	})
	if err != nil {
		return p, 0, err
	}
	p.Items = []bursar.LedgerEntry{}
	if l.Since != 0 {
		read := e.ledgerBelow
		if q.Above != "" {
			read = e.ledgerAbove
		}
		err = read(ctx, &l, version)
	}
	if err != nil {
		return p, 0, err
	}
	p.Items = append(p.Items, l.Found...)
	p.Cut(q.Limit, q.Below != "", q.Above != "")
	if l.Rest != 0 {
		p.Rest = &ledger.ListPos{CreatedAt: l.RestAt, ID: l.RestID()}
		p.HasNext, p.HasPrev = p.HasNext || q.Above == "", p.HasPrev || q.Above != ""
	}
	return p, version, nil
}

const ledgerSpare = 2 * time.Second

func (e *Engine) ledgerBelow(ctx context.Context, l *ledger.Statement, head uint64) error {
	upTo := head
	if l.Q.Below != "" {
		seq, err := ledger.EntrySeq(l.Q.Below)
		if err != nil {
			return err
		}
		upTo = min(upTo, seq)
	}
	chunk := uint64(ledger.ScanChunk)
	for done := false; !done && upTo > 0; {
		err := e.share.turn(ctx, l.Q.CustomerID, func(ctx context.Context) (err error) {
			upTo, chunk, done, err = e.ledgerChunk(ctx, l, upTo, chunk)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ledgerChunk looks for entries in the last chunk commits up to upTo, the newest first. It
// gives the upTo and chunk that come next, and whether the page ends here.
func (e *Engine) ledgerChunk(ctx context.Context, l *ledger.Statement, upTo, chunk uint64) (uint64, uint64, bool, error) {
	after := upTo - min(upTo, chunk)
	rows, err := e.readChunk(ctx, l.Q.CustomerID, after, upTo)
	if err != nil {
		return upTo, chunk, true, err
	}
	if n := len(rows); n > 0 && rows[n-1].Head.Seq < upTo { // it ended early: these are not the newest
		return upTo, max(1, uint64(n)/2), false, nil
	}
	for i := range slices.Backward(rows) {
		if rows[i].Head.Now < l.Since {
			return upTo, chunk, true, nil
		}
		row, err := record.DecodeRow(l.Q.CustomerID, &rows[i])
		if err != nil {
			return upTo, chunk, true, err
		}
		entries := l.Entries(row)
		for _, x := range slices.Backward(entries) {
			if l.Q.Below == "" || x.ID < l.Q.Below {
				if l.Found = append(l.Found, x); len(l.Found) > l.Q.Limit {
					return upTo, chunk, true, nil
				}
			}
		}
		if l.Enough(late(ctx), row) {
			return upTo, chunk, true, nil
		}
	}
	trimmed := len(rows) < int(upTo-after) // what was before
	return after, min(ledger.ScanChunk, 2*chunk), trimmed, nil
}

func (e *Engine) ledgerAbove(ctx context.Context, l *ledger.Statement, head uint64) error {
	seq, err := ledger.EntrySeq(l.Q.Above)
	if err != nil {
		return err
	}
	after := seq - min(seq, 1)
	for done := false; !done && len(l.Found) <= l.Q.Limit; {
		err := e.share.turn(ctx, l.Q.CustomerID, func(ctx context.Context) error {
			rows, err := e.readChunk(ctx, l.Q.CustomerID, after, head)
			if done = len(rows) == 0; err != nil || done {
				return err
			}
			after = rows[len(rows)-1].Head.Seq
			return eachRow(ctx, l.Q.CustomerID, rows, func(row *record.Row) error {
				for _, x := range l.Entries(row) {
					if x.ID > l.Q.Above && len(l.Found) <= l.Q.Limit {
						l.Found = append(l.Found, x)
					}
				}
				if done = len(l.Found) <= l.Q.Limit && row.Head.Seq < head && l.Enough(late(ctx), row); done {
					return errChunkFull
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errChunkFull) {
			return err
		}
	}
	slices.Reverse(l.Found)
	return nil
}

// late tells that a request is to be answered with what it has.
func late(ctx context.Context) bool {
	until, limited := ctx.Deadline()
	return limited && time.Until(until) < ledgerSpare
}
