package engine_test

import (
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// past is a rig whose usage was made day by day.
type past struct{ *rig }

func newPast(t *testing.T, s store.Store) past {
	r := groupRig(t, s)
	return past{r}
}

// until uses at the beginning of each step what f says, up to but not at an instant; 0 = nothing.
func (r past) until(end string, step time.Duration, f func(at time.Time) int64) {
	r.t.Helper()
	to, err := bursar.ParseTime(end)
	r.must(err)
	for ; r.Now() < to; r.advance(step) {
		if n := f(r.Now().Std()); n > 0 {
			r.use("acme", bursar.AmountFromInt(n).String(), 0, dims("agentId", "a", "modelId", "big"))
		}
	}
	r.now.Store(int64(to))
}

// start is when usage begins.
func (r past) start(at string) {
	r.t.Helper()
	to, err := bursar.ParseTime(at)
	r.must(err)
	r.now.Store(int64(to))
}

func (r past) limit(entity, cadence string, n int64, scope ...string) {
	r.t.Helper()
	c, err := bursar.ParseCadence(cadence)
	r.must(err)
	_, _, err = r.PutAssignments(r.t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: entity, Capability: capability("tokens"), Label: cadence,
		UsageLimit: bursar.Some(bursar.AmountFromInt(n)), Cadence: bursar.Some(c), ScopeEntityIDs: scope}})
	r.must(err)
}

// foresee is the forecast of the only limit of an entity with a cadence.
func (r past) foresee(entity, cadence string) engine.ForecastRow {
	r.t.Helper()
	c, err := bursar.ParseCadence(cadence)
	r.must(err)
	depth := 0
	rows, _, err := r.Forecasts(r.t.Context(), ledger.ReadOptions{}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")},
		RootEntityID: entity, Depth: &depth, Cadence: c, Limit: 10})
	r.must(err)
	if len(rows) != 1 {
		r.t.Fatalf("%s has %d limits %s", entity, len(rows), cadence)
	}
	return rows[0]
}

func (r past) want(f engine.ForecastRow, expected, low, high, runsOut string) {
	r.t.Helper()
	text := func(a *bursar.Amount) string {
		if a == nil {
			return "none"
		}
		return a.String()
	}
	at := ""
	if f.RunsOut != 0 {
		at = instantText(f.RunsOut)
	}
	if got, want := [5]string{f.Refused, text(f.Expected), text(f.Low), text(f.High), at}, [5]string{"", expected, low, high, runsOut}; got != want {
		r.t.Errorf("forecast %q, not %q", got, want)
	}
}

func everyDay(n int64) func(time.Time) int64 { return func(time.Time) int64 { return n } }

func onWeekdays(n int64) func(time.Time) int64 {
	return func(at time.Time) int64 {
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			return 0
		}
		return n
	}
}

const oneDay = 24 * time.Hour

// The same usage every day goes on as it was: to the digit, and without doubt.
func TestForecastOfSteadyUsage(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newPast(t, s)
		r.start("2026-01-20T06:00:00Z")
		r.limit("o", "P1M", 2400)
		r.limit("t1", "P1M", 9000)
		r.until("2026-02-20T12:00:00Z", oneDay, everyDay(100))
		f := r.foresee("o", "P1M")
		r.want(f, "2850", "2850", "2850", "2026-02-24T12:00:00Z")
		if f.Steps != 28 || f.Step != ledger.Day || f.PerDay.String() != "100" || f.Earliest != f.RunsOut || f.Latest != f.RunsOut {
			t.Errorf("%+v", f.Forecast)
		}
		r.want(r.foresee("t1", "P1M"), "2850", "2850", "2850", "")
		rows, _, err := r.Forecasts(t.Context(), ledger.ReadOptions{}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, Limit: 1})
		r.must(err)
		if len(rows) != 1 || rows[0].EntityID != "o" {
			t.Errorf("the limit that is used up first is not the one that is looked at: %+v", rows)
		}
		token := &bursar.AccessToken{CustomerID: "acme", RootEntityID: "t1"}
		rows, _, err = r.Forecasts(t.Context(), ledger.ReadOptions{Token: token}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, Limit: 10})
		r.must(err)
		if len(rows) != 1 || rows[0].EntityID != "t1" {
			t.Errorf("a token sees %+v", rows)
		}
	})
}

