package bursar

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// CadenceUnit is the unit a cadence counts in. The zero value is no unit.
type CadenceUnit uint8

// The units, shortest first.
const (
	UnitMinute CadenceUnit = iota + 1
	UnitHour
	UnitDay
	UnitWeek
	UnitMonth
	UnitYear
)

// Limits on a cadence: a count of at most CadenceMaxCount, and never longer
// than CadenceMaxYears, which is how a limit that never resets is written.
const (
	CadenceMaxCount = 1000
	CadenceMaxYears = 100
)

// ErrCadence is wrapped by every error of ParseCadence.
var ErrCadence = errors.New("cadence must be PT{n}M, PT{n}H, P{n}D, P{n}W, P{n}M or P{n}Y, " +
	"n a whole number from 1 to 1000 without leading zeros, and at most P100Y")

// cadenceForms holds, for each unit, what stands before and after the count.
var cadenceForms = [...]struct{ prefix, suffix string }{
	UnitMinute: {"PT", "M"},
	UnitHour:   {"PT", "H"},
	UnitDay:    {"P", "D"},
	UnitWeek:   {"P", "W"},
	UnitMonth:  {"P", "M"},
	UnitYear:   {"P", "Y"},
}

// Cadence is how often a limit starts afresh: every N units. Cadences are
// comparable with ==; the zero value is not a cadence.
type Cadence struct {
	N    int
	Unit CadenceUnit
}

// ParseCadence reads the ISO 8601 subset of the wire: PT{n}M, PT{n}H, P{n}D,
// P{n}W, P{n}M and P{n}Y, exactly. Each cadence has one spelling, so String
// gives back s. Errors wrap ErrCadence.
func ParseCadence(s string) (Cadence, error) {
	for i, form := range cadenceForms {
		count := len(s) - len(form.prefix) - len(form.suffix)
		if form.prefix == "" || count < 1 || count > 4 {
			continue
		}
		digits := s[len(form.prefix) : len(form.prefix)+count]
		if s[:len(form.prefix)] != form.prefix || s[len(s)-len(form.suffix):] != form.suffix {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 16) // refuses signs, spaces and underscores
		c := Cadence{N: int(n), Unit: CadenceUnit(i)}
		if err == nil && digits[0] != '0' && c.valid() {
			return c, nil
		}
	}
	return Cadence{}, fmt.Errorf("%w, got %.40q", ErrCadence, s)
}

// String returns the canonical text, the one ParseCadence accepts.
func (c Cadence) String() string {
	if !c.valid() {
		return fmt.Sprintf("invalid cadence (%d of unit %d)", c.N, c.Unit)
	}
	form := cadenceForms[c.Unit]
	return form.prefix + strconv.Itoa(c.N) + form.suffix
}

func (c Cadence) valid() bool {
	if c.N < 1 || c.N > CadenceMaxCount || c.Unit < UnitMinute || c.Unit > UnitYear {
		return false
	}
	return c.Unit != UnitYear || c.N <= CadenceMaxYears
}

// Schedule divides time into windows: the periods over which a limit counts.
// Cadence must be one that ParseCadence returns, else Window panics.
//
// Without an anchor the anchor is 1970-01-01T00:00 on the zone's wall clock,
// for weeks Monday 1970-01-05T00:00, so a single unit follows the calendar.
// Location is an IANA zone; nil is UTC.
type Schedule struct {
	Cadence   Cadence
	Anchor    int64 // ns UTC since the Unix epoch; ignored unless HasAnchor
	HasAnchor bool
	Location  *time.Location
}

const (
	windowHour = 60 * 60 // seconds
	windowDay  = 24 * windowHour
	windowWeek = 7 * windowDay

	// No zone is further from UTC than this (RFC 9636, section 3.2).
	windowOffsetMax = 26 * windowHour

	// 1678-01-01 and 2262-01-01: within them a window of hours or minutes
	// cannot overflow an int64 of nanoseconds.
	windowFirst = -9_214_560_000_000_000_000
	windowLast  = 9_214_646_400_000_000_000
)

