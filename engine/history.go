package engine

import (
	"context"
	"maps"
	"slices"
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
func (e *Engine) History(ctx context.Context, o ReadOptions, customer string, q HistoryQuery) (History, uint64, error) {
	h := e.newHistory(q)
	_, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		if q.EntityID != "" {
			if h.ent = v.entOrd(q.EntityID); h.ent == 0 {
				return errNoEntity(q.EntityID)
			}
		} else if v.root != 0 {
			return errNotForTokens
		}
		return h.begin(v)
	})
	if err != nil {
		return History{}, 0, err
	}
	var out History
	var version uint64
	err = e.share.turn(ctx, customer, func() (err error) {
		if version, err = e.gather(ctx, o, customer, h); err != nil {
			return err
		}
		out.Series, err = h.series()
		return err
	})
	out.Warnings = h.warnings()
	return out, version, err
}

// gather reads the buckets of histories of one customer, all as of one moment.
func (e *Engine) gather(ctx context.Context, o ReadOptions, customer string, hs ...*history) (uint64, error) {
	s := seriesSource{through: hs[0].ent}
	at := map[uint32]*history{} // by the number that buckets are under
	for _, h := range hs {
		for _, ent := range h.sources() {
			at[ent] = h
			s.queries = append(s.queries, SeriesQuery{EntityOrd: ent, Capability: h.q.Capability, From: h.from(), To: bucketOf(h.q.To-1) + 1})
		}
	}
	rows, version, err := e.seriesRows(ctx, o, customer, &s)
	for len(rows) > 0 && err == nil {
		some := rows[:min(len(rows), addSlice)]
		rows = rows[len(some):]
		if err = ctx.Err(); err != nil {
			break
		}
		_, err = e.readCustomer(ctx, o, customer, func(v *view) error {
			for i := range some {
				if err := at[some[i].EntityOrd].add(v, &some[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return version, err
}

// from is the first bucket that the history needs.
func (h *history) from() uint32 {
	switch {
	case h.resets != nil:
		return bucketOf(h.resets.windowAt(h.first).start)
	case h.q.Running:
		return 0
	}
	return bucketOf(h.q.From)
}

// addSlice is how many buckets are added up before the customer's lock is let go.
const addSlice = 2048

// history gathers buckets into lines of steps.
type history struct {
	q     *HistoryQuery
	ent   uint32 // 0 = the customer
	step  bursar.Schedule
	lines map[string]*line
	steps map[uint32]bursar.Time // start of a bucket's step
	first bursar.Time            // start of the first step
	most  int                    // lines of so many steps
	// resets is the customer's own window of the feature, of running totals.
	resets *schedule
	groups
}

type line struct {
	tags     []Tag
	untold   bool          // it is what was not told apart
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

// add adds a bucket's amount to a line.
func (h *history) add(v *view, r *SeriesRow) error {
	if h.attributed() {
		return h.addTold(v, r)
	}
	return h.addTo(h.lines, h.tagsOf(v, r, nil), r, r.Amount)
}

// addTo adds an amount of the time of r to the line of tags.
func (h *history) addTo(lines map[string]*line, tags []Tag, r *SeriesRow, a bursar.Amount) error {
	l, err := h.lineOf(lines, tags)
	if err != nil {
		return err
	}
	if h.resets != nil {
		l.quarters[r.Bucket] = l.quarters[r.Bucket].Add(a)
		return nil
	}
	if r.Bucket < bucketOf(h.q.From) {
		l.before = l.before.Add(a)
		return nil
	}
	at, ok := h.steps[r.Bucket]
	if !ok {
		start, _ := h.step.Window(int64(r.Bucket) * bucketWidth)
		at = bursar.Time(start)
		h.steps[r.Bucket] = at
	}
	l.values[at] = l.values[at].Add(a)
	return nil
}

func (h *history) lineOf(lines map[string]*line, tags []Tag) (*line, error) {
	key := tagsText(tags)
	l := lines[key]
	if l == nil {
		if len(lines) == h.most {
			return nil, bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed,
				"more than %d groups, and a reply has at most %d groups and %d points in all: group by fewer keys, or take a coarser granularity or a shorter time",
				h.most, maxSeries, maxAnswer)
		}
		l = newLine(tags)
		lines[key] = l
	}
	return l, nil
}

func newLine(tags []Tag) *line {
	return &line{tags: tags, values: map[bursar.Time]bursar.Amount{}, quarters: map[uint32]bursar.Amount{}}
}

// series gives every line a point for every step. Without any usage there is one line
// of zeros when nothing is grouped.
func (h *history) series() ([]Series, error) {
	if err := h.keepRest(); err != nil {
		return nil, err
	}
	if len(h.lines) == 0 && len(h.q.GroupBy) == 0 {
		h.lines[""] = newLine([]Tag{})
	}
	out := make([]Series, 0, len(h.lines))
	for _, key := range sortedKeys(h.lines) {
		l := h.lines[key]
		s := Series{Tags: l.tags, Untold: l.untold}
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
	return slices.Clip(out), nil
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
