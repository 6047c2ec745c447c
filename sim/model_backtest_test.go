package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// backtest tries out a limit of a day that stops nothing.
type backtest struct {
	Customer, Entity, Feature string
	From                      bursar.Time
}

func (a backtest) run(w *world) string {
	c, f := w.model.customers[a.Customer], w.model.features[a.Feature]
	if c == nil || c.info.ArchivedAt != nil || f == nil || f.ArchivedAt != nil {
		return ""
	}
	if e, known := c.entities[a.Entity]; !known || e.ArchivedAt != nil {
		return ""
	}
	limits := 0
	for _, r := range c.rows {
		if r.cap == featureOf(a.Feature) && r.entity == a.Entity && len(r.scope) == 0 {
			limits++
		}
	}
	if limits >= bursar.MaxPlainLimits { // one more could not be there
		return ""
	}
	day := bursar.Cadence{N: 1, Unit: bursar.UnitDay}
	draft := bursar.AssignmentInput{EntityID: a.Entity, Capability: featureOf(a.Feature), Label: "tried", UsageLimit: bursar.Null[bursar.Amount](), Cadence: bursar.Some(day)}
	got, _, err := w.engine.Simulate(w.ctx, w.fresh(a.Customer), a.Customer, ledger.SimulateInput{From: a.From, Drafts: []bursar.AssignmentInput{draft}})
	if err != nil {
		return err.Error()
	}
	return diff(got.Drafts[0].Peak, w.model.backtest(a, day))
}

// backtest is the highest use of a window, after whatever was counted in the interval. Another
// reading takes back what was booked of a reservation, and then counts the difference at once.
func (m *model) backtest(a backtest, cadence bursar.Cadence) bursar.Amount {
	c, _ := m.customer(a.Customer)
	windows := calendar{cadence: cadence, zone: zoneOf(c.zone())}
	since := windows.window(int64(a.From)).start
	used, peak := map[int64]num{}, num{}
	count := func(at int64, d num) {
		if at < since || d.sign() == 0 {
			return
		}
		start := windows.window(at).start
		used[start] = notBelowZero(used[start].add(d))
		if at >= int64(a.From) && d.sign() > 0 && used[start].cmp(peak) > 0 {
			peak = used[start]
		}
	}
	reread, difference, at := 0, num{}, int64(0)
	for _, f := range c.facts {
		if f.reread == 0 || f.reread != reread {
			count(at, difference)
			reread, difference = f.reread, num{}
		}
		if f.cap != featureOf(a.Feature) || !slices.ContainsFunc(f.route, func(h hop) bool { return h.entity == a.Entity }) {
			continue
		}
		if f.back {
			count(f.at, f.amount)
			continue
		}
		difference, at = difference.add(f.amount), f.at
	}
	count(at, difference)
	return peak.amount()
}

// note keeps a fact.
func (c *mCust) note(f fact) {
	if c.rereading != nil {
		f.reread = c.rereads
	}
	c.facts = append(c.facts, f)
}