// Window returns the window [start, end) that contains the instant t. All
// three are nanoseconds UTC since the Unix epoch. It depends on nothing but s
// and t, so windows need no reset job, and for every schedule they tile time:
// each window ends where the next starts and none is empty. (Location holds
// the rules of one edition of the time zone database: nodes that must agree on
// windows need the same edition.)
//
// Every period has a starting time on the zone's wall clock, and its window
// starts at the first instant the clock reads that time or a later one. So a
// starting time that the clock jumps over begins at the jump, one that it
// reads twice begins at the first reading, and a period that it jumps over
// whole (30 December 2011 in Samoa) has no window: its neighbours touch.
//
//   - Days and weeks start at the anchor's time of day: a day may have 23 or
//     25 hours. Months and years start on the anchor's day of the month, or on
//     the last day of a month that is too short, always counted from the
//     anchor: 31 January, 28 February, 31 March.
//   - Hours and minutes that divide a day, or are whole days, start at the same
//     wall clock times every day too (PT6H at 0, 6, 12 and 18 o'clock, PT24H
//     is P1D), because that is where people look for a reset. Counting elapsed
//     time instead would move them by an hour in summer, and for good in zones
//     that have changed their offset since 1970. A clock change shortens or
//     lengthens the windows beside it, each by no more than the change.
//   - If such a cadence is an hour or less, a window starts whenever the clock
//     reads a starting time: twice if it reads it twice, for a PT1M window must
//     not last through a repeated hour, and not at all if it jumps over it. So
//     PT1H is exactly an hour of elapsed time, unless the zone shifts its clock
//     by a fraction of an hour; none of these windows lasts twice its cadence.
//   - Other hours and minutes (PT7M, PT5H) have no fixed times of day to keep:
//     they count elapsed time from the anchor, each window exactly as long as
//     its cadence says.
//
// Windows are cut at the ends of what an int64 of nanoseconds can hold. For t
// before 1678 or after 2261 the answer is the window at that limit.
func (s Schedule) Window(t int64) (start, end int64) {
	t = min(max(t, windowFirst), windowLast)
	g := s.grid()
	if g.months > 0 {
		return g.calendarWindow(t)
	}
	ofClock := s.Cadence.Unit == UnitMinute || s.Cadence.Unit == UnitHour
	switch {
	case ofClock && windowDay%g.length != 0 && g.length%windowDay != 0:
		anchor := s.Anchor
		if !s.HasAnchor {
			anchor = g.instant(g.wall(0))
		}
		return g.elapsedWindow(t, anchor)
	case g.length <= windowHour:
		return g.clockWindow(t)
	}
	return g.calendarWindow(t)
}

// Previous returns the window that ends at start, the start of a window.
func (s Schedule) Previous(start int64) (prevStart, prevEnd int64) {
	return s.Window(max(start, math.MinInt64+1) - 1)
}

// windowGrid is the wall clock times at which the periods of a schedule start.
// A wall clock time is what the clock reads, taken as if it were UTC: seconds
// since 1970-01-01T00:00 on that clock.
type windowGrid struct {
	zone   *time.Location
	anchor int64 // start of period 0, whole seconds of wall clock
	nanos  int64 // and its fraction, which all periods share: 0 to 999,999,999
	length int64 // seconds between starts, or 0 and
	months int64 // months between starts
}

func (s Schedule) grid() windowGrid {
	if !s.Cadence.valid() {
		panic("bursar: window of " + s.Cadence.String())
	}
	g := windowGrid{zone: s.Location}
	if g.zone == nil {
		g.zone = time.UTC
	}
	n := int64(s.Cadence.N)
	switch s.Cadence.Unit {
	case UnitMinute:
		g.length = n * 60
	case UnitHour:
		g.length = n * windowHour
	case UnitDay:
		g.length = n * windowDay
	case UnitWeek:
		g.length = n * windowWeek
		g.anchor = 4 * windowDay
	case UnitMonth:
		g.months = n
	case UnitYear:
		g.months = n * 12
	}
	if s.HasAnchor {
		sec := windowFloor(s.Anchor, 1e9)
		offset, _ := g.offset(sec)
		g.anchor, g.nanos = sec+offset, s.Anchor-sec*1e9
	}
	return g
}

