package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
)

// Limits of a history: points of a line, lines, both together, and keys to group by.
const (
	maxPoints  = 10_000
	maxSeries  = 1_000
	maxAnswer  = 50_000    // points of all lines together
	maxBuckets = 1_000_000 // that are read for one
	maxGroupBy = 3
)

// History reads usage over time from the 15-minute buckets: of the customer or of one
// entity, in steps of the granularity in the zone.
func (e *Engine) History(ctx context.Context, o ReadOptions, customer string, q HistoryQuery) ([]Series, uint64, error) {
	if err := e.cat.Load().checkGroupBy(q.GroupBy); err != nil {
		return nil, 0, err
	}
	h := history{q: &q, lines: map[string]*line{}, steps: map[uint32]bursar.Time{}}
	var ent uint32
	_, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		if q.EntityID != "" {
			if ent = v.entOrd(q.EntityID); ent == 0 {
				return errNoEntity(q.EntityID)
			}
		} else if v.root != 0 {
			return errNotForTokens
		}
		return h.begin(v)
	})
	if err != nil {
		return nil, 0, err
	}
	sq := SeriesQuery{EntityOrd: ent, Capability: q.Capability, From: bucketOf(q.From), To: bucketOf(q.To-1) + 1}
	if q.Running {
		sq.From = 0
	}
	var out []Series
	var version uint64
	err = e.share.turn(ctx, customer, func() (err error) {
		if version, err = e.gather(ctx, o, customer, &h, sq); err == nil {
			out = h.series()
		}
		return err
	})
	return out, version, err
}

