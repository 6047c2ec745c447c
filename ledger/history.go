package ledger

import (
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Limits of a history: points of a line, lines, both together, and keys to group by.
const (
	maxPoints  = 10_000
	maxSeries  = 1_000
	maxAnswer  = 50_000    // points of all lines together
	MaxBuckets = 1_000_000 // that are read for one
	MaxGroupBy = 3
)

// NewHistory prepares to answer a query.
func NewHistory(cat *catalogue.Catalogue, q HistoryQuery) *HistoryRun {
	h := &HistoryRun{Q: &q, lines: map[string]*Line{}, starts: map[uint32]bursar.Time{}}
	h.group(cat)
	return h
}

// From is the first bucket that the history needs.
func (h *HistoryRun) From() uint32 {
	switch {
	case h.resets != nil:
		return BucketOf(h.resets.WindowAt(h.first).Start)
	case h.Q.Running:
		return 0
	}
	return BucketOf(h.Q.From)
}

// HistoryRun gathers buckets into lines of intervals.
type HistoryRun struct {
	Q      *HistoryQuery
	Ent    uint32 // 0 = the customer
	grid   bursar.Schedule
	lines  map[string]*Line
	starts map[uint32]bursar.Time // start of a bucket's interval
	first  bursar.Time            // start of the first interval
	most   int                    // how many lines there may be
	// resets is the schedule by which running totals begin anew; nil = they do not.
	resets *record.Schedule
	groups
}

type Line struct {
	tags     []Tag
	untold   bool          // it is what was not told apart
	before   bursar.Amount // of running totals: before the first interval
	values   map[bursar.Time]bursar.Amount
	quarters map[uint32]bursar.Amount // all buckets, when there are resets
}

var granularities = map[Granularity]string{Hour: "PT1H", Day: "P1D", Week: "P1W", Month: "P1M"}

// BeginOf is Begin for what the query names: an entity, or the customer. For a token with a root
// the customer is that root.
func (h *HistoryRun) BeginOf(v *View) error {
	if id := h.Q.EntityID; id != "" {
		if h.Ent = v.EntOrd(id); h.Ent == 0 {
			return v.errNoEntity(id)
		}
	} else if v.Root == seesNone {
		return errNotForTokens
	} else {
		h.Ent = v.Root
	}
	return h.Begin(v)
}

func (h *HistoryRun) Begin(v *View) error {
	q := h.Q
	if q.To == 0 || q.To > v.Now {
		q.To = v.Now + 1 // now itself belongs to it
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
		if zone = "UTC"; v.Cust().Timezone != nil {
			zone = *v.Cust().Timezone
		}
	}
	if !validZone(zone) {
		return bursar.ErrorAt("?timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", zone)
	}
	loc, _ := record.Location(zone)
	h.grid = bursar.Schedule{Cadence: cadence, Location: loc}
	if len(q.GroupBy) > MaxGroupBy {
		return bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed, "at most %d keys to group by", MaxGroupBy)
	}
	start, end := h.grid.Window(int64(q.From))
	if n := (int64(q.To) - start) / min(end-start, int64(31*24*time.Hour)); n > maxPoints {
		return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "%d points are asked for; at most %d: take a coarser granularity or a shorter time", n, maxPoints)
	}
	h.first = bursar.Time(start)
	points := (int64(q.To) - start + end - start - 1) / (end - start)
	h.most = int(min(maxSeries, max(1, maxAnswer/max(1, points))))
	if p := v.promoNow(v.CapOrd(q.Capability)); q.Running && p != nil {
		h.resets = v.Def(p.row).Sched
	}
	return nil
}

// Add adds a bucket's amount to a line.
func (h *HistoryRun) Add(v *View, r *store.SeriesRow) error {
	if h.attributed() {
		return h.addTold(v, r)
	}
	return h.addTo(h.lines, h.tagsOf(v, r, nil), r, r.Amount)
}

// addTo adds an amount of the time of r to the line of tags.
func (h *HistoryRun) addTo(lines map[string]*Line, tags []Tag, r *store.SeriesRow, a bursar.Amount) error {
	l, err := h.lineOf(lines, tags)
	if err != nil {
		return err
	}
	if h.resets != nil {
		l.quarters[r.Bucket] = l.quarters[r.Bucket].Add(a)
		return nil
	}
	if r.Bucket < BucketOf(h.Q.From) {
		l.before = l.before.Add(a)
		return nil
	}
	at, ok := h.starts[r.Bucket]
	if !ok {
		start, _ := h.grid.Window(int64(r.Bucket) * bucketWidth)
		at = bursar.Time(start)
		h.starts[r.Bucket] = at
	}
	l.values[at] = l.values[at].Add(a)
	return nil
}

func (h *HistoryRun) lineOf(lines map[string]*Line, tags []Tag) (*Line, error) {
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

func newLine(tags []Tag) *Line {
	return &Line{tags: tags, values: map[bursar.Time]bursar.Amount{}, quarters: map[uint32]bursar.Amount{}}
}

// Series gives every line a point for every interval. Without any usage there is one line
// of zeros when nothing is grouped.
func (h *HistoryRun) Series() ([]Series, error) {
	if err := h.KeepRest(); err != nil {
		return nil, err
	}
	if len(h.lines) == 0 && len(h.Q.GroupBy) == 0 {
		h.lines[""] = newLine([]Tag{})
	}
	out := make([]Series, 0, len(h.lines))
	for _, key := range record.SortedKeys(h.lines) {
		l := h.lines[key]
		s := Series{Tags: l.tags, Untold: l.untold}
		if h.resets != nil {
			s.Points = h.sinceReset(l)
			out = append(out, s)
			continue
		}
		sum := l.before
		for at := int64(h.first); at < int64(h.Q.To); _, at = h.grid.Window(at) {
			value := l.values[bursar.Time(at)]
			if sum = sum.Add(value); h.Q.Running {
				value = sum
			}
			s.Points = append(s.Points, Point{Timestamp: bursar.Time(at), Value: value})
		}
		out = append(out, s)
	}
	return slices.Clip(out), nil
}

// sinceReset gives every interval the running total at its end: what was used since the window
// began that its end is in.
func (h *HistoryRun) sinceReset(l *Line) (out []Point) {
	quarters := slices.Sorted(maps.Keys(l.quarters))
	upTo := make([]bursar.Amount, len(quarters)+1)
	for i, q := range quarters {
		upTo[i+1] = upTo[i].Add(l.quarters[q])
	}
	before := func(t bursar.Time) bursar.Amount {
		i, _ := slices.BinarySearch(quarters, BucketOf(t))
		return upTo[i]
	}
	began := h.resets.WindowAt(h.first).Start
	for at := int64(h.first); at < int64(h.Q.To); {
		_, next := h.grid.Window(at)
		end := min(bursar.Time(next), h.Q.To)
		w := h.resets.WindowAt(end - 1)
		p := Point{Timestamp: bursar.Time(at), Reset: w.Start != began && w.Start >= bursar.Time(at)}
		if p.Value = before(end + bucketWidth - 1).Sub(before(w.Start)); end == bursar.Time(next) {
			p.Value = before(end).Sub(before(w.Start))
		}
		began = w.Start
		out = append(out, p)
		at = next
	}
	return out
}