// Days are like those of the same weekday, so a free weekend uses nothing up.
func TestForecastKnowsWeekdays(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 1650)
	r.until("2026-02-20T00:00:00Z", oneDay, onWeekdays(100))
	r.want(r.foresee("o", "P1M"), "2000", "2000", "2000", "2026-02-24T12:00:00Z")
}

// What is different since the window began moves what is expected towards it.
func TestForecastFollowsThePace(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 10_000)
	r.until("2026-02-20T00:00:00Z", oneDay, func(at time.Time) int64 {
		if at.Month() == time.January {
			return 50
		}
		return 100
	})
	f := r.foresee("o", "P1M")
	// The mean of the last 28 days is 83.9; the window's own is 100.
	if rest := f.Expected.Float64() - 1900; rest < 9*90 || rest > 9*101 {
		t.Errorf("expected for nine days: %v", rest)
	}
	if !f.Low.Less(*f.Expected) || !f.Expected.Less(*f.High) {
		t.Errorf("low %s, expected %s, high %s", f.Low, f.Expected, f.High)
	}
}

// Where days differ without a pattern, the end has a range, and so has the day.
func TestForecastSaysHowSureItIs(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 2300)
	n := 0
	r.until("2026-02-20T00:00:00Z", oneDay, func(time.Time) int64 {
		n++
		return []int64{40, 160, 100, 130, 70, 100, 100, 160, 40}[n%9]
	})
	f := r.foresee("o", "P1M")
	if f.Refused != "" || f.RunsOut == 0 || f.Earliest == 0 || f.Earliest >= f.RunsOut || f.Latest != 0 && f.Latest <= f.RunsOut {
		t.Errorf("from %s by %s until %s: %+v", instantText(f.Earliest), instantText(f.RunsOut), instantText(f.Latest), f.Forecast)
	}
	if width := f.High.Float64() - f.Low.Float64(); width < 60 || width > 600 {
		t.Errorf("from %s to %s", f.Low, f.High)
	}
}

// Windows of up to two days are reckoned in hours.
func TestForecastOfADay(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1D", 200)
	r.until("2026-01-19T12:00:00Z", time.Hour, everyDay(10))
	f := r.foresee("o", "P1D")
	r.want(f, "240", "240", "240", "2026-01-19T20:00:00Z")
	if f.Step != ledger.Hour || f.Steps != 84 {
		t.Errorf("%+v", f.Forecast)
	}
}

// A limit that is far from its end has no expectation for it, but a day on which it runs out.
func TestForecastOfALimitForever(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P100Y", 4500)
	r.until("2026-02-20T00:00:00Z", oneDay, everyDay(100))
	r.want(r.foresee("o", "P100Y"), "none", "none", "none", "2026-03-02")
}

// A limit by default is foreseen as one of the entity's own, also where nothing was charged on it.
func TestForecastOfALimitByDefault(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newPast(t, s)
		r.start("2026-01-20T06:00:00Z")
		month := bursar.Cadence{N: 1, Unit: bursar.UnitMonth}
		_, _, err := r.PutDefaults(t.Context(), tester, "acme", []bursar.DefaultInput{{EntityTypeID: "team", Capability: capability("tokens"),
			UsageLimit: bursar.Some(bursar.AmountFromInt(2400)), Cadence: bursar.Some(month)}})
		r.must(err)
		r.limit("o", "P1M", 9000)
		r.until("2026-02-20T12:00:00Z", oneDay, everyDay(100))
		f := r.foresee("t1", "P1M")
		r.want(f, "2850", "2850", "2850", "2026-02-24T12:00:00Z")
		if f.Limit.DefaultOf == nil {
			t.Errorf("t1 has a limit of its own: %+v", f.Limit)
		}
		if f := r.foresee("t2", "P1M"); f.Refused != ledger.RefusedShortHistory || f.Limit.DefaultOf == nil {
			t.Errorf("t2, which used nothing: %+v", f)
		}
		q := ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, Limit: 10}
		token := &bursar.AccessToken{CustomerID: "acme", RootEntityID: "t1"}
		for who, want := range map[*bursar.AccessToken]string{nil: " t1 o t2", token: " t1"} {
			rows, _, err := r.Forecasts(t.Context(), ledger.ReadOptions{Token: who}, "acme", q)
			r.must(err)
			got := ""
			for i := range rows {
				got += " " + rows[i].EntityID
			}
			if got != want {
				t.Errorf("the fastest are%s, not%s", got, want)
			}
		}
	})
}

