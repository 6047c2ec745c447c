package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// line is one series of a history: its amounts by the start of their interval.
type line struct {
	tags      []ledger.Tag
	intervals map[bursar.Time]num
	from      num // what came before the first interval
	all       []fact
	// since is the beginning of what a running total at t counts; nil: since ever.
	since func(t bursar.Time) int64
	end   func(start bursar.Time) bursar.Time // of the interval that begins at start
}

// Limits of a reply: lines, and points of all lines together.
const (
	linesOfReply  = 1_000
	pointsOfReply = 50_000
)

// history adds up the facts. Only intervals with an amount are listed. most is how many lines a
// reply may have.
func (m *model) history(customer string, q ledger.HistoryQuery) (lines map[string]*line, most int, _ *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, 0, failed(bursar.CodeCustomerNotFound)
	}
	if _, known := c.entities[q.EntityID]; q.EntityID != "" && !known {
		return nil, 0, failed(bursar.CodeEntityNotFound)
	}
	if q.To == 0 || q.To > now { // nothing is known of the future
		q.To = now + 1
	}
	zone := q.Timezone
	if zone == "" {
		zone = c.zone()
	}
	interval := calendar{cadence: bursar.Cadence{N: 1, Unit: intervalUnit(q.Granularity)}, zone: zoneOf(zone)}
	first := interval.window(int64(q.From))
	points := (int64(q.To) - first.start + first.end - first.start - 1) / (first.end - first.start)
	most = min(linesOfReply, max(1, pointsOfReply/int(points)))
	var current window
	lines = map[string]*line{}
	for _, f := range c.facts {
		at := floorTo(f.at, quarter)
		i := slices.IndexFunc(f.route, func(h hop) bool { return h.entity == q.EntityID })
		if i < 0 || q.Capability.ID != "" && f.cap != q.Capability || at >= int64(q.To) || at < int64(q.From) && !q.Running {
			continue
		}
		l := m.lineOf(lines, c, f, f.route[i].child, q.GroupBy)
		l.all = append(l.all, f)
		l.end = func(start bursar.Time) bursar.Time { return min(q.To, bursar.Time(interval.window(int64(start)).end)) }
		if p := c.promos[q.Capability.ID]; p != nil && q.Capability.Kind == bursar.KindFeature && !p.ended(now) {
			l.since = func(t bursar.Time) int64 { return floorTo(p.row.window(int64(t)).start, quarter) }
		}
		if at < int64(q.From) {
			l.from = l.from.add(f.amount)
			continue
		}
		if !current.has(at) {
			current = interval.window(at)
		}
		start := bursar.Time(current.start)
		l.intervals[start] = l.intervals[start].add(f.amount)
	}
	return lines, most, nil
}

func intervalUnit(g ledger.Granularity) bursar.CadenceUnit {
	switch g {
	case ledger.Hour:
		return bursar.UnitHour
	case ledger.Week:
		return bursar.UnitWeek
	case ledger.Month:
		return bursar.UnitMonth
	}
	return bursar.UnitDay
}

func (m *model) lineOf(lines map[string]*line, c *mCust, f fact, child string, groupBy []string) *line {
	var tags []ledger.Tag
	name := ""
	for _, key := range groupBy {
		tag := ledger.Tag{Key: key}
		switch key {
		case "$child":
			tag.Value = child
		case "$featureId":
			tag.Value = f.source
		default:
			if tag.Value = c.chargedOf(f.route, m.typeNamed(key)); tag.Value != "" {
				break
			}
			for _, d := range f.dims {
				if d.Key == key {
					tag.Value = d.Value
				}
			}
		}
		tags = append(tags, tag)
		name += tag.Key + "=" + tag.Value + "\n"
	}
	if lines[name] == nil {
		lines[name] = &line{tags: tags, intervals: map[bursar.Time]num{}}
	}
	return lines[name]
}

// chargedOf is the entity of a type that a fact is about: the first one that it names
// itself, else the first above those.
func (c *mCust) chargedOf(route []hop, typ string) string {
	of := func(h hop) bool { return typ != "" && h.entity != "" && c.entities[h.entity].EntityTypeID == typ }
	i := slices.IndexFunc(route, func(h hop) bool { return of(h) && h.child == "" })
	if i < 0 {
		i = slices.IndexFunc(route, of)
	}
	if i < 0 {
		return ""
	}
	return route[i].entity
}
