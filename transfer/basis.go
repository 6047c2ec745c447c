package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// Base begins a log that was trimmed in the store, or finds that it is there.
func (im *importer) Base(at store.Head, parts iter.Seq2[*store.BasePart, error]) error {
	in := im.in
	b := &basis{in: in, at: at, st: ledger.NewState()}
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
			in.dry.St, in.dry.Based = b.st, true
		}
		return nil
	}
	b.writes = true
	if err := im.s.Begin(im.ctx, in.name, checked); err != nil {
		return fmt.Errorf("writing what %s goes on from: %w", streamTitle(in.name), err)
	}
	in.had, im.t.Seq = at, at.Seq
	im.t.Written += b.commits
	var sum ledger.RowSum
	if err := im.s.Base(im.ctx, in.name, sum.Add); err != nil {
		return fmt.Errorf("reading back what %s goes on from: %w", streamTitle(in.name), err)
	}
	if sum.Text() != b.sum.Text() {
		im.mismatches = append(im.mismatches, in.mismatch())
	}
	return in.open()
}

// basis is what a log goes on from, while it is read.
type basis struct {
	in      *incoming
	at      store.Head
	st      *ledger.State
	sum     ledger.RowSum
	commits uint64
	due     bursar.Time // as the checkpoint has it
	writes  bool
	// buckets of the usage series that came last: those of one hour
	hour    uint32
	buckets map[store.SeriesKey]bool
}

// checked gives the parts that are right, and one more with what the listings show. An
// error, in this file's words, comes before the last.
func (b *basis) checked(parts iter.Seq2[*store.BasePart, error]) iter.Seq2[*store.BasePart, error] {
	return func(yield func(*store.BasePart, error) bool) {
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

func (b *basis) take(p *store.BasePart) (err error) {
	defer b.recovered(&err)
	if cp := p.Checkpoint; cp != nil {
		if err := checkPart(cp); err != nil {
			return b.wrong(err)
		}
		if err := b.series(cp.Series); err != nil {
			return b.wrong(err)
		}
		if cp.Meta != nil && b.st.Head.Seq > 0 {
			return b.wrong(errors.New("it begins twice"))
		}
		if err := b.st.Base(cp); err != nil {
			return b.wrong(err)
		}
		if err := b.sum.Add(cp); err != nil {
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
func (b *basis) last() (p *store.BasePart, err error) {
	defer b.recovered(&err)
	s := b.st
	if err := s.Restored(); err != nil {
		return nil, b.wrong(err)
	}
	if err := s.Sound(); err != nil {
		return nil, b.wrong(err)
	}
	if s.Customer == nil || s.Customer.ID != b.in.name {
		return nil, b.wrong(errors.New("it is another customer's"))
	}
	if err := s.CheckHeld(); err != nil {
		return nil, b.wrong(err)
	}
	if s.Due() != b.due {
		return nil, b.wrong(fmt.Errorf("it is due at %s and not at %s", s.Due(), b.due))
	}
	s.Dump() // which visits all that is in it
	return &store.BasePart{Listing: s.Customer, Uses: s.AllUses()}, b.in.lacksAny(s.Types.List, s.Caps.List)
}

// series tells whether buckets come hour by hour and each once.
func (b *basis) series(rows []store.SeriesRow) error {
	for i := range rows {
		hour := rows[i].Bucket / 4
		if hour < b.hour {
			return errors.New("the usage series go back in time")
		}
		if hour > b.hour || b.buckets == nil {
			b.hour, b.buckets = hour, map[store.SeriesKey]bool{}
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
func checkPart(cp *store.Checkpoint) error {
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
		var m ledger.Meta
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