// What is not known is not guessed.
func TestForecastRefuses(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 1000)
	r.limit("t1", "PT1H", 1000)
	r.limit("t1", "P1M", 1000, "big")
	r.limit("a", "P1M", 600)
	refused := func(entity, cadence, why string) engine.ForecastRow {
		t.Helper()
		f := r.foresee(entity, cadence)
		if f.Refused != why || f.Expected != nil || f.PerDay != nil {
			t.Errorf("%s %s: %+v", entity, cadence, f.Forecast)
		}
		return f
	}
	refused("o", "P1M", ledger.RefusedShortHistory)
	r.until("2026-01-22T00:00:00Z", oneDay, everyDay(100))
	refused("o", "P1M", ledger.RefusedShortHistory)
	refused("t1", "PT1H", ledger.RefusedShortWindow)
	refused("t1", "P1M", ledger.RefusedScope)
	if f := refused("a", "P1M", ledger.RefusedShortHistory); f.RunsOut != r.Now() {
		t.Errorf("nothing is left of a, and it runs out at %s", instantText(f.RunsOut))
	}
	r.until("2026-01-23T00:00:00Z", oneDay, everyDay(100))
	r.want(r.foresee("o", "P1M"), "1600", "1600", "1600", "2026-01-26")
}

// What is used up is so however little else is known, and a prohibition runs out never.
func TestForecastOfWhatIsUsedUp(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 9000)
	r.limit("t1", "P1D", 0)
	r.limit("t1", "P1M", 100, "big")
	r.limit("a", "PT1H", 1)
	r.until("2026-01-17T00:00:00Z", oneDay, everyDay(100))
	r.use("acme", "1", 0, dims("agentId", "a", "modelId", "big"))
	for _, c := range []struct{ entity, cadence, why string }{{"t1", "P1M", ledger.RefusedScope}, {"a", "PT1H", ledger.RefusedShortWindow}} {
		if f := r.foresee(c.entity, c.cadence); f.Refused != c.why || f.RunsOut != r.Now() || f.Earliest != r.Now() || f.Latest != r.Now() {
			t.Errorf("%s %s is used up: %+v", c.entity, c.cadence, f.Forecast)
		}
	}
	q := ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}}
	for most, want := range map[int]string{1: "a", 2: "a o", 10: "a o t1"} {
		q.Limit = most
		rows, _, err := r.Forecasts(t.Context(), ledger.ReadOptions{}, "acme", q)
		r.must(err)
		got := ""
		for i := range rows {
			got += " " + rows[i].EntityID
		}
		if got != " "+want {
			t.Errorf("the first %d are%s, not %s", most, got, want)
		}
	}
}

// What is read for all forecasts of a query together is bounded: those that go first are told.
func TestForecastsReadSoMuchTogether(t *testing.T) {
	r := newPast(t, mem.New())
	r.start("2026-01-16T00:00:00Z")
	r.limit("o", "P1M", 2000)
	r.limit("t1", "P1M", 3000)
	r.limit("a", "P1M", 4000)
	r.until("2026-01-26T12:00:00Z", oneDay, everyDay(100))
	q := ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, Limit: 10}
	for most, want := range map[int]int{10: 0, 11: 1, 21: 1, 22: 2, 33: 3} {
		rows, err := r.ForecastsUpTo(t.Context(), "acme", q, most)
		r.must(err)
		for i, f := range rows {
			if told := f.Refused == ""; told != (i < want) || !told && f.Refused != ledger.RefusedTooMuch {
				t.Errorf("of %d figures, the forecast of %s: %+v", most, f.EntityID, f.Forecast)
			}
		}
	}
}
