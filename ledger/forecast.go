package ledger

import (
	"math"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Forecast is what is to be expected of a limit until its window ends, going by the usage so far.
// No decision depends on it.
type Forecast struct {
	Refused string      // why there is none: one of the reasons below; "" = there is one
	Step    Granularity // the unit that it is reckoned in
	Steps   int         // for how many whole days or hours the usage is known
	// PerDay is the usage that is expected for each day that is left. Expected, Low and High are
	// what is used when the window ends. All are nil when there is no forecast; the latter three
	// also when the window ends more than a year from now.
	PerDay, Expected, Low, High *bursar.Amount
	// RunsOut is when the limit is expected to be used up: now, if it is; 0 = not in this window.
	// Earliest is that instant if usage is at the high end of what is expected, Latest at the low.
	RunsOut, Earliest, Latest bursar.Time
}

// Why there is no forecast.
const (
	RefusedShortHistory = "HISTORY_TOO_SHORT"
	RefusedShortWindow  = "WINDOW_TOO_SHORT"
	RefusedScope        = "SCOPED"
	RefusedNotAdditive  = "NOT_ADDITIVE"
	RefusedTooMuch      = "TOO_MUCH_TO_READ"
	RefusedGone         = "LIMIT_GONE"
)

// forecastStep is the unit in which a limit's usage is looked at.
type forecastStep struct {
	of          Granularity
	back, least int // how many steps back to look, and of how many the usage must be known
	round       int // after how many steps usage is expected to repeat
}

// Windows of more than two days are reckoned in days: each is like other days of its weekday.
// Shorter ones are reckoned in hours: each is like the same hour of other days.
var (
	byDays  = forecastStep{Day, 28, 7, 7}
	byHours = forecastStep{Hour, 14 * 24, 48, 24}
)

const (
	hoursUpTo      = 48 * bursar.Time(time.Hour)
	shortestWindow = 6 * bursar.Time(time.Hour)
	farthest       = 366 * 24 * bursar.Time(time.Hour)
	// bandWidth is how many standard deviations Low and High are from Expected: four of five windows
	// end between them.
	bandWidth = 1.28
	// paceMost is by which factor the pace of the current window may raise what is expected, at most.
	paceMost = 4
)

// ForecastRun reads what a limit's forecast needs.
type ForecastRun struct {
	ID      string // the assignment
	History *HistoryRun
	cat     *catalogue.Catalogue
	out     Forecast
	step    forecastStep
	now     bursar.Time
	window  record.Window
	used    float64
	limit   float64
}

func NewForecast(cat *catalogue.Catalogue, id string) *ForecastRun {
	return &ForecastRun{ID: id, cat: cat}
}

// Begin looks at the limit, and tells whether its history is needed.
func (f *ForecastRun) Begin(v *View) (bool, error) {
	row := v.findRowID(f.ID)
	def := v.Def(row)
	if row == 0 || def == nil || !def.Limited {
		f.out.Refused = RefusedGone
		return false, nil
	}
	c := v.Standing(row, def)
	f.now, f.window = v.Now, c.Window
	f.used, f.limit = c.Used.Float64(), v.LimitNow(row, def).Float64()
	if f.limit <= f.used {
		f.out.RunsOut, f.out.Earliest, f.out.Latest = f.now, f.now, f.now
	}
	capability := v.Capability(def.Cap)
	length := c.End - c.Start
	feature := f.cat.FeatureOf[capability.ID]
	switch {
	case capability.Kind == bursar.KindFeature && feature != nil && (feature.Fluctuating() || feature.Meter != nil && !catalogue.Summing(feature.Meter)):
		f.out.Refused = RefusedNotAdditive
	case length < shortestWindow:
		f.out.Refused = RefusedShortWindow
	case len(def.Scope) > 0:
		f.out.Refused = RefusedScope
	}
	if f.out.Refused != "" {
		return false, nil
	}
	if f.step = byDays; length <= hoursUpTo {
		f.step = byHours
	}
	f.out.Step = f.step.of
	cadence, err := bursar.ParseCadence(granularities[f.step.of])
	if err != nil {
		return false, err
	}
	grid := bursar.Schedule{Cadence: cadence, Location: def.Sched.Location}
	from, _ := grid.Window(int64(v.Now))
	for range f.step.back {
		from, _ = grid.Previous(from)
	}
	f.History = NewHistory(f.cat, HistoryQuery{EntityID: v.Ent(def.Ent).ID, Capability: capability, From: bursar.Time(from), Granularity: f.step.of, Timezone: def.Sched.Zone})
	return true, f.History.BeginOf(v)
}

// TooMuch says that the history has more buckets than may be read.
func (f *ForecastRun) TooMuch() { f.out.Refused = RefusedTooMuch }

// End is the forecast, once the history has been read.
func (f *ForecastRun) End() (Forecast, error) {
	if f.out.Refused != "" {
		return f.out, nil
	}
	series, err := f.History.Series()
	if err != nil {
		return f.out, err
	}
	points := series[0].Points
	first := 0
	for first < len(points) && points[first].Value.Sign() <= 0 {
		first++ // the history begins with the first usage
	}
	p := pattern{step: f.step, grid: f.History.grid, now: f.now, sums: make([]float64, f.step.round), counts: make([]int, f.step.round)}
	for _, x := range points[first:] {
		p.past = append(p.past, pastStep{at: x.Timestamp, used: max(0, x.Value.Float64())}) // corrections may make it less
	}
	f.out.Steps = max(0, len(p.past)-1)
	if f.out.Steps < f.step.least {
		f.out.Refused = RefusedShortHistory
		return f.out, nil
	}
	p.learn()
	p.factor = p.paceSince(f.window.Start)
	f.foresee(&p)
	return f.out, nil
}

// pastStep is a day or an hour of the past; the last is the current one, so far.
type pastStep struct {
	at   bursar.Time
	used float64
}

// pattern is what a step is expected to use, from steps like it.
type pattern struct {
	step   forecastStep
	grid   bursar.Schedule
	now    bursar.Time
	past   []pastStep
	sums   []float64 // by weekday or hour of the day
	counts []int
	mean   float64
	spread float64 // the standard deviation of a step from what is expected of it
	factor float64 // the factor by which the current window differs
}

// kind is which weekday, or hour of the day, a step is.
func (p *pattern) kind(at bursar.Time) int {
	t := at.Std()
	if p.grid.Location != nil {
		t = t.In(p.grid.Location)
	}
	if p.step.of == Hour {
		return t.Hour()
	}
	return int(t.Weekday())
}

// like is the mean of the steps of the past that are of the same kind; without any, of all.
func (p *pattern) like(at bursar.Time) float64 {
	k := p.kind(at)
	if p.counts[k] == 0 {
		return p.mean
	}
	return p.sums[k] / float64(p.counts[k])
}

// whole are the steps that are over.
func (p *pattern) whole() []pastStep { return p.past[:len(p.past)-1] }

// learn finds the means and the spread around them. With fewer than two steps of each kind,
// a step's own mean would hide how far steps differ: then the spread is around the mean of all.
func (p *pattern) learn() {
	n := float64(len(p.whole()))
	for _, x := range p.whole() {
		k := p.kind(x.at)
		p.sums[k] += x.used
		p.counts[k]++
		p.mean += x.used / n
	}
	free, kinds := n-1, len(p.whole()) >= 2*p.step.round
	if kinds {
		free = n - float64(p.step.round)
	}
	for _, x := range p.whole() {
		d := x.used - p.mean
		if kinds {
			d = x.used - p.like(x.at)
		}
		p.spread += d * d / max(1, free)
	}
	p.spread = math.Sqrt(p.spread)
}

// paceSince is the factor by which the whole steps since the window began differ from like steps.
// The difference counts half once a whole round of steps has passed, and more as time goes on.
func (p *pattern) paceSince(start bursar.Time) float64 {
	var used, like, steps float64
	for _, x := range p.whole() {
		if x.at >= start {
			used, like, steps = used+x.used, like+p.like(x.at), steps+1
		}
	}
	if like <= 0 {
		return 1
	}
	weight := steps / (steps + float64(p.step.round))
	return 1 + weight*(min(paceMost, used/like)-1)
}

// foresee walks from now to the end of the window.
func (f *ForecastRun) foresee(p *pattern) {
	o := &f.out
	end, far := f.window.End, false
	if end > f.now+farthest {
		end, far = f.now+farthest, true
	}
	n := float64(len(p.whole()))
	level, low, high, steps := f.used, f.used, f.used, 0.0
	for at := f.now; at < end; {
		start, n64 := p.grid.Window(int64(at))
		next := min(bursar.Time(n64), end)
		part := float64(next-at) / float64(n64-start)
		steps += part
		was, wasLow, wasHigh := level, low, high
		level += p.like(bursar.Time(start)) * p.factor * part
		band := bandWidth * p.factor * p.spread * math.Sqrt(steps+steps*steps/n)
		low, high = max(wasLow, level-band), max(wasHigh, level+band)
		reach(&o.RunsOut, at, next, was, level, f.limit)
		reach(&o.Earliest, at, next, wasHigh, high, f.limit)
		reach(&o.Latest, at, next, wasLow, low, f.limit)
		at = next
	}
	days := float64(end-f.now) / float64(24*bursar.Time(time.Hour))
	perDay := rounded((level - f.used) / max(days, 1e-9))
	o.PerDay = &perDay
	if far {
		return
	}
	expected, least, most := rounded(level), rounded(low), rounded(high)
	o.Expected, o.Low, o.High = &expected, &least, &most
}

// reach notes when a line that rises from a to b between two instants reaches the limit, to the
// minute, unless an earlier one did.
func reach(at *bursar.Time, from, to bursar.Time, a, b, limit float64) {
	if *at != 0 || b < limit || b <= a {
		return
	}
	t := from + bursar.Time(float64(to-from)*max(0, limit-a)/(b-a))
	*at = t - t%bursar.Time(time.Minute)
}

// rounded is a figure to six digits: further ones mean nothing in a forecast.
func rounded(x float64) bursar.Amount {
	const most = 1e27
	text := strconv.FormatFloat(min(max(x, 0), most), 'g', 6, 64)
	x, _ = strconv.ParseFloat(text, 64)
	a, err := bursar.AmountFromString(strconv.FormatFloat(x, 'f', 9, 64))
	if err != nil {
		return bursar.Amount{}
	}
	return a
}

// pace is the share of a limit that its window would end with at the pace so far. The rest of the
// window is reckoned at the rate of the part that is over, or at that of the window before if that
// was higher. The limit is more than 0.
func (v *View) pace(row uint32, def *record.Limit) float64 {
	limit := v.LimitNow(row, def)
	c := v.Standing(row, def)
	used, prev := c.Used.Ratio(limit), c.Prev.Ratio(limit)
	over := float64(v.Now-c.Start) / float64(max(1, c.End-c.Start))
	return used + (1-over)*max(prev, used/max(over, 0.1))
}
