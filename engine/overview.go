package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/bursarhq/bursar"
)

// What an operator sees first: over all customers in memory, read when it is asked for.

// Closest is a limit that is nearly used up.
type Closest struct {
	CustomerID string
	Row        TreeRow
}

// DisplayNames are, of customers in memory, their own, under "", and those of the entities
// asked for, where they have one.
func (e *Engine) DisplayNames(of map[string][]string) map[string]map[string]string {
	names := map[string]map[string]string{}
	for id, ids := range of {
		if c := e.residents.get(id); c != nil {
			c.mu.RLock()
			names[id] = c.st.viewAt(e.now(), e.cat.Load()).displayNames(ids)
			c.mu.RUnlock()
		}
	}
	return names
}

func (v *view) displayNames(ids []string) map[string]string {
	names := map[string]string{}
	if c := v.cust(); c != nil && c.Name != nil {
		names[""] = *c.Name
	}
	for _, id := range ids {
		if ord := v.entOrd(id); ord != 0 && v.ent(ord).name != nil {
			names[id] = *v.ent(ord).name
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
func (e *Engine) Closest(ctx context.Context, n int, least float64) ([]Closest, error) {
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
	out := make([]Closest, 0, len(top))
	s := treeScan{q: &TreeQuery{}, cat: e.cat.Load()}
	for i := range top {
		c := top[i].c
		c.mu.RLock()
		v := c.st.viewAt(e.now(), e.cat.Load())
		if def := v.def(top[i].row); def != nil {
			if r, ok := s.row(v, &treeItem{ent: def.ent, row: top[i].row}); ok {
				out = append(out, Closest{c.id, r})
			}
		}
		c.mu.RUnlock()
	}
	return out, nil
}

// closestOf looks at the next rows of one customer, and tells where to go on; 0 = that
// was all. The caller holds the customer's lock.
func (e *Engine) closestOf(c *customer, from int, top []closest, n int, least float64) ([]closest, int) {
	v := c.st.viewAt(e.now(), e.cat.Load())
	if v.cust() == nil || v.cust().ArchivedAt != nil {
		return top, 0
	}
	to := min(from+sliceSize/rowLook, len(v.rows))
	for ord := from; ord < to; ord++ {
		def := v.rows[ord]
		if def == nil || def.ent == 0 || !def.limited || v.ent(def.ent).archived != 0 {
			continue
		}
		limit := v.limitNow(uint32(ord), def)
		if limit.Sign() <= 0 {
			continue
		}
		x := closest{c, uint32(ord), utilization(v.standing(uint32(ord), def).used, limit), v.rowIDs[ord]}
		if x.used < least || len(top) == n && compareClosest(x, top[n-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(top, x, compareClosest)
		if top = slices.Insert(top, at, x); len(top) > n {
			top = top[:n]
		}
	}
	if to == len(v.rows) {
		to = 0
	}
	return top, to
}

func compareClosest(a, b closest) int {
	return cmp.Or(cmp.Compare(b.used, a.used), cmp.Compare(a.c.id, b.c.id), compareID(a.id, b.id))
}

// maxSpenders bounds the customers that Spend asks the store about.
const maxSpenders = 1000

// Spend is what the customers in memory were charged in each currency since from, to the
// quarter of an hour: of those that were charged anything, the maxSpenders last used.
func (e *Engine) Spend(ctx context.Context, from bursar.Time) (map[string]bursar.Amount, error) {
	list := e.residents.all()
	slices.SortFunc(list, func(a, b *customer) int { return cmp.Compare(b.used.Load(), a.used.Load()) })
	out := map[string]bursar.Amount{}
	asked := 0
	for _, c := range list {
		var caps []bursar.Capability
		c.mu.RLock()
		for ord, t := range c.st.totals {
			if x := c.st.caps.at(ord); x.Kind == bursar.KindCurrency && t.at >= from {
				caps = append(caps, x)
			}
		}
		c.mu.RUnlock()
		if len(caps) == 0 {
			continue
		}
		if asked++; asked > maxSpenders {
			break
		}
		for _, x := range caps {
			sum, err := e.seriesSum(ctx, c.id, SeriesQuery{Capability: x, From: bucketOf(from), To: bucketOf(e.now()) + 1})
			if err != nil {
				return nil, err
			}
			out[x.ID] = out[x.ID].Add(sum)
		}
	}
	return out, nil
}

// seriesSum is the sum of buckets: of what checkpoints have saved, and what came since.
func (e *Engine) seriesSum(ctx context.Context, customer string, sq SeriesQuery) (sum bursar.Amount, err error) {
	for range 100 { // a checkpoint may come between the two looks
		var pending pendingSeries
		if _, err = e.readCustomer(ctx, ReadOptions{}, customer, func(v *view) error {
			pending = v.pendingSeries(&sq)
			return nil
		}); err != nil {
			return sum, err
		}
		saved, seq, err := e.store.SeriesSum(ctx, customer, sq)
		if err != nil {
			return sum, e.unavailable(err)
		}
		if more, ok := pending.since(seq); ok {
			for i := range more {
				saved = saved.Add(more[i].Amount)
			}
			return saved, nil
		}
	}
	return sum, e.unavailable(errors.New("checkpoints kept coming while a series was read"))
}

// Counting customers.
const (
	countPage  = 1000
	maxCounted = 100_000
)

// CountCustomers counts the customers that are not archived, up to maxCounted. It reads
// all of them.
func (e *Engine) CountCustomers(ctx context.Context) (n int, err error) {
	q := CustomerQuery{Limit: countPage}
	for n < maxCounted {
		page, err := e.store.Customers(ctx, q)
		if err != nil {
			return n, e.unavailable(err)
		}
		n += len(page)
		if len(page) < countPage {
			return n, nil
		}
		last := &page[len(page)-1]
		q.After = &CustomerPos{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	return n, nil
}
