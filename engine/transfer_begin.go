package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar"
)

// base begins a log that was trimmed in the store, or finds that it is there.
func (im *importer) base(at Head, parts iter.Seq2[*BasePart, error]) error {
	in := im.in
	b := &basis{in: in, at: at, st: newState()}
	checked := b.checked(parts)
	switch {
	case in.had.Seq > 0 && in.had.Seq < at.Seq:
		return fmt.Errorf("%w of customer %q: it ends at commit %d, and the file's log was trimmed up to a checkpoint at commit %d", ErrDiverges, in.name, in.had.Seq, at.Seq)
	case in.had.Seq > 0 || im.o.DryRun:
		for _, err := range checked {
			if err != nil {
				return err
			}
		}
		if in.dry != nil {
			in.dry.st, in.dry.based = b.st, true
		}
		return nil
	}
	b.writes = true
	if err := im.s.Begin(im.ctx, in.name, checked); err != nil {
		return fmt.Errorf("writing what %s goes on from: %w", streamTitle(in.name), err)
	}
	in.had, im.t.Seq = at, at.Seq
	im.t.Written += b.commits
	var sum rowSum
	if err := im.s.Base(im.ctx, in.name, sum.add); err != nil {
		return fmt.Errorf("reading back what %s goes on from: %w", streamTitle(in.name), err)
	}
	if sum.text() != b.sum.text() {
		im.mismatches = append(im.mismatches, in.mismatch())
	}
	return in.open()
}

// basis is what a log goes on from, while it is read.
type basis struct {
	in      *incoming
	at      Head
	st      *state
	sum     rowSum
	commits uint64
	due     bursar.Time // as the checkpoint has it
	writes  bool
	// buckets of the usage series that came last: those of one hour
	hour    uint32
	buckets map[SeriesKey]bool
}

