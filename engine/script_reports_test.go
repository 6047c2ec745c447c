package engine_test

import (
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

func init() {
	for name, run := range map[string]func(*world, *op) error{
		"ledger": (*world).opLedger, "spent": (*world).opSpent, "estimate": (*world).opEstimate,
		"simulate": (*world).opSimulate, "reprice": (*world).opReprice,
	} {
		operations[name] = run
	}
}

// opLedger shows the entries of a currency, newest first.
func (w *world) opLedger(o *op) error {
	p, _, err := w.engine.Ledger(w.t.Context(), ledger.ReadOptions{}, ledger.LedgerQuery{CustomerID: "acme", CurrencyID: o.item().word(0), Limit: 100})
	names := map[string]string{}
	for _, g := range w.grants("") {
		names[g.ID] = g.DisplayName
	}
	for _, e := range p.Items {
		w.printf("%s %s %s%s at %s\n", strings.TrimPrefix(string(e.Type), "CREDITS_"), e.Amount, names[e.GrantID], mark(e.FeatureID != "", " by "+e.FeatureID), instantText(e.Timestamp))
	}
	return err
}

// opSpent is "currency [group-by key…]": what it went to in the last 30 days.
func (w *world) opSpent(o *op) error {
	it := o.item()
	list, _, err := w.engine.CreditUsage(w.t.Context(), ledger.ReadOptions{}, ledger.CreditUsageQuery{CustomerID: "acme", CurrencyID: it.word(0),
		From: w.clock() - 30*86400e9, GroupBy: it.words[1:]})
	for _, s := range list.Series {
		w.printf("%s %v: %s in %d times,", s.FeatureID, s.Tags, s.Total, s.EventCount)
		for _, p := range s.Points {
			if p.EventCount != 0 {
				w.printf(" %s on %s", p.Value, instantText(p.Timestamp))
			}
		}
		w.printf("\n")
	}
	return err
}

// opEstimate is "feature value [set] [DIM=V…]" or "event NAME [DIM=V…]".
func (w *world) opEstimate(o *op) error {
	it := o.item()
	in := bursar.EstimateInput{CustomerID: "acme"}
	if it.word(0) == "event" {
		in.EventName = it.word(1)
	} else {
		if in.Behavior = bursar.Delta; it.flag("set") {
			in.Behavior = bursar.Set
		}
		in.FeatureID, in.Value = it.word(0), it.amount(1)
	}
	for _, d := range it.dims() {
		if _, err := bursar.AmountFromString(d.Value); err == nil {
			d.Kind = bursar.DimNumber
		}
		in.Dimensions = append(in.Dimensions, d)
	}
	list, warnings, _, err := w.engine.Estimate(w.t.Context(), ledger.ReadOptions{}, in)
	for _, e := range list {
		w.printf("%s %s of %s left\n", e.Cost, e.CurrencyID, e.Balance.Limit.Sub(e.Balance.Used))
		for _, b := range e.Breakdown {
			w.printf("  %s: %s%s\n", b.FeatureID, b.Cost, mark(b.Warning != "", " "+b.Warning))
		}
	}
	for _, s := range warnings {
		w.printf("%s\n", s)
	}
	return err
}

// opSimulate is "from=-30d [to=] ; entity capability limit cadence …; …": drafts as in
// put-limit.
func (w *world) opSimulate(o *op) error {
	it := o.item()
	from, _ := it.take("from")
	to, _ := it.take("to")
	in := ledger.SimulateInput{From: w.instant(it, from), To: w.instant(it, to)}
	for _, d := range o.items[1:] {
		in.Drafts = append(in.Drafts, w.limitInput(d))
	}
	s, _, err := w.engine.Simulate(w.t.Context(), ledger.ReadOptions{}, "acme", in)
	if err != nil {
		return err
	}
	w.printf("%d replayed\n", s.Replayed)
	for _, d := range s.Drafts {
		w.printf("draft %d: %d stopped, %s in all, peak %s%s\n", d.Index, d.Stopped, d.StoppedUsage, d.Peak, mark(d.FirstStopped != 0, ", first "+instantText(d.FirstStopped)))
	}
	for _, x := range s.Stopped {
		w.printf("  %s at %s by draft %d: %s on top of %s\n", x.EntityID, instantText(x.Timestamp), x.Draft, x.Amount, x.Used)
	}
	for _, x := range s.Entities {
		w.printf("  %s: %d times, %s\n", x.EntityID, x.Stopped, x.StoppedUsage)
	}
	return nil
}

// opReprice is "card from=-1d [to=] [apply]".
func (w *world) opReprice(o *op) error {
	it := o.item()
	from, _ := it.take("from")
	to, _ := it.take("to")
	in := ledger.RepriceInput{CardID: it.word(0), From: w.instant(it, from), To: w.instant(it, to), Apply: it.flag("apply")}
	r, err := w.engine.Reprice(w.t.Context(), tester, in)
	if err != nil {
		return err
	}
	w.printf("%d charges: %s, now %s%s\n", r.Records, r.Was, r.Is, mark(r.Applied, ", applied"))
	for _, c := range r.Customers {
		w.printf("%s: %s, now %s; the pool loses %s\n", c.CustomerID, c.Was, c.Is, c.Pool)
		for _, x := range c.Rows {
			w.printf("  %s from %s: %s, now %s\n", x.EntityID, instantText(x.PeriodStart), x.Was, x.Is)
		}
	}
	return nil
}
