package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// DisplayNames gives the display names that there are, for those of the customers asked for that are
// in memory: each one's own, under "", and those of the entities asked for with it.
func (e *Engine) DisplayNames(of map[string][]string) map[string]map[string]string {
	names := map[string]map[string]string{}
	for id, ids := range of {
		if c := e.residents.get(id); c != nil {
			c.mu.RLock()
			names[id] = c.st.ViewAt(e.now(), e.cat.Load()).DisplayNames(ids)
			c.mu.RUnlock()
		}
	}
	return names
}

type closest struct {
	c    *customer
	row  uint32
	used float64
	id   [16]byte
}

// Closest finds the n limits, hard or soft, of live entities of the customers in memory
// whose utilization is the highest, from least on. A limit of 0 is not close to anything.
func (e *Engine) Closest(ctx context.Context, n int, least float64) ([]ledger.Closest, error) {
	var top []closest
	for _, c := range e.residents.all() {
		for next := 1; next > 0; {
			if err := ctx.Err(); err != nil {
				return nil, e.unavailable(err)
			}
			c.mu.RLock()
			top, next = e.closestOf(c, next, top, n, least)
			c.mu.RUnlock()
		}
	}
	out := make([]ledger.Closest, 0, len(top))
	s := ledger.TreeScan{Q: &ledger.TreeQuery{}, Cat: e.cat.Load()}
	for i := range top {
		c := top[i].c
		c.mu.RLock()
		v := c.st.ViewAt(e.now(), e.cat.Load())
		if def := v.Def(top[i].row); def != nil {
			if r, ok := s.Row(v, &ledger.TreeItem{Ent: def.Ent, Row: top[i].row}); ok {
				out = append(out, ledger.Closest{CustomerID: c.id, Row: r})
			}
		}
		c.mu.RUnlock()
	}
	return out, nil
}

// closestOf looks at the next rows of one customer, and tells where to go on; 0 = that
// was all. The caller holds the customer's lock.
func (e *Engine) closestOf(c *customer, from int, top []closest, n int, least float64) ([]closest, int) {
	v := c.st.ViewAt(e.now(), e.cat.Load())
	if v.Cust() == nil || v.Cust().ArchivedAt != nil {
		return top, 0
	}
	to := min(from+ledger.SliceSize/ledger.RowLook, v.Rows.Len())
	for ord := from; ord < to; ord++ {
		def := v.Def(uint32(ord))
		if def == nil || def.Ent == 0 || !def.Limited || v.Ent(def.Ent).Archived != 0 {
			continue
		}
		limit := v.LimitNow(uint32(ord), def)
		if limit.Sign() <= 0 {
			continue
		}
		x := closest{c, uint32(ord), ledger.Utilization(v.Standing(uint32(ord), def).Used, limit), v.RowIDs.At(uint32(ord))}
		if x.used < least || len(top) == n && compareClosest(x, top[n-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, x, compareClosest)
		if top = slices.Insert(top, at, x); len(top) > n {
			top = top[:n]
		}
	}
	if to == v.Rows.Len() {
		to = 0
	}
	return top, to
}

func compareClosest(a, b closest) int {
	return cmp.Or(cmp.Compare(b.used, a.used), cmp.Compare(a.c.id, b.c.id), record.CompareID(a.id, b.id))
}

// Spend is what the customers in memory were charged in each currency since from, to the
// quarter of an hour: of those that were charged anything, the MaxSpenders last used.
func (e *Engine) Spend(ctx context.Context, from bursar.Time) (map[string]bursar.Amount, error) {
	out := map[string]bursar.Amount{}
	err := e.eachSpend(ctx, from, func(_ *customer, x bursar.Capability, sum bursar.Amount) { out[x.ID] = out[x.ID].Add(sum) })
	return out, err
}

// eachSpend calls f with what each of those customers was charged in each currency.
func (e *Engine) eachSpend(ctx context.Context, from bursar.Time, f func(c *customer, x bursar.Capability, sum bursar.Amount)) error {
	list := e.residents.all()
	slices.SortFunc(list, func(a, b *customer) int { return cmp.Compare(b.used.Load(), a.used.Load()) })
	asked := 0
	for _, c := range list {
		var caps []bursar.Capability
		c.mu.RLock()
		for ord, t := range c.st.Totals {
			if x := c.st.Caps.At(ord); x.Kind == bursar.KindCurrency && t.At >= from {
				caps = append(caps, x)
			}
		}
		c.mu.RUnlock()
		if len(caps) == 0 {
			continue
		}
		if asked++; asked > ledger.MaxSpenders {
			break
		}
		for _, x := range caps {
			sum, err := e.seriesSum(ctx, c.id, store.SeriesQuery{Capability: x, From: ledger.BucketOf(from), To: ledger.BucketOf(e.now()) + 1})
			if err != nil {
				return err
			}
			f(c, x, sum)
		}
	}
	return nil
}

// PoolEnd is a prepaid pool that is nearly used up: what is left of it, and what its customer
// was charged in a day on average.
type PoolEnd struct {
	CustomerID, CurrencyID string
	Left                   bursar.Amount // below 0: an overdraft
	PerDay                 bursar.Amount
}

// EndingPools are the pools, of the customers that Spend looks at, that last for fewer than so
// many days if these are like as many days before. The n that end first are told, by when.
func (e *Engine) EndingPools(ctx context.Context, days int64, n int) ([]PoolEnd, error) {
	out := []PoolEnd{}
	cat := e.cat.Load()
	err := e.eachSpend(ctx, e.now()-bursar.Time(days)*bursar.Time(24*time.Hour), func(c *customer, x bursar.Capability, sum bursar.Amount) {
		if !cat.Prepaid(x.ID) || sum.Sign() <= 0 {
			return
		}
		c.mu.RLock()
		v := c.st.ViewAt(e.now(), cat)
		b, gone := v.Balance(x), v.Cust() == nil || v.Cust().ArchivedAt != nil
		c.mu.RUnlock()
		perDay, ok := sum.MulDiv(bursar.AmountFromInt(1), days)
		if left := b.Limit.Sub(b.Used); !gone && ok && perDay.Sign() > 0 && left.Less(sum) {
			out = append(out, PoolEnd{CustomerID: c.id, CurrencyID: x.ID, Left: left, PerDay: perDay})
		}
	})
	slices.SortFunc(out, func(a, b PoolEnd) int {
		return cmp.Or(cmp.Compare(a.Left.Ratio(a.PerDay), b.Left.Ratio(b.PerDay)), cmp.Compare(a.CustomerID, b.CustomerID), cmp.Compare(a.CurrencyID, b.CurrencyID))
	})
	return out[:min(n, len(out))], err
}

// CountCustomers counts the customers that are not archived, up to MaxCounted. It reads
// all of them.
func (e *Engine) CountCustomers(ctx context.Context) (n int, err error) {
	q := store.CustomerQuery{Limit: ledger.CountPage}
	for n < ledger.MaxCounted {
		page, err := e.store.Customers(ctx, q)
		if err != nil {
			return n, e.unavailable(err)
		}
		n += len(page)
		if len(page) < ledger.CountPage {
			return n, nil
		}
		last := &page[len(page)-1]
		q.After = &store.CustomerPos{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	return n, nil
}
