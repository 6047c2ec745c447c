package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// MostVisited is how many things were looked at, at most, while one reader held a customer's
// lock, to decide one request, and while one who saves held it.
func MostVisited(e *Engine) (read, decide, save int64) {
	return e.lockTimes.visits[readers].Load(), e.lockTimes.visits[deciders].Load(), e.lockTimes.visits[savers].Load()
}

// ForgetVisits begins to count anew, and to measure time.
func ForgetVisits(e *Engine) {
	e.lockTimes.timed.Store(true)
	for i := range e.lockTimes.visits {
		e.lockTimes.visits[i].Store(0)
		e.lockTimes.time[i].Store(0)
	}
}

// Asking tells whether the write path waits for the store.
func Asking(e *Engine) bool { return e.lane.asking.since.Load() != 0 }

// RecordsOf counts the records of a commit.
func RecordsOf(row *store.LogRow) int {
	recs, err := record.DecodePayload(row.Payload)
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
	seen := ledger.NewView(c.st, now)
	d := &ledger.Decider{View: ledger.NewView(c.st, now), Cat: e.cat.Load()}
	if !d.Expire(1 << 30) {
		return fmt.Errorf("not all that has ended is recorded")
	}
	half := c.st.ViewAt(now, e.cat.Load()) // the settled ones recorded, the others looked up
	for ord := range c.st.Rows.Len() {
		def := c.st.Rows.At(uint32(ord))
		if def == nil {
			continue
		}
		want := d.Current(uint32(ord), def)
		for _, v := range []*ledger.View{seen, half, d.View} {
			if got := v.Standing(uint32(ord), def); got != want {
				return fmt.Errorf("row %d at %s is %+v, want %+v", ord, now, got, want)
			}
		}
	}
	for cap := range c.st.Totals {
		want := d.Total(cap)
		for _, v := range []*ledger.View{seen, half, d.View} {
			if got := v.StandingTotal(cap); got != want {
				return fmt.Errorf("total %d at %s is %+v, want %+v", cap, now, got, want)
			}
		}
	}
	for id, h := range c.st.Holds {
		var got, want record.Encoder
		seen.Shown(h).Dump(&got)
		d.Hold(id).Dump(&want)
		if string(got.B) != string(want.B) {
			return fmt.Errorf("hold %s at %s is %+v, want %+v", store.FormatID(id), now, seen.Shown(h), d.Hold(id))
		}
	}
	return nil
}

// LongestHeld is for how long somebody held a customer's lock at most, since ForgetVisits.
func LongestHeld(e *Engine) time.Duration {
	most := int64(0)
	for i := range e.lockTimes.time {
		most = max(most, e.lockTimes.time[i].Load())
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
