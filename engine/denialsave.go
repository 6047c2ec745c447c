package engine

import (
	"context"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// keepDenials writes what was noted, once a second and a last time when the engine stops. Once a second
// people are told of it, too.
func (e *Engine) keepDenials() {
	tick := time.NewTicker(denialsEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			if !e.denials.keeps {
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), denialsLastTimeout)
			defer cancel()
			e.saveDenials(ctx)
			if samples, counted := e.denials.giveUp(); samples+counted > 0 {
				e.o.Log.Error("denials are lost: the store did not take them before the stop", "samples", samples, "counted", counted)
			}
			return
		case <-tick.C:
			e.saveDenials(context.Background())
			e.tellDenials(context.Background())
		}
	}
}

// saveDenials writes what waits now. What the store does not take waits for the next time.
func (e *Engine) saveDenials(ctx context.Context) {
	k := e.denials
	if !k.keeps {
		return
	}
	k.saving.Lock() // the lengths below only grow while it is held
	defer k.saving.Unlock()
	k.mu.Lock()
	samples, counts := len(k.waiting), len(k.dirty)
	k.mu.Unlock()
	for samples+counts > 0 && e.store.Err() == nil {
		one, cancel := context.WithTimeout(ctx, denialsTimeout)
		n, m, err := k.save(one, e.store, samples, counts)
		cancel()
		if err != nil {
			e.o.Log.Warn("keeping denials failed; it will be tried again", "err", err)
			return
		}
		samples, counts = samples-n, counts-m
	}
}

// giveUp counts as lost what waits and will not be written.
func (k *denialKeeper) giveUp() (samples, counted uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	samples = uint64(len(k.waiting))
	for _, c := range k.dirty {
		counted += c.Denied - c.written
	}
	k.stats.Lost, k.stats.Untold = k.stats.Lost+samples, k.stats.Untold+counted
	k.waiting, k.bytes, k.dirty = nil, 0, nil
	return samples, counted
}

// save writes some of the first samples and counts that wait, and tells how many. The caller holds
// saving.
func (k *denialKeeper) save(ctx context.Context, s store.Denials, samples, dirtyCounts int) (n, m int, err error) {
	k.mu.Lock()
	k.saved++
	some := k.waiting[:min(samples, denialBatch)]
	dirty := k.dirty[:min(dirtyCounts, denialBatch)]
	counts := make([]store.DenialCount, len(dirty))
	for i, c := range dirty {
		counts[i] = c.DenialCount
	}
	k.mu.Unlock()
	rows := make([]store.DenialRow, len(some))
	for i, d := range some {
		if rows[i], err = rowOf(d); err != nil {
			return 0, 0, err
		}
	}
	err = s.SaveDenials(ctx, rows, counts)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saved++
	for _, c := range dirty {
		c.unsure = err != nil
	}
	if err != nil {
		return 0, 0, err
	}
	for _, d := range some {
		k.bytes -= d.Size()
	}
	k.stats.Kept += uint64(len(some))
	k.waiting = slices.Clone(k.waiting[len(some):])
	var again []*denialCount
	for i, c := range dirty {
		c.written, c.writtenKept = counts[i].Denied, counts[i].Kept
		if c.dirty = c.Denied != c.written; c.dirty {
			again = append(again, c)
		}
	}
	k.dirty = append(slices.Clone(k.dirty[len(dirty):]), again...)
	return len(some), len(dirty), nil
}

// unwrittenCounts are the counts that are not written, or of which that is not known.
type unwrittenCounts struct {
	more   []store.DenialCount // what counts have more than what is written of them
	unsure [][]byte            // keys of what may be written
	whole  []store.DenialCount // the counts of unsure
	saves  uint64              // as saves was
}

// unwritten has the counts of hours in [from, to): of a customer, or of all for "".
func (k *denialKeeper) unwritten(customer string, from, to bursar.Time) (u unwrittenCounts) {
	k.mu.Lock()
	defer k.mu.Unlock()
	u.saves = k.saved
	for _, c := range k.dirty {
		if (customer != "" && c.CustomerID != customer) || c.Hour < from || c.Hour >= to {
			continue
		}
		x := c.DenialCount
		if x.Process = ""; c.unsure {
			u.unsure = append(u.unsure, c.Key())
			u.whole = append(u.whole, x)
			continue
		}
		x.Denied, x.Kept = c.Denied-c.written, c.Kept-c.writtenKept
		u.more = append(u.more, x)
	}
	return u
}

// saves changes whenever counts are being written, or were.
func (k *denialKeeper) saves() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.saved
}