// wall returns the whole seconds of the wall clock time at which period k
// starts. It grows strictly with k.
func (g windowGrid) wall(k int64) int64 {
	if g.months == 0 {
		return g.anchor + k*g.length
	}
	y, m, d := time.Unix(g.anchor, 0).UTC().Date()
	m += time.Month(k * g.months) // time.Date carries into the year
	first := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	if first.Day() != d {
		first = time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC)
	}
	return first.Unix() + g.anchor - windowFloor(g.anchor, windowDay)*windowDay
}

// period returns the number of a period that starts, by the wall clock, within
// one period of what the clock reads at t.
func (g windowGrid) period(t int64) int64 {
	sec := windowFloor(t, 1e9)
	offset, _ := g.offset(sec)
	if g.months == 0 {
		return windowFloor(sec+offset-g.anchor, g.length)
	}
	y, m, _ := time.Unix(sec+offset, 0).UTC().Date()
	y0, m0, _ := time.Unix(g.anchor, 0).UTC().Date()
	return windowFloor(int64(y-y0)*12+int64(m-m0), g.months)
}

// offset returns the zone's offset from UTC at the second sec, and a later
// second up to which it stays the same.
func (g windowGrid) offset(sec int64) (offset, until int64) {
	at := time.Unix(sec, 0).In(g.zone)
	_, east := at.Zone()
	_, end := at.ZoneBounds()
	if end.IsZero() {
		return int64(east), math.MaxInt64
	}
	until = end.Unix()
	if until <= sec {
		// Where a zone follows its last rule, ZoneBounds gives a leap year 365
		// days (golang/go#81583). No rule changes the clock on the day it omits.
		until = time.Date(at.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	return int64(east), until
}

// instant returns the first instant at which the wall clock reads wall (plus
// the grid's fraction) or later. It never decreases when wall grows: that is
// why windows tile.
func (g windowGrid) instant(wall int64) int64 {
	from := wall - windowOffsetMax // the clock never read wall before
	for {
		offset, until := g.offset(from)
		switch {
		case until <= wall-offset:
			from = until
		case from <= wall-offset:
			return windowNanos(wall-offset, g.nanos)
		default:
			return windowNanos(from, 0)
		}
	}
}

// calendarWindow returns the window of t between instants of neighbouring
// periods, skipping periods that start together.
func (g windowGrid) calendarWindow(t int64) (start, end int64) {
	k := g.period(t)
	start = g.instant(g.wall(k))
	for start > t {
		k--
		start = g.instant(g.wall(k))
	}
	for {
		k++
		end = g.instant(g.wall(k))
		if end > t {
			return start, end
		}
		start = end
	}
}

// clockWindow returns the window of t between neighbouring starts as nextClock
// gives them.
func (g windowGrid) clockWindow(t int64) (start, end int64) {
	// The nearest start is less than two lengths back, unless the clock changes
	// twice in that time.
	for back := 2 * g.length * 1e9; ; back *= 2 {
		start, end = t-back, g.nextClock(t-back)
		if end > t {
			continue
		}
		for end <= t {
			start, end = end, g.nextClock(end)
		}
		return start, end
	}
}

// nextClock returns the first instant after t at which the wall clock reads a
// starting time.
func (g windowGrid) nextClock(t int64) int64 {
	offset, until := g.offset(windowFloor(t, 1e9))
	from := windowFloor(t-g.nanos, 1e9) + 1 // from + the fraction is after t
	for {
		ahead := g.anchor - offset - from
		next := from + ahead - windowFloor(ahead, g.length)*g.length
		if next < until {
			return windowNanos(next, g.nanos)
		}
		from = until
		offset, until = g.offset(from)
	}
}

// elapsedWindow returns the window of t when each lasts exactly the length.
func (g windowGrid) elapsedWindow(t, anchor int64) (start, end int64) {
	length := g.length * 1e9
	// Remainders first: t - anchor may overflow.
	in := t - windowFloor(t, length)*length - (anchor - windowFloor(anchor, length)*length)
	if in < 0 {
		in += length
	}
	return t - in, t - in + length
}

// windowFloor returns a ÷ b rounded down; b is positive.
func windowFloor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// windowNanos returns the instant sec + nanos, cut to the range of an int64.
func windowNanos(sec, nanos int64) int64 {
	const limit = math.MaxInt64 / 1_000_000_000
	switch {
	case sec >= limit:
		return math.MaxInt64
	case sec < -limit:
		return math.MinInt64
	}
	return sec*1e9 + nanos
}