// checked gives the parts that are right, and one more with what the listings show. An
// error, in this file's words, comes before the last.
func (b *basis) checked(parts iter.Seq2[*BasePart, error]) iter.Seq2[*BasePart, error] {
	return func(yield func(*BasePart, error) bool) {
		for p, err := range parts {
			if err == nil {
				err = b.take(p)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
		p, err := b.last()
		yield(p, err)
	}
}

func (b *basis) take(p *BasePart) (err error) {
	defer b.recovered(&err)
	if cp := p.Checkpoint; cp != nil {
		if err := checkPart(cp); err != nil {
			return b.wrong(err)
		}
		if err := b.series(cp.Series); err != nil {
			return b.wrong(err)
		}
		if cp.Meta != nil && b.st.head.Seq > 0 {
			return b.wrong(errors.New("it begins twice"))
		}
		if err := b.st.base(cp); err != nil {
			return b.wrong(err)
		}
		if err := b.sum.add(cp); err != nil {
			return err
		}
		if cp.Meta != nil {
			b.due = cp.Due
		}
	}
	for i := range p.Log {
		switch {
		case b.writes:
			b.commits++
		case b.in.had.Seq > 0:
			if err := b.in.present(&p.Log[i]); err != nil {
				return err
			}
		default:
			b.in.im.t.Written++
		}
	}
	return nil
}

// last is the part that follows from the whole state.
func (b *basis) last() (p *BasePart, err error) {
	defer b.recovered(&err)
	s := b.st
	s.restored()
	if err := s.sound(); err != nil {
		return nil, b.wrong(err)
	}
	if s.customer == nil || s.customer.ID != b.in.name {
		return nil, b.wrong(errors.New("it is another customer's"))
	}
	if err := s.checkHeld(); err != nil {
		return nil, b.wrong(err)
	}
	if s.due() != b.due {
		return nil, b.wrong(fmt.Errorf("it is due at %s and not at %s", s.due(), b.due))
	}
	s.dump() // which visits all that is in it
	return &BasePart{Listing: s.customer, Uses: s.allUses()}, b.in.lacksAny(s.types.list, s.caps.list)
}

// series tells whether buckets come hour by hour and each once.
func (b *basis) series(rows []SeriesRow) error {
	for i := range rows {
		hour := rows[i].Bucket / 4
		if hour < b.hour {
			return errors.New("the usage series go back in time")
		}
		if hour > b.hour || b.buckets == nil {
			b.hour, b.buckets = hour, map[SeriesKey]bool{}
		}
		if b.buckets[rows[i].SeriesKey] {
			return errors.New("a bucket of the usage series is there twice")
		}
		b.buckets[rows[i].SeriesKey] = true
	}
	return nil
}

func (b *basis) wrong(err error) error {
	return fmt.Errorf("%w: the checkpoint of %s: %w", ErrExport, streamTitle(b.in.name), err)
}

func (b *basis) recovered(err *error) {
	if p := recover(); p != nil {
		*err = b.wrong(fmt.Errorf("it is not one of a customer: %v", p))
	}
}

// maxOrd bounds the numbers in a checkpoint that comes from outside: what is found by
// number is in slices.
const maxOrd = 1 << 23

// checkPart tells whether a part may be taken in.
func checkPart(cp *Checkpoint) error {
	top := uint32(0)
	for i := range cp.Entities {
		top = max(top, cp.Entities[i].Ord, cp.Entities[i].ParentOrd)
	}
	for i := range cp.Assignments {
		if top = max(top, cp.Assignments[i].Ord); cp.Assignments[i].Deleted {
			return fmt.Errorf("the deleted assignment %s", cp.Assignments[i].ID)
		}
	}
	for i := range cp.Counters {
		top = max(top, cp.Counters[i].Ord)
	}
	for i := range cp.Parts {
		var ord uint32
		if _, err := fmt.Sscanf(cp.Parts[i].Key, "%d", &ord); err != nil {
			return fmt.Errorf("the key %q of a part", cp.Parts[i].Key)
		}
		top = max(top, ord)
	}
	if cp.Meta != nil {
		var m meta
		if err := json.Unmarshal(cp.Meta, &m); err != nil {
			return err
		}
		if m.Rows < 0 || m.Rows > maxOrd {
			return fmt.Errorf("a number of %d", m.Rows)
		}
	}
	if cp.Base != 0 || cp.DropGenerations != 0 || cp.Meta == nil && cp.Due != 0 {
		return errors.New("a part that changes another checkpoint")
	}
	if top > maxOrd {
		return fmt.Errorf("a number of %d", top)
	}
	return nil
}

// sound tells whether all that a state's rows name is there.
func (s *state) sound() error {
	for ord := range s.entities[1:] {
		e, depth := uint32(ord+1), 0
		for ; e != 0 && int(e) < len(s.entities) && depth <= bursar.MaxDepth; depth++ {
			e = s.entities[e].parent
		}
		if e != 0 || s.entities[ord+1].typ == 0 {
			return fmt.Errorf("entity %q has a type or parents that it cannot have", s.entities[ord+1].id)
		}
	}
	isEntity := func(ord uint32) bool { return int(ord) < len(s.entities) }
	isCap := func(ord uint32) bool { return ord > 0 && int(ord) <= len(s.caps.list) }
	isRow := func(ord uint32) bool { return int(ord) < len(s.rows) }
	isGrant := func(ord uint32) bool { return int(ord) < len(s.grants) }
	for ord, def := range s.rows {
		if def == nil {
			continue
		}
		ok := def.ent > 0 && isEntity(def.ent) && isCap(def.cap)
		for _, e := range def.scope {
			ok = ok && isEntity(e)
		}
		if !ok {
			return fmt.Errorf("assignment %s names what is not there", formatID(s.rowIDs[ord]))
		}
	}
	for id, h := range s.holds {
		ok := isCap(h.cap)
		for _, p := range h.path {
			ok = ok && isEntity(p.ent) && isEntity(p.child)
		}
		for _, chain := range h.chains {
			for _, ord := range chain {
				ok = ok && isRow(ord)
			}
		}
		for _, c := range h.costs {
			ok = ok && isCap(c.cap)
		}
		if !ok {
			return fmt.Errorf("reservation %s names what is not there", formatID(id))
		}
	}
	if !s.soundPaths() {
		return errors.New("a path goes through entities that are not there")
	}
	return s.soundMoney(isCap, isRow, isGrant)
}

func (s *state) soundMoney(isCap, isRow, isGrant func(uint32) bool) error {
	for i, g := range s.grants[1:] {
		if g == nil || !isCap(g.cap) {
			return fmt.Errorf("grant number %d is not there or of nothing", i+1)
		}
	}
	for cap, p := range s.pools {
		ok := isCap(cap) && isGrant(p.overdraft)
		for _, list := range [][]uint32{p.live, p.ended} {
			for _, ord := range list {
				ok = ok && ord > 0 && isGrant(ord)
			}
		}
		if !ok {
			return fmt.Errorf("the pool number %d names what is not there", cap)
		}
	}
	for cap := range s.totals {
		if !isCap(cap) {
			return errors.New("a total of nothing")
		}
	}
	for key := range s.levels {
		if !isCap(key.cap) || int(key.leaf) >= len(s.entities) {
			return errors.New("a level of nothing")
		}
	}
	for cap, p := range s.promos {
		if !isCap(cap) || !isRow(p.row) {
			return errors.New("a promotion of nothing")
		}
	}
	for row := range s.boosts {
		if !isRow(row) {
			return errors.New("a boost of nothing")
		}
	}
	for row := range s.fired {
		if !isRow(row) {
			return errors.New("an alert of nothing")
		}
	}
	for key := range s.uniques {
		if !isRow(key.row) || key.row == 0 && !isCap(key.cap) {
			return errors.New("a set of values of nothing")
		}
	}
	return nil
}
