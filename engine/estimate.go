package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Estimate tells what usage or an event would cost. The first of warnings is
// FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing is priced.
func (e *Engine) Estimate(ctx context.Context, o ReadOptions, in bursar.EstimateInput) (out []bursar.Estimate, warnings []string, version uint64, err error) {
	in.Dimensions = sortDims(in.Dimensions)
	cat := e.cat.Load()
	version, err = e.readCustomer(ctx, o, in.CustomerID, func(v *view) error {
		x := estimator{decider: &decider{view: v, cat: cat, horizon: e.o.LateHorizon, quiet: true}, in: &in}
		price := x.feature
		if in.EventName != "" {
			price = x.event
		}
		none, err := price()
		if err != nil {
			return err
		}
		if out, warnings = x.estimates(), nil; len(out) == 0 {
			warnings = append(warnings, none)
		} else {
			for _, id := range x.free {
				warnings = append(warnings, bursar.WarnNotPriced+":"+id)
			}
		}
		warnings = append(warnings, x.warnings...)
		return nil
	})
	return out, warnings, version, err
}

// estimator gathers what one request would cost.
type estimator struct {
	*decider
	in       *bursar.EstimateInput
	items    []estimated
	free     []string // features that have no price
	warnings []string
}

// estimated is what one feature would cost in one currency; without a currency, that it
// cannot be priced.
type estimated struct {
	currency string
	bursar.EstimateItem
}

// feature adds the cost of a usage. none is the warning for when nothing is priced.
func (x *estimator) feature() (none string, err error) {
	f := x.cat.features[x.in.FeatureID]
	if f == nil {
		return bursar.WarnNoFeature, nil
	}
	if x.in.Value.Sign() < 0 && !f.Fluctuating() {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", f.ID)
	}
	u := usageItem{in: bursar.UsageInput{FeatureID: f.ID, Dimensions: x.in.Dimensions}, path: x.resolve(x.cat, x.in.Dimensions)}
	amount := x.in.Value
	if x.in.Behavior == bursar.Set {
		if amount, err = x.change(&u); err != nil {
			return "", err
		}
	}
	if err := x.chargeable(&u, amount); err != nil {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "%s", err.Message)
	}
	if len(u.unpriced) > 0 {
		return "", errNoRate(f.ID, u.unpriced)
	}
	x.add(f.ID, u.asks)
	x.warnings = u.warnings
	return bursar.WarnNotPriced, nil
}

// change is by how much a SET would change the level.
func (x *estimator) change(u *usageItem) (by bursar.Amount, err error) {
	leaf, ok := x.leaf(&u.path)
	if !ok {
		return by, bursar.ErrorAt("/dimensions", bursar.CodeValidationFailed, "SET needs one entity below all others that the dimensions name; here are several")
	}
	old := x.level(levelKey{leaf, x.capOrd(u.in.Capability())})
	if x.now < old.at {
		return by, nil
	}
	return bursar.MaxAmount(x.in.Value, bursar.Amount{}).Sub(old.value), nil
}

// event adds the costs of all usage that an event makes.
func (x *estimator) event() (none string, err error) {
	features := x.cat.meters[x.in.EventName]
	if len(features) == 0 {
		return "", bursar.ErrorAt("/eventName", bursar.CodeUnknownMeter, "no feature has a meter of the event %q", x.in.EventName)
	}
	in := bursar.EventInput{CustomerID: x.in.CustomerID, EventName: x.in.EventName, Dimensions: x.in.Dimensions}
	labels := labelsOf(in.Dimensions)
	none = bursar.WarnNoFeature
	var usages []usageItem
	for _, f := range features {
		if !meterAccepts(f.Meter, in.EventName, in.Dimensions) {
			continue
		}
		none = bursar.WarnNotPriced
		u, err := x.meter(f, &in, labels)
		if err != nil {
			pointer := "/dimensions"
			if len(err.Fields) > 0 {
				pointer = err.Fields[0].Pointer
			}
			return "", bursar.ErrorAt(pointer, err.Code, "feature %q: %s", f.ID, err.Message)
		}
		if len(u.unpriced) > 0 {
			return "", errNoRate(f.ID, u.unpriced)
		}
		if usages = append(usages, u); u.aggregate != "" {
			x.items = append(x.items, estimated{"", bursar.EstimateItem{FeatureID: f.ID, Warning: bursar.WarnAggregation}})
			continue
		}
		x.add(f.ID, u.asks)
	}
	x.warnings = eventWarnings(&in, usages)
	return none, nil
}

func (x *estimator) add(featureID string, asks []ask) {
	if len(asks) == 1 && !asks[0].amount.IsZero() {
		x.free = append(x.free, featureID)
	}
	for _, a := range asks[1:] {
		c := bursar.Cost{CurrencyID: a.c.ID, Amount: a.amount}
		x.items = append(x.items, estimated{c.CurrencyID, bursar.EstimateItem{FeatureID: featureID, Cost: c.Amount}})
	}
}

// estimates sums the items up by currency. What cannot be priced is in the breakdown of
// each of them.
func (x *estimator) estimates() []bursar.Estimate {
	out := []bursar.Estimate{}
	for _, it := range x.items {
		if it.currency != "" && !slices.ContainsFunc(out, func(e bursar.Estimate) bool { return e.CurrencyID == it.currency }) {
			out = append(out, bursar.Estimate{CurrencyID: it.currency, Balance: x.balance(bursar.Capability{Kind: bursar.KindCurrency, ID: it.currency})})
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
