package ledger

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// estimator gathers what one request would cost.
type estimator struct {
	*Decider
	In       *bursar.EstimateInput
	items    []estimated
	Free     []string // features that have no price
	Warnings []string
}

// estimated is what one feature would cost in one currency. Without a currency it says that the
// feature cannot be priced.
type estimated struct {
	currency string
	bursar.EstimateItem
}

// feature adds the cost of a usage. none is the warning for when nothing is priced.
func (x *estimator) feature() (none string, err error) {
	f := x.Cat.FeatureOf[x.In.FeatureID]
	if f == nil {
		return bursar.WarnNoFeature, nil
	}
	if x.In.Value.Sign() < 0 && !f.Fluctuating() {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", f.ID)
	}
	x.enrol(x.In.Dimensions)
	u := UsageItem{In: bursar.UsageInput{FeatureID: f.ID, Dimensions: x.In.Dimensions}, path: x.Resolve(x.Cat, x.In.Dimensions)}
	amount := x.In.Value
	if x.In.Behavior == bursar.Set {
		if amount, err = x.change(&u); err != nil {
			return "", err
		}
	}
	if err := x.chargeable(&u, amount); err != nil {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "%s", err.Message)
	}
	if len(u.unpriced) > 0 {
		return "", catalogue.ErrNoRate(f.ID, u.unpriced)
	}
	x.add(f.ID, u.asks)
	x.Warnings = u.warnings
	return bursar.WarnNotPriced, nil
}

// change is by how much a SET would change the level.
func (x *estimator) change(u *UsageItem) (by bursar.Amount, err error) {
	leaf, ok := x.leaf(&u.path)
	if !ok {
		return by, bursar.ErrorAt("/dimensions", bursar.CodeValidationFailed, severalLeaves)
	}
	_, by, _ = x.level(record.LevelKey{Leaf: leaf, Cap: x.CapOrd(u.In.Capability())}).Set(x.In.Value, x.Now)
	return by, nil
}

// event adds the costs of all usage that an event makes.
func (x *estimator) event() (none string, err error) {
	features := x.Cat.Meters[x.In.EventName]
	if len(features) == 0 {
		return "", bursar.ErrorAt("/eventName", bursar.CodeUnknownMeter, "%s", x.missing(x.Cat, catalogue.OfMeter, x.In.EventName))
	}
	in := bursar.EventInput{CustomerID: x.In.CustomerID, EventName: x.In.EventName, Dimensions: x.In.Dimensions, Warnings: x.In.Warnings}
	x.enrolCounted(&in)
	labels := labelsOf(in.Dimensions)
	path := x.Resolve(x.Cat, labels)
	in.Dimensions = catalogue.Countable(features, in.Dimensions)
	none = bursar.WarnNoFeature
	var usages []UsageItem
	for _, f := range features {
		if !catalogue.MeterAccepts(f.Meter, in.EventName, in.Dimensions) {
			continue
		}
		none = bursar.WarnNotPriced
		u, err := x.meter(f, &in, labels, path, 0)
		if err != nil {
			pointer := "/dimensions"
			if len(err.Fields) > 0 {
				pointer = err.Fields[0].Pointer
			}
			return "", bursar.ErrorAt(pointer, err.Code, "feature %q: %s", f.ID, err.Message)
		}
		if len(u.unpriced) > 0 {
			return "", catalogue.ErrNoRate(f.ID, u.unpriced)
		}
		if usages = append(usages, u); u.aggregate != "" {
			x.items = append(x.items, estimated{"", bursar.EstimateItem{FeatureID: f.ID, Warning: bursar.WarnAggregation}})
			continue
		}
		x.add(f.ID, u.asks)
	}
	x.Warnings = eventWarnings(&in, usages, len(usages) > 0)
	return none, nil
}

func (x *estimator) add(featureID string, asks []Ask) {
	if len(asks) == 1 && !asks[0].Amount.IsZero() {
		x.Free = append(x.Free, featureID)
	}
	for _, a := range asks[1:] {
		c := bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount}
		x.items = append(x.items, estimated{c.CurrencyID, bursar.EstimateItem{FeatureID: featureID, Cost: c.Amount}})
	}
}

// estimates sums the items up by currency. What cannot be priced is in the breakdown of
// each of them.
func (x *estimator) estimates() []bursar.Estimate {
	out := []bursar.Estimate{}
	for _, it := range x.items {
		if it.currency != "" && !slices.ContainsFunc(out, func(e bursar.Estimate) bool { return e.CurrencyID == it.currency }) {
			cur := x.Cat.Currency(it.currency)
			out = append(out, bursar.Estimate{CurrencyID: it.currency, Prepaid: cur != nil && cur.Prepaid,
				Balance: x.Balance(bursar.Capability{Kind: bursar.KindCurrency, ID: it.currency})})
		}
	}
	slices.SortFunc(out, func(a, b bursar.Estimate) int { return strings.Compare(a.CurrencyID, b.CurrencyID) })
	for i := range out {
		for _, it := range x.items {
			if it.currency == "" || it.currency == out[i].CurrencyID {
				out[i].Cost = out[i].Cost.Add(it.Cost)
				out[i].Breakdown = append(out[i].Breakdown, it.EstimateItem)
			}
		}
	}
	return out
}

// Estimate tells what usage or an event would cost. The first of warnings tells why nothing
// is priced.
func (d *Decider) Estimate(in *bursar.EstimateInput) (out []bursar.Estimate, warnings []string, err error) {
	x := estimator{Decider: d, In: in}
	price := x.feature
	if in.EventName != "" {
		price = x.event
	}
	none, err := price()
	if err != nil {
		return nil, nil, err
	}
	if out = x.estimates(); len(out) == 0 {
		warnings = append(warnings, none)
	} else {
		for _, id := range x.Free {
			warnings = append(warnings, bursar.WarnNotPriced+":"+id)
		}
	}
	return out, append(warnings, x.Warnings...), nil
}
