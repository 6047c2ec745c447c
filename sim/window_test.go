package sim

import (
	"time"

	"github.com/bursarhq/bursar"
)

// The model's windows. A wall clock time is written as if it were UTC. Zones are taken
// to change their clocks at whole quarters of an hour UTC only, as all zones of the
// generator do in the simulated years; a search can therefore go quarter by quarter.

const quarter = int64(15 * time.Minute)

type window struct{ start, end int64 }

func (w window) has(t int64) bool { return w.start <= t && t < w.end }

type calendar struct {
	cadence bursar.Cadence
	zone    *time.Location
	anchor  *bursar.Time
}

func floorTo(t, step int64) int64 {
	r := t % step
	if r < 0 {
		r += step
	}
	return t - r
}

func east(zone *time.Location, t int64) int64 {
	_, off := time.Unix(0, t).In(zone).Zone()
	return int64(off) * 1e9
}

func wallOf(zone *time.Location, t int64) int64 { return t + east(zone, t) }

// firstReading is the first instant at which the clock reads wall or a later time.
func firstReading(zone *time.Location, wall int64) int64 {
	for q := floorTo(wall-26*int64(time.Hour), quarter); ; q += quarter {
		if wallOf(zone, q) >= wall {
			return q
		}
		if last := q + quarter - 1; wallOf(zone, last) >= wall {
			return wall - east(zone, q)
		}
	}
}

// length tells the length of a cadence that counts in wall clock seconds; 0 for months.
func (c calendar) length() int64 {
	n := int64(c.cadence.N)
	switch c.cadence.Unit {
	case bursar.UnitMinute:
		return n * int64(time.Minute)
	case bursar.UnitHour:
		return n * int64(time.Hour)
	case bursar.UnitDay:
		return n * 24 * int64(time.Hour)
	case bursar.UnitWeek:
		return n * 7 * 24 * int64(time.Hour)
	}
	return 0
}

// origin is the wall clock time from which periods are counted.
func (c calendar) origin() int64 {
	if c.anchor != nil {
		return wallOf(c.zone, int64(*c.anchor))
	}
	if c.cadence.Unit == bursar.UnitWeek {
		return time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	return 0
}

// window is the period that contains the instant t.
func (c calendar) window(t int64) window {
	day, length := 24*int64(time.Hour), c.length()
	ofClock := c.cadence.Unit == bursar.UnitMinute || c.cadence.Unit == bursar.UnitHour
	switch {
	case ofClock && day%length != 0 && length%day != 0:
		return c.elapsed(t)
	case ofClock && length <= int64(time.Hour):
		return c.clock(t)
	}
	return c.dated(t)
}

// elapsed: every window lasts exactly the length.
func (c calendar) elapsed(t int64) window {
	from := time.Date(1970, 1, 1, 0, 0, 0, 0, c.zone).UnixNano()
	if c.anchor != nil {
		from = int64(*c.anchor)
	}
	start := from + floorTo(t-from, c.length())
	return window{start, start + c.length()}
}

// clock: a window starts whenever the clock reads a starting time.
func (c calendar) clock(t int64) window {
	w := window{start: -1, end: -1}
	for q := floorTo(t, quarter); w.start < 0; q -= quarter {
		for _, s := range c.starts(q) {
			if s <= t {
				w.start = s
			}
		}
	}
	for q := floorTo(t, quarter); w.end < 0; q += quarter {
		for _, s := range c.starts(q) {
			if s > t && w.end < 0 {
				w.end = s
			}
		}
	}
	return w
}

// starts lists the starts of windows in the quarter that begins at q: when the clock
// reads a starting time. One that it jumps over is none.
func (c calendar) starts(q int64) []int64 {
	var list []int64
	length, origin := c.length(), c.origin()
	now := wallOf(c.zone, q)
	for s := q + origin + floorTo(now-origin, length) - now; s < q+quarter; s += length {
		if s >= q {
			list = append(list, s)
		}
	}
	return list
}

// begin is the wall clock time at which period k starts.
func (c calendar) begin(k int64) int64 {
	if length := c.length(); length > 0 {
		return c.origin() + k*length
	}
	months := int(k) * c.cadence.N
	if c.cadence.Unit == bursar.UnitYear {
		months *= 12
	}
	o := time.Unix(0, c.origin()).UTC()
	y, mo, d := o.Date()
	at := func(day int) time.Time {
		return time.Date(y, mo+time.Month(months), day, o.Hour(), o.Minute(), o.Second(), o.Nanosecond(), time.UTC)
	}
	first := at(1)
	for ; d > 28 && at(d).Month() != first.Month(); d-- { // a month too short: its last day
	}
	return at(d).UnixNano()
}

// dated: windows start at the first reading of wall clock times counted from the
// origin; a period whose first reading is also that of the next one has no window.
func (c calendar) dated(t int64) window {
	k := c.guess(t)
	for firstReading(c.zone, c.begin(k)) > t {
		k--
	}
	for firstReading(c.zone, c.begin(k+1)) <= t {
		k++
	}
	return window{firstReading(c.zone, c.begin(k)), firstReading(c.zone, c.begin(k+1))}
}

func (c calendar) guess(t int64) int64 {
	if length := c.length(); length > 0 {
		return floorTo(wallOf(c.zone, t)-c.origin(), length) / length
	}
	months := int64(c.cadence.N)
	if c.cadence.Unit == bursar.UnitYear {
		months *= 12
	}
	a, b := time.Unix(0, c.origin()).UTC(), time.Unix(0, wallOf(c.zone, t)).UTC()
	return floorTo(int64(b.Year()-a.Year())*12+int64(b.Month()-a.Month()), months) / months
}
