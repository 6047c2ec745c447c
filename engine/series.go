package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/bursarhq/bursar"
)

// seriesSource is what a reader of usage series asks for: some of the buckets of one
// entity or more, all as of one version of the customer.
type seriesSource struct {
	queries []SeriesQuery
	// paths is of the entity, if there is one, whose paths those of usesByPath and
	// countsByPath are; looked is how many paths were looked at for it.
	through uint32
	paths   []uint32
	looked  uint32
}

// byPath tells whether q selects buckets of paths.
func (q *SeriesQuery) byPath() bool { return q.EntityOrd == usesByPath || q.EntityOrd == countsByPath }

// pending notes what of the source no checkpoint has, at the version that v is of.
func (s *seriesSource) pending(v *view) (out []pendingSeries, done bool) {
	if s.through != 0 && !v.pathsThrough(s.through, &s.paths, &s.looked) {
		return nil, false
	}
	for i := range s.queries {
		q := &s.queries[i]
		if q.byPath() && s.through != 0 {
			q.Children = append([]uint32{}, s.paths...)
		}
		out = append(out, v.pendingSeries(q))
	}
	return out, true
}

// seriesRows reads buckets: what checkpoints have saved, and what came since.
func (e *Engine) seriesRows(ctx context.Context, o ReadOptions, customer string, s *seriesSource) ([]SeriesRow, uint64, error) {
	for range 100 { // a checkpoint may come between the looks
		var pending []pendingSeries
		version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
			var done bool
			if pending, done = s.pending(v); !done {
				return errGoOn
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		rows, ok, err := e.savedSeries(ctx, customer, s, pending)
		if err != nil || ok {
			return rows, version, err
		}
	}
	return nil, 0, e.unavailable(errors.New("checkpoints kept coming while a series was read"))
}

// savedSeries reads what checkpoints have and adds what is pending; not ok when one came
// in between.
func (e *Engine) savedSeries(ctx context.Context, customer string, s *seriesSource, pending []pendingSeries) (rows []SeriesRow, ok bool, err error) {
	for i, q := range s.queries {
		var saved []SeriesRow
		seq := pending[i].base
		if q.Limit = maxBuckets + 1 - len(rows); q.Children == nil || len(q.Children) > 0 {
			if saved, seq, err = e.store.Series(ctx, customer, q); err != nil {
				return nil, false, e.unavailable(err)
			}
		}
		more, ok := pending[i].since(seq)
		if !ok {
			return nil, false, nil
		}
		if rows = append(append(rows, saved...), more...); len(rows) > maxBuckets {
			return nil, false, bursar.ErrorAt("?startDate", bursar.CodeTooMuchToRead, "more than %d figures would have to be added up: take a shorter time", maxBuckets)
		}
	}
	return rows, true, nil
}

// pendingSeries is what a checkpoint has not saved yet, in two parts while one is being
// saved.
type pendingSeries struct {
	base, mid     uint64
	flushing      bool
	first, second []SeriesRow

	head  uint64
	steps []pendingStep // in place of first and second where other processes save too
	timed []SeriesRow   // of holds that have ended by time
}

// seriesStep is what one commit added to the series.
type seriesStep struct {
	seq  uint64
	adds map[bucket]bursar.Amount
}

type pendingStep struct {
	seq uint64
	row SeriesRow
}

func addUp[K comparable](sums, adds map[K]bursar.Amount) {
	for k, a := range adds {
		sums[k] = sums[k].Add(a)
	}
}

// forgetSteps drops what a checkpoint at seq has.
func (s *state) forgetSteps(seq uint64) {
	i, _ := slices.BinarySearchFunc(s.steps, seq+1, func(st seriesStep, seq uint64) int { return cmp.Compare(st.seq, seq) })
	for _, st := range s.steps[:i] {
		s.added -= len(st.adds)
	}
	s.steps = slices.Delete(s.steps, 0, i)
}

// selects tells whether a child is one of those that q asks for.
func (q *SeriesQuery) selects(child uint32) bool {
	if q.Children == nil {
		return true
	}
	_, ok := slices.BinarySearch(q.Children, child)
	return ok
}

func (v *view) pendingSeries(q *SeriesQuery) pendingSeries {
	cap := v.caps.ord(q.Capability)
	pick := func(m map[bucket]bursar.Amount) (out []SeriesRow) {
		for k, a := range m {
			if k.ent == q.EntityOrd && k.cap == cap && q.From <= k.at && k.at < q.To && q.selects(k.child) {
				out = append(out, SeriesRow{k.named(v.caps.list), a})
			}
		}
		return out
	}
	if v.shared {
		p := pendingSeries{base: v.seriesBase, head: v.head.Seq, timed: pick(v.adds)}
		for _, st := range v.steps {
			for _, r := range pick(st.adds) {
				p.steps = append(p.steps, pendingStep{st.seq, r})
			}
		}
		return p
	}
	// adds is of holds that have ended by time, which no commit has recorded yet.
	return pendingSeries{base: v.seriesBase, mid: v.flushTo, flushing: v.flushing != nil,
		first: pick(v.flushing), second: append(pick(v.series), pick(v.adds)...)}
}

// since is what the store lacks when it is at seq; not ok when the store was read too
// late for p.
func (p *pendingSeries) since(seq uint64) ([]SeriesRow, bool) {
	switch {
	case p.head > 0: // other processes save too
		if seq < p.base || seq > p.head {
			return nil, false
		}
		rows := p.timed
		for _, s := range p.steps {
			if s.seq > seq {
				rows = append(rows, s.row)
			}
		}
		return rows, true
	case p.flushing && seq == p.mid:
		return p.second, true
	case seq == p.base:
		return append(p.first, p.second...), true
	}
	return nil, false
}
