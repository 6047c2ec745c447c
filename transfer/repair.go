package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// RepairOptions say how to repair.
type RepairOptions struct {
	Write bool        // else it is only tried
	At    bursar.Time // the instant that commits of the future get; 0 = now
	Now   bursar.Time // where the store has no clock of its own
	// Found is told of each log with commits of the future once it was mended, or why it
	// cannot be.
	Found func(Ahead, error)
}

// Ahead is a log that has commits of the future.
type Ahead struct {
	Stream  string
	First   uint64 // the first of them
	Commits uint64 // up to the end: a log's instants never go back
	Until   bursar.Time
	At      bursar.Time // what they get
}

// Repaired is what a repair found.
type Repaired struct {
	Streams, Failed int // logs with commits of the future, and those that stay so
	Commits         uint64
	Deliveries      int // that waited for an instant of the future
}

// Repair looks for logs that have commits of the future, made while the clock was ahead,
// and writes these anew as of At: a log's time never goes back, so one such commit keeps
// its customer in the future until that has come. The number of commits and records stays,
// and with them ids, idempotency keys and what they answer. Windows are counted anew, and
// grants that ended before their time go on (mender). The checkpoint is made anew from the
// log. No engine uses the store meanwhile.
func Repair(ctx context.Context, s store.Store, o RepairOptions) (done Repaired, err error) {
	_, _, now, err := s.Heads(ctx, nil, nil)
	if err != nil {
		return done, err
	}
	if now == 0 {
		now = o.Now
	}
	if o.At == 0 {
		o.At = now
	}
	if o.At > now {
		return done, fmt.Errorf("the instant %s is in the future itself; it is %s", o.At, now)
	}
	if o.Write {
		var release func()
		if s, release, err = store.TakeStore(ctx, s); err != nil {
			return done, err
		}
		defer release()
	}
	r := &repairer{ctx: ctx, s: s, o: o, limit: now + bursar.Time(store.MaxClockStep), done: &done}
	if err := r.streams(); err != nil {
		return done, err
	}
	return done, r.deliveries(now)
}

// repairing is what a repair writes with.
type repairing interface {
	store.Log
	store.Moving
	store.Outbox
	Err() error
}

type repairer struct {
	ctx   context.Context
	s     repairing
	o     RepairOptions
	limit bursar.Time          // later is the future
	cat   *catalogue.Catalogue // mended
	done  *Repaired
}

