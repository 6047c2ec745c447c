package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (*Consume) failsEarly() {}

// Spend is a consume or a reservation that is asked for.
type Spend struct {
	In  bursar.SpendInput // dimensions ordered by key
	Key record.Identity
}

// admit judges a spend. It returns the rows that the spend may charge, or its twin's place as the
// error.
func (d *Decider) admit(o *Spend) (*admitted, error) {
	c := d.Cust()
	if c == nil {
		return nil, ErrNoCustomer
	}
	id := o.In.Capability.ID
	if o.In.Capability.Kind == bursar.KindCurrency {
		if d.Cat.CurrencyOf[id] == nil {
			return nil, bursar.ErrorAt("/currencyId", bursar.CodeCurrencyNotFound, "%s", d.missing(d.Cat, catalogue.OfCurrency, id))
		}
	} else {
		f := d.Cat.FeatureOf[id]
		if f == nil {
			return nil, bursar.ErrorAt("/featureId", bursar.CodeFeatureNotFound, "%s", d.missing(d.Cat, catalogue.OfFeature, id))
		}
		if f.Meter != nil && !catalogue.Summing(f.Meter) {
			return nil, bursar.ErrorAt("/featureId", bursar.CodeValidationFailed,
				"the feature %q is a %s of events: it cannot be consumed or reserved", id, f.Meter.Aggregation.Function)
		}
	}
	e, err := d.known(o.Key, d.Now-record.KeyMemory)
	if err != nil {
		return nil, err
	}
	if e != nil {
		if e.content != o.Key.Content {
			return nil, Reused("/idempotencyKey", o.In.IdempotencyKey)
		}
		return nil, &record.Place{Seq: e.Seq, Index: e.index}
	}
	if c.ArchivedAt != nil {
		return nil, bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived", c.ID)
	}
	asks, unpriced, err := d.AsksFor(d.Cat, o.In.Capability, o.In.Amount, o.In.Dimensions, d.Now)
	if err != nil {
		return nil, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "%s", err.(*bursar.Error).Message)
	}
	if len(unpriced) > 0 {
		return nil, catalogue.ErrNoRate(id, unpriced)
	}
	d.enrol(o.In.Dimensions)
	r := d.Resolve(d.Cat, o.In.Dimensions)
	r.strict = o.In.Strict
	chains, over := d.chains(&r, asks)
	j := d.judge(d.Cat, &r, asks, chains)
	j.Warnings = d.Warnings(d.Cat, &r, asks, nil, len(chains) > 0, over)
	if len(chains) == 0 && !d.gated(d.Cat, asks) {
		d.judgeUngoverned(d.Cat, &r, o.In.Capability, &j)
	}
	if !j.Granted {
		j.Advice = d.adviceOn(&j, asks, chains, r.model)
		return nil, d.refused(&j, &r)
	}
	if err := cannotCount(asks, over); err != nil {
		return nil, err
	}
	d.granted()
	return &admitted{Resolved: r, rows: d.withPromo(d.RowsOn(&r, asks[0].Cap).Rows, asks[0].Cap), chains: chains, asks: asks, Decision: j}, nil
}

// admitted is a granted spend: what it is decided on.
type admitted struct {
	Resolved
	rows   []uint32
	chains [][]uint32
	asks   []Ask
	bursar.Decision
}

// denial explains a refusal in a sentence.
func denial(j *bursar.Decision) string {
	if j.Frozen != nil {
		return frozenBecause(j.Frozen)
	}
	if j.Because != "" {
		return j.Because
	}
	n := &j.Binding.Node
	where := "the customer's pool of " + n.Capability.String()
	switch j.Binding.Source {
	case bursar.BindingCustomer:
		where = "the customer's limit on " + n.Capability.String()
	case bursar.BindingEntity:
		where = "the limit of entity " + n.EntityID + " on " + n.Capability.String()
		if n.Label != "" {
			where += " (" + n.Label + ")"
		}
		where += whichDefault(n.DefaultOf)
	}
	s := where + " is " + n.UsageLimit.String() + ", of which " + n.CurrentUsage.String() + " is used and " + n.Reserved.String() +
		" is held; " + n.Requested.String() + " more does not fit"
	if n.ResetsAt != 0 {
		s += " before it resets at " + n.ResetsAt.String()
	}
	return s
}

// whichDefault says which default a limit is by; "" = it is the entity's own.
func whichDefault(x *bursar.DefaultSource) string {
	if x == nil {
		return ""
	}
	s := ", by the default of type " + x.EntityTypeID
	for _, k := range record.SortedKeys(x.Metadata) {
		s += " with " + k + "=" + x.Metadata[k]
	}
	if x.EntityID != "" {
		s += " below " + x.EntityID
	}
	return s + ","
}

type Consume struct{ Spend }

func (o *Consume) Decide(d *Decider) (any, error) {
	j, err := d.admit(&o.Spend)
	if err != nil {
		return nil, err
	}
	cap := d.CapFor(o.In.Capability)
	rec := &record.Usage{Op: record.OpConsume, Cap: cap, Amount: o.In.Amount, Timestamp: d.Now, At: d.Now, Key: o.Key, Dims: o.In.Dimensions,
		Combo: d.ComboFor(o.In.Dimensions), Path: j.Path, Delta: o.In.Amount, Total: o.In.Amount}
	d.notePath(j.Path)
	rec.Charges = d.Charges(j.rows, d.Now, o.In.Amount, true)
	res := bursar.ConsumeResult{ID: store.FormatID(d.NextID()), Capability: o.In.Capability, Amount: o.In.Amount, Timestamp: d.Now, Costs: costsOf(j.asks)}
	of := len(d.Recs)
	d.Emit(rec)
	d.moveLevels(cap, rec.Path, rec.Delta)
	d.alertCharges(rec.Charges)
	if c := o.In.Capability; c.Kind == bursar.KindCurrency && d.Cat.Prepaid(c.ID) {
		d.draw(cap, o.In.Amount, 0, of, record.DrawConsumed, d.Now)
	}
	d.chargeCosts(j.asks, of, cap, &j.Resolved, o.In.Dimensions, d.Now, true)
	for i := range j.asks {
		j.asks[i].Cap = d.CapOrd(j.asks[i].C) // it may be new
	}
	res.Decision = d.After(d.Cat, j.asks, j.chains, j.model)
	res.Decision.Warnings = j.Warnings
	res.Credit = d.Credit(d.Cat, j.asks)
	return res, nil
}

// After is the state of the limits once asks have been granted.
func (v *View) After(cat *catalogue.Catalogue, asks []Ask, chains [][]uint32, model string) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: asks[0].C, Chains: v.nodes(chains, nil), Gate: v.gate(cat, &asks[0])}
	cat.Show(&d)
	grantAll(d.Chains, asks)
	for i := range asks[1:] {
		a := &asks[i+1]
		d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount}, Gate: v.gate(cat, a)})
	}
	d.Advice = v.adviceOn(&d, asks, chains, model)
	return d
}

// grantAll shows on each node what asks wanted and got.
func grantAll(chains [][]bursar.Node, asks []Ask) {
	for _, chain := range chains {
		for i := range chain {
			for j := range asks {
				if asks[j].C == chain[i].Capability {
					chain[i].Requested = asks[j].Amount
				}
			}
			chain[i].Granted = true
		}
	}
}
