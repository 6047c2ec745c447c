package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// VerifyAll checks every customer in memory: that its log folds to the state that
// serves, that held amounts are the sums of the open holds, and that the usage series
// add up to the totals. It reads whole logs; tests and self-audits call it.
func (e *Engine) VerifyAll(ctx context.Context) error {
	var errs []error
	for _, c := range e.residents.all() {
		if err := e.verify(ctx, c.id); err != nil {
			errs = append(errs, fmt.Errorf("customer %q: %w", c.id, err))
		}
	}
	return errors.Join(errs...)
}

var errFolded = errors.New("folded")

func (e *Engine) verify(ctx context.Context, id string) error {
	c, err := e.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer e.release(c)
	c.saving.Lock() // so that holds do not leave memory between the two looks
	defer c.saving.Unlock()
	c.mu.RLock()
	head, live := c.st.head, c.st.dump()
	inMemory := slices.Collect(maps.Keys(c.st.holds))
	err = c.st.checkHeld()
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	again := newState()
	err = e.store.ReadLog(ctx, id, 0, 0, func(row LogRow) error {
		if row.Head.Seq > head.Seq {
			return errFolded
		}
		return again.fold(id, &row)
	})
	if err != nil && !errors.Is(err, errFolded) {
		return err
	}
	keep := map[[16]byte]bool{}
	for _, h := range inMemory {
		keep[h] = true
	}
	maps.DeleteFunc(again.holds, func(id [16]byte, h *hold) bool { return h.status != bursar.HoldOpen && !keep[id] })
	if folded := again.dump(); !bytes.Equal(live, folded) {
		i := 0
		for i < min(len(live), len(folded)) && live[i] == folded[i] {
			i++
		}
		return fmt.Errorf("the state differs from its log at byte %d of %d", i, len(live))
	}
	return again.checkSeries()
}

// dump is everything that follows from the log alone, in one order, as bytes.
func (s *state) dump() []byte {
	var e encoder
	e.uint(s.head.Seq)
	e.hash(s.head.Hash)
	if s.customer != nil {
		(&customerRec{*s.customer}).encode(&e)
	}
	for _, t := range s.types.list {
		e.string(t)
	}
	for _, c := range s.combos.list {
		e.string(c)
	}
	for _, p := range s.paths.list {
		e.string(p)
	}
	for ord, x := range s.entities {
		if x != nil {
			(&entityRec{uint32(ord), *x}).encode(&e)
		}
	}
	for ord, def := range s.rows {
		if def == nil {
			continue
		}
		(&rowRec{ord: uint32(ord), id: s.rowIDs[ord], def: *def}).encode(&e)
		if c := s.counters[ord]; c != nil {
			c.window.encode(&e)
			for _, a := range []bursar.Amount{c.prev, c.used, c.held} {
				e.amount(a)
			}
		}
	}
	for _, cap := range slices.Sorted(maps.Keys(s.totals)) {
		t := s.totals[cap]
		e.ord(cap)
		e.amount(t.value)
		e.amount(t.held)
		e.time(t.at)
	}
	levels := slices.SortedFunc(maps.Keys(s.levels), func(a, b levelKey) int { return cmp.Or(cmp.Compare(a.leaf, b.leaf), cmp.Compare(a.cap, b.cap)) })
	for _, k := range levels {
		e.ord(k.leaf)
		e.ord(k.cap)
		e.amount(s.levels[k].value)
		e.time(s.levels[k].at)
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.holds), compareID) {
		s.holds[id].dump(&e)
	}
	s.dumpMoney(&e)
	return e.b
}

// checkHeld tells whether what rows and totals hold is what open holds say.
func (s *state) checkHeld() error {
	rows, caps := map[uint32]bursar.Amount{}, map[uint32]bursar.Amount{}
	for _, h := range s.holds {
		if h.status != bursar.HoldOpen {
			continue
		}
		add := func(cap uint32, held bursar.Amount) {
			caps[cap] = caps[cap].Add(held)
			for _, r := range newView(s, s.head.Now).heldRows(h, cap) {
				rows[r] = rows[r].Add(held)
			}
		}
		add(h.cap, h.amount)
		for _, c := range h.costs {
			add(c.cap, c.held)
		}
	}
	for ord, c := range s.counters {
		if c != nil && s.rows[ord] != nil && c.held != rows[uint32(ord)] {
			return fmt.Errorf("assignment %s holds %s, its open reservations %s", formatID(s.rowIDs[ord]), c.held, rows[uint32(ord)])
		}
	}
	for cap, t := range s.totals {
		if t.held != caps[cap] {
			return fmt.Errorf("%s holds %s, its open reservations %s", s.caps.at(cap), t.held, caps[cap])
		}
	}
	return nil
}

// checkSeries tells, of a state that was folded from its whole log, whether every
// entity's buckets add up: what came through each child is what the entity has.
func (s *state) checkSeries() error {
	customer := map[uint32]bursar.Amount{}
	for k, a := range s.series {
		if k.ent == 0 {
			customer[k.cap] = customer[k.cap].Add(a)
		}
	}
	for cap, t := range s.totals {
		// A correction that was clamped took less from the total than from the series.
		if sum := customer[cap]; t.value.Less(sum) {
			return fmt.Errorf("%s has a total of %s and usage series of %s", s.caps.at(cap), t.value, sum)
		}
	}
	return nil
}
