package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
)

// MostVisited is how many things were looked at, at most, while one reader held a customer's
// lock, to decide one request, and while one who saves held it.
func MostVisited(e *Engine) (read, decide, save int64) {
	return e.holding.visits[readers].Load(), e.holding.visits[deciders].Load(), e.holding.visits[savers].Load()
}

// ForgetVisits begins to count anew, and to measure time.
func ForgetVisits(e *Engine) {
	e.holding.timed.Store(true)
	for i := range e.holding.visits {
		e.holding.visits[i].Store(0)
		e.holding.time[i].Store(0)
	}
}

// Asking tells whether the write path waits for the store.
func Asking(e *Engine) bool { return e.lane.asking.since.Load() != 0 }

// RecordsOf counts the records of a commit.
func RecordsOf(row *LogRow) int {
	recs, err := decodePayload(row.Payload)
	if err != nil {
		panic(err)
	}
	return len(recs)
}

// EndingsAgree tells whether looking up what ended until now gives what recording it does.
func EndingsAgree(e *Engine, customer string, now bursar.Time) error {
	c, err := e.acquire(context.Background(), customer)
	if err != nil {
		return err
	}
	defer e.release(c)
	c.mu.RLock()
	defer c.mu.RUnlock()
	seen := newView(c.st, now)
	d := &decider{view: newView(c.st, now), cat: e.cat.Load()}
	if !d.expire(1 << 30) {
		return fmt.Errorf("not all that has ended is recorded")
	}
	half := c.st.viewAt(now, e.cat.Load()) // the settled ones recorded, the others looked up
	for ord, def := range c.st.rows {
		if def == nil {
			continue
		}
		want := d.current(uint32(ord), def)
		for _, v := range []*view{seen, half, d.view} {
			if got := v.standing(uint32(ord), def); got != want {
				return fmt.Errorf("row %d at %s is %+v, want %+v", ord, now, got, want)
			}
		}
	}
	for cap := range c.st.totals {
		want := d.total(cap)
		for _, v := range []*view{seen, half, d.view} {
			if got := v.standingTotal(cap); got != want {
				return fmt.Errorf("total %d at %s is %+v, want %+v", cap, now, got, want)
			}
		}
	}
	for id, h := range c.st.holds {
		var got, want encoder
		seen.shown(h).dump(&got)
		d.hold(id).dump(&want)
		if string(got.b) != string(want.b) {
			return fmt.Errorf("hold %s at %s is %+v, want %+v", formatID(id), now, seen.shown(h), d.hold(id))
		}
	}
	return nil
}

// LongestHeld is for how long somebody held a customer's lock at most, since ForgetVisits.
func LongestHeld(e *Engine) time.Duration {
	most := int64(0)
	for i := range e.holding.time {
		most = max(most, e.holding.time[i].Load())
	}
	return time.Duration(most)
}

// Save makes a checkpoint of a customer.
func Save(e *Engine, customer string) error {
	c, err := e.acquire(context.Background(), customer)
	if err != nil {
		return err
	}
	defer e.release(c)
	return e.checkpoint(context.Background(), c)
}