// streams goes through all logs, the catalogue's first: what customers used is in it.
func (r *repairer) streams() error {
	names := []string{store.CatalogueStream}
	for len(names) > 0 {
		heads, _, _, err := r.s.Heads(r.ctx, names, nil)
		if err != nil {
			return err
		}
		for i, h := range heads {
			if err := r.stream(names[i], h); err != nil {
				return err
			}
		}
		if names, err = r.s.Streams(r.ctx, names[len(names)-1], 1000); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) stream(name string, end store.Head) error {
	l := &ahead{r: r, f: ledger.NewRefold(name), Ahead: Ahead{Stream: name, Until: end.Now}}
	if end.Now <= r.limit {
		if name == store.CatalogueStream {
			r.cat = l.f.Cat
			return store.ReadLogTo(r.ctx, r.s, name, store.Head{}, end, l.f.Add)
		}
		return nil
	}
	r.done.Streams++
	err := l.mend(end)
	if name == store.CatalogueStream {
		if r.cat = l.f.Cat; err != nil {
			return fmt.Errorf("%s: %w", streamTitle(name), err)
		}
	}
	if r.ctx.Err() != nil || r.s.Err() != nil {
		return errors.Join(r.ctx.Err(), r.s.Err())
	}
	if r.done.Commits += l.Commits; err != nil {
		r.done.Failed++
	}
	r.o.Found(l.Ahead, err)
	return nil
}

// ahead is one log with commits of the future.
type ahead struct {
	Ahead
	r  *repairer
	f  *ledger.Refold // of what is right, and then of what was mended
	to store.Head     // the last commit that is right
	m  ledger.Mender
}

func (l *ahead) mend(end store.Head) error {
	if err := l.Begin(end); err != nil {
		return err
	}
	parts := partsOf(l.r.ctx, l.r.s, l.f, l.to, end, l.add)
	if !l.r.o.Write {
		for _, err := range parts {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := l.r.s.Rewrite(l.r.ctx, l.Stream, l.to, parts); err != nil {
		return err
	}
	again, head := ledger.NewRefold(l.Stream), l.f.Head()
	if err := again.Base(baseOf(l.r.ctx, l.r.s, again.Stream), func(*store.Checkpoint) error { return nil }); err != nil {
		return err
	}
	if err := store.ReadLogTo(l.r.ctx, l.r.s, l.Stream, again.Head(), head, again.Add); err != nil {
		return err
	}
	if again.Sums().Differ(l.f.Sums()) {
		return errors.New("what was written does not fold to what was mended; restore the backup, and report it")
	}
	return nil
}

// Begin folds the log as far as it is right, and looks at the rest.
func (l *ahead) Begin(end store.Head) error {
	if err := l.f.Base(baseOf(l.r.ctx, l.r.s, l.f.Stream), func(*store.Checkpoint) error { return nil }); err != nil {
		return err
	}
	if l.f.Head().Now > l.r.limit {
		l.First, l.Commits = l.f.Head().Seq, end.Seq-l.f.Head().Seq+1
		return fmt.Errorf("%w up to a checkpoint that is of the future too, so what was before it is not known any more; restore it from a backup", store.ErrTrimmed)
	}
	l.m = ledger.Mender{Drawn: map[uint32]bool{}}
	err := store.ReadLogTo(l.r.ctx, l.r.s, l.Stream, l.f.Head(), end, func(row *store.LogRow) error {
		if l.First == 0 && row.Head.Now <= l.r.limit {
			return l.f.Add(row)
		}
		if l.First == 0 {
			l.First, l.Commits = row.Head.Seq, end.Seq-row.Head.Seq+1
		}
		recs, err := record.DecodePayload(row.Payload)
		l.m.NoteDrawn(recs)
		return err
	})
	l.to, l.m.Cat = l.f.Head(), l.r.cat
	l.At = max(l.r.o.At, l.to.Now+bursar.Time(time.Millisecond)-1).Milli()
	l.m.At = l.At
	return err
}

// partsOf are parts for Rewrite: add folds each row of a log, from a head to its end, into f and puts what is written of it into a
// part. The last part has what the stream uses then.
func partsOf(ctx context.Context, s store.LogReader, f *ledger.Refold, from, end store.Head, add func(*store.LogRow, *store.BasePart) error) iter.Seq2[*store.BasePart, error] {
	errStopped := errors.New("stopped")
	return func(yield func(*store.BasePart, error) bool) {
		p, size := new(store.BasePart), 0
		err := store.ReadLogTo(ctx, s, f.Stream, from, end, func(row *store.LogRow) error {
			if err := add(row, p); err != nil {
				return err
			}
			if size += len(row.Payload); len(p.Log) < importBatch && size < importBatchBytes {
				return nil
			}
			if !yield(p, nil) {
				return errStopped
			}
			p, size = new(store.BasePart), 0
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(nil, err)
		default:
			if f.St != nil {
				p.Uses = f.St.AllUses()
			}
			yield(p, nil)
		}
	}
}

// add mends one row, folds it and puts it into p.
func (l *ahead) add(row *store.LogRow, p *store.BasePart) (err error) {
	defer ledger.Recovered(l.Stream, row, &err)
	c := store.Commit{Stream: l.Stream, After: l.f.Head(), ID: row.ID, Now: l.At}
	if l.f.Cat != nil {
		c.Payload, err = l.m.Catalogue(l.f.Cat, row)
	} else {
		var d *ledger.Decider
		if d, err = l.m.Commit(l.f.St, row); err == nil {
			c.Payload = record.EncodePayload(nil, d.Recs)
			d.Effects(&c, d.Recs)
		}
	}
	if err != nil {
		return fmt.Errorf("commit %d: %w", row.Head.Seq, err)
	}
	c.Hash = record.Chain(c.After, c.ID, c.Now, c.Payload)
	mended := store.LogRow{Head: c.Head(), ID: c.ID, Payload: c.Payload}
	p.Log, p.Activity = append(p.Log, mended), append(p.Activity, c.Activity...)
	if c.Listing != nil {
		p.Listing = c.Listing
	}
	return l.f.Add(&mended)
}

// deliveries has messages that were queued in the future sent now.
func (r *repairer) deliveries(now bursar.Time) error {
	all, err := r.s.DueDeliveries(r.ctx, math.MaxInt64, func(string) int { return math.MaxInt32 })
	if err != nil {
		return err
	}
	var late []store.Delivery
	for i := range all {
		if d := all[i].Delivery; d.CreatedAt > r.limit && d.NextAttempt > r.limit {
			d.NextAttempt = now
			late = append(late, d)
		}
	}
	if r.done.Deliveries = len(late); !r.o.Write || len(late) == 0 {
		return nil
	}
	return r.s.SaveDeliveries(r.ctx, late)
}