// gather reads the buckets that sq selects into h.
func (e *Engine) gather(ctx context.Context, o ReadOptions, customer string, h *history, sq SeriesQuery) (uint64, error) {
	rows, version, err := e.seriesRows(ctx, o, customer, sq)
	for len(rows) > 0 && err == nil {
		some := rows[:min(len(rows), addSlice)]
		rows = rows[len(some):]
		if err = ctx.Err(); err != nil {
			break
		}
		_, err = e.readCustomer(ctx, o, customer, func(v *view) error {
			for i := range some {
				if err := h.add(v, &some[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return version, err
}

// addSlice is how many buckets are added up before the customer's lock is let go.
const addSlice = 2048

// checkGroupBy refuses keys that series do not tell apart.
func (c *Catalogue) checkGroupBy(keys []string) error {
	for _, k := range keys {
		if typ, ok := c.attribution[k]; ok {
			return bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed,
				"%q names entities of type %q: what each of them used is in their own usage, GET /customers/{id}/entities/{entityId}/usage, and in the governance tree", k, typ)
		}
	}
	return nil
}

// seriesRows reads buckets: what checkpoints have saved, and what came since.
func (e *Engine) seriesRows(ctx context.Context, o ReadOptions, customer string, sq SeriesQuery) ([]SeriesRow, uint64, error) {
	for range 100 { // a checkpoint may come between the two looks
		var pending pendingSeries
		version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
			pending = v.pendingSeries(&sq)
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		sq.Limit = maxBuckets + 1
		saved, seq, err := e.store.Series(ctx, customer, sq)
		if err != nil {
			return nil, 0, e.unavailable(err)
		}
		if len(saved) > maxBuckets {
			return nil, 0, bursar.ErrorAt("?startDate", bursar.CodeTooMuchToRead, "more than %d figures would have to be added up: take a shorter time", maxBuckets)
		}
		if more, ok := pending.since(seq); ok {
			return append(saved, more...), version, nil
		}
	}
	return nil, 0, e.unavailable(errors.New("checkpoints kept coming while a series was read"))
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

func addUp(sums, adds map[bucket]bursar.Amount) {
	for k, a := range adds {
		sums[k] = sums[k].Add(a)
	}
}

// forgetSteps drops what a checkpoint at seq has.
func (s *state) forgetSteps(seq uint64) {
	i, _ := slices.BinarySearchFunc(s.steps, seq+1, func(st seriesStep, seq uint64) int { return cmp.Compare(st.seq, seq) })
	s.steps = slices.Delete(s.steps, 0, i)
}

func (v *view) pendingSeries(q *SeriesQuery) pendingSeries {
	cap := v.caps.ord(q.Capability)
	pick := func(m map[bucket]bursar.Amount) (out []SeriesRow) {
		for k, a := range m {
			if k.ent == q.EntityOrd && k.cap == cap && q.From <= k.at && k.at < q.To {
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

// history gathers buckets into lines of steps.
type history struct {
	q     *HistoryQuery
	step  bursar.Schedule
	lines map[string]*line
	steps map[uint32]bursar.Time // start of a bucket's step
	first bursar.Time            // start of the first step
	most  int                    // lines of so many steps
	// resets is the customer's own window of the feature, of running totals.
	resets *schedule
}

type line struct {
	tags     []Tag
	before   bursar.Amount // of running totals: before the first step
	values   map[bursar.Time]bursar.Amount
	quarters map[uint32]bursar.Amount // all buckets, when there are resets
}

var granularities = map[Granularity]string{Hour: "PT1H", Day: "P1D", Week: "P1W", Month: "P1M"}

func (h *history) begin(v *view) error {
	q := h.q
	if q.To == 0 || q.To > v.now {
		q.To = v.now + 1 // now itself belongs to it
	}
	if q.From >= q.To {
		return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "startDate %s is not before the end, %s", q.From, q.To)
	}
	if q.Granularity == "" {
		q.Granularity = Day
	}
	cadence, err := bursar.ParseCadence(granularities[q.Granularity])
	if err != nil {
		return bursar.ErrorAt("?granularity", bursar.CodeValidationFailed, "granularity is HOUR, DAY, WEEK or MONTH")
	}
	zone := q.Timezone
	if zone == "" {
		if zone = "UTC"; v.cust().Timezone != nil {
			zone = *v.cust().Timezone
		}
	}
	if !validZone(zone) {
		return bursar.ErrorAt("?timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", zone)
	}
	loc, _ := location(zone)
	h.step = bursar.Schedule{Cadence: cadence, Location: loc}
	if len(q.GroupBy) > maxGroupBy {
		return bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed, "at most %d keys to group by", maxGroupBy)
	}
	start, end := h.step.Window(int64(q.From))
	if n := (int64(q.To) - start) / min(end-start, int64(31*24*time.Hour)); n > maxPoints {
		return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "%d points are asked for; at most %d: take a coarser granularity or a shorter time", n, maxPoints)
	}
	h.first = bursar.Time(start)
	points := (int64(q.To) - start + end - start - 1) / (end - start)
	h.most = int(min(maxSeries, max(1, maxAnswer/max(1, points))))
	if p := v.promoNow(v.capOrd(q.Capability)); q.Running && p != nil {
		h.resets = v.def(p.row).sched
	}
	return nil
}

func (h *history) add(v *view, r *SeriesRow) error {
	var text strings.Builder
	tags := make([]Tag, len(h.q.GroupBy))
	for i, k := range h.q.GroupBy {
		tags[i] = Tag{k, v.seriesTag(r, k)}
		text.WriteString(tags[i].Value)
		text.WriteByte(0)
	}
	l := h.lines[text.String()]
	if l == nil {
		if len(h.lines) == h.most {
			return bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed,
				"more than %d groups, and a reply has at most %d groups and %d points in all: group by fewer keys, or take a coarser granularity or a shorter time",
				h.most, maxSeries, maxAnswer)
		}
		l = &line{tags: tags, values: map[bursar.Time]bursar.Amount{}, quarters: map[uint32]bursar.Amount{}}
		h.lines[text.String()] = l
	}
	if h.resets != nil {
		l.quarters[r.Bucket] = l.quarters[r.Bucket].Add(r.Amount)
		return nil
	}
	if r.Bucket < bucketOf(h.q.From) {
		l.before = l.before.Add(r.Amount)
		return nil
	}
	at, ok := h.steps[r.Bucket]
	if !ok {
		start, _ := h.step.Window(int64(r.Bucket) * bucketWidth)
		at = bursar.Time(start)
		h.steps[r.Bucket] = at
	}
	l.values[at] = l.values[at].Add(r.Amount)
	return nil
}

// seriesTag is the value of one group-by key for a bucket.
func (v *view) seriesTag(r *SeriesRow, key string) string {
	switch key {
	case featureKey:
		if r.Capability.Kind == bursar.KindFeature {
			return r.Capability.ID
		} // of a currency it is a dimension: the feature whose cost it was
	case "$child":
		if r.ChildOrd == 0 || !v.sees(r.ChildOrd) {
			return ""
		}
		return v.ent(r.ChildOrd).id
	}
	if r.Combo != 0 {
		for _, d := range decodeCombo(v.combo(r.Combo)) {
			if d.Key == key {
				return d.Value
			}
		}
	}
	return ""
}

// series gives every line a point for every step. Without any usage there is one line
// of zeros when nothing is grouped.
func (h *history) series() []Series {
	if len(h.lines) == 0 && len(h.q.GroupBy) == 0 {
		h.lines[""] = &line{tags: []Tag{}, values: map[bursar.Time]bursar.Amount{}}
	}
	out := make([]Series, 0, len(h.lines))
	for _, key := range sortedKeys(h.lines) {
		l := h.lines[key]
		s := Series{Tags: l.tags}
		if h.resets != nil {
			s.Points = h.sinceReset(l)
			out = append(out, s)
			continue
		}
		sum := l.before
		for at := int64(h.first); at < int64(h.q.To); _, at = h.step.Window(at) {
			value := l.values[bursar.Time(at)]
			if sum = sum.Add(value); h.q.Running {
				value = sum
			}
			s.Points = append(s.Points, Point{Timestamp: bursar.Time(at), Value: value})
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}

// sinceReset gives every step what was used, until its end, since the window that its
// end is in began.
func (h *history) sinceReset(l *line) (out []Point) {
	quarters := slices.Sorted(maps.Keys(l.quarters))
	upTo := make([]bursar.Amount, len(quarters)+1)
	for i, q := range quarters {
		upTo[i+1] = upTo[i].Add(l.quarters[q])
	}
	before := func(t bursar.Time) bursar.Amount {
		i, _ := slices.BinarySearch(quarters, bucketOf(t))
		return upTo[i]
	}
	began := h.resets.windowAt(h.first).start
	for at := int64(h.first); at < int64(h.q.To); {
		_, next := h.step.Window(at)
		end := min(bursar.Time(next), h.q.To)
		w := h.resets.windowAt(end - 1)
		p := Point{Timestamp: bursar.Time(at), Reset: w.start != began && w.start >= bursar.Time(at)}
		if p.Value = before(end + bucketWidth - 1).Sub(before(w.start)); end == bursar.Time(next) {
			p.Value = before(end).Sub(before(w.start))
		}
		began = w.start
		out = append(out, p)
		at = next
	}
	return out
}
