package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Warnings of an estimate.
const (
	warnNoFeature   = "FEATURE_NOT_FOUND"
	warnNotPriced   = "FEATURE_NOT_CREDIT_BASED"
	warnAggregation = "UNSUPPORTED_AGGREGATION"
)

// Estimate tells what usage or an event would cost. warnings has FEATURE_NOT_FOUND or
// FEATURE_NOT_CREDIT_BASED when nothing is priced.
func (e *Engine) Estimate(ctx context.Context, o ReadOptions, in bursar.EstimateInput) (out []bursar.Estimate, warnings []string, version uint64, err error) {
	in.Dimensions = sortDims(in.Dimensions)
	cat := e.cat.Load()
	version, err = e.readCustomer(ctx, o, in.CustomerID, func(v *view) error {
		x := estimator{decider: &decider{view: v, cat: cat, horizon: e.o.LateHorizon, quiet: true}, in: &in}
		price := x.feature
		if in.EventName != "" {
			price = x.event
		}
		warning, err := price()
		if err != nil {
			return err
		}
		if out = x.estimates(); len(out) == 0 {
			warnings = []string{warning}
		}
		return nil
	})
	return out, warnings, version, err
}

// estimator gathers what one request would cost.
type estimator struct {
	*decider
	in    *bursar.EstimateInput
	items []estimated
}

// estimated is what one feature would cost in one currency; without a currency, that it
// cannot be priced.
type estimated struct {
	currency string
	bursar.EstimateItem
}

// feature adds the cost of a usage. The warning is for when nothing is priced.
func (x *estimator) feature() (warning string, err error) {
	f := x.cat.features[x.in.FeatureID]
	if f == nil {
		return warnNoFeature, nil
	}
	if x.in.Value.Sign() < 0 && !f.Fluctuating() {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", f.ID)
	}
	asks, unpriced, err := x.asksFor(x.cat, bursar.Capability{Kind: bursar.KindFeature, ID: f.ID}, x.in.Value, x.in.Dimensions, x.now)
	if err != nil {
		return "", bursar.ErrorAt("/value", bursar.CodeInvalidAmount, "%s", err.(*bursar.Error).Message)
	}
	if len(unpriced) > 0 {
		return "", errNoRate(f.ID, unpriced)
	}
	if x.in.Behavior == bursar.Set {
		if err := x.setTo(asks); err != nil {
			return "", err
		}
	}
	x.add(f.ID, asks)
	return warnNotPriced, nil
}

// setTo makes the costs those of the change of the level, as setLevel does.
func (x *estimator) setTo(asks []ask) error {
	path := x.resolve(x.cat, x.in.Dimensions)
	leaf, ok := x.leaf(&path)
	if !ok {
		return bursar.ErrorAt("/dimensions", bursar.CodeValidationFailed, "SET needs one entity below all others that the dimensions name; here are several")
	}
	old := x.level(levelKey{leaf, asks[0].cap})
	delta := x.in.Value.Sub(old.value)
	if x.now < old.at {
		delta = bursar.Amount{}
	}
	for i := range asks[1:] {
		asks[i+1].amount, _ = asks[i+1].price.rate.Cost(delta)
	}
	return nil
}

// event adds the costs of all usage that an event makes.
func (x *estimator) event() (warning string, err error) {
	features := x.cat.meters[x.in.EventName]
	if len(features) == 0 {
		return "", bursar.ErrorAt("/eventName", bursar.CodeUnknownMeter, "no feature has a meter of the event %q", x.in.EventName)
	}
	in := bursar.EventInput{CustomerID: x.in.CustomerID, EventName: x.in.EventName, Dimensions: x.in.Dimensions}
	labels := labelsOf(in.Dimensions)
	warning = warnNoFeature
	for _, f := range features {
		if !meterAccepts(f.Meter, in.EventName, in.Dimensions) {
			continue
		}
		warning = warnNotPriced
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
		if u.aggregate != "" {
			x.items = append(x.items, estimated{"", bursar.EstimateItem{FeatureID: f.ID, Warning: warnAggregation}})
			continue
		}
		x.add(f.ID, u.asks)
	}
	return warning, nil
}

func (x *estimator) add(featureID string, asks []ask) {
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
