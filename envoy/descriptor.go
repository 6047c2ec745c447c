package main

import (
	"fmt"
	"math"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// Entries of a descriptor that say what is asked. All others are dimensions.
const (
	customerEntry = "bursar.customer" // whose budgets
	featureEntry  = "bursar.feature"  // what a hit is of
	currencyEntry = "bursar.currency"
	unitEntry     = "bursar.unit"   // how much of it a hit is: a decimal number; 1 without
	recordEntry   = "bursar.record" // "used": the hits happened, so they are recorded whatever the limits say
)

// defaults are what descriptors without such entries mean.
type defaults struct {
	customer, feature string
}

// want is what a descriptor asks.
type want struct {
	customer string
	client.SpendInput
	asks bool // it is no use, but a question whether there could be one
	used bool // it happened already
}

// wantOf reads a descriptor. hits is what the request says for those of its descriptors that say nothing.
func wantOf(d *common.RateLimitDescriptor, hits uint32, by defaults) (*want, error) {
	w := &want{customer: by.customer}
	unit, err := w.read(d.GetEntries())
	if err != nil {
		return nil, err
	}
	if w.customer == "" {
		return nil, fmt.Errorf("no customer: add the entry %s, or start with --customer", customerEntry)
	}
	switch {
	case w.FeatureID != "" && w.CurrencyID != "":
		return nil, fmt.Errorf("there are both %s and %s; leave out one", featureEntry, currencyEntry)
	case w.FeatureID == "" && w.CurrencyID == "":
		if w.FeatureID = by.feature; by.feature == "" {
			return nil, fmt.Errorf("no capability: add the entry %s or %s, or start with --feature", featureEntry, currencyEntry)
		}
	}
	n := uint64(max(hits, 1))
	if d.GetHitsAddend() != nil {
		n = d.GetHitsAddend().GetValue()
	}
	if n > math.MaxUint32 {
		return nil, fmt.Errorf("%d hits are too many: a request may have %d", n, uint32(math.MaxUint32))
	}
	if w.asks = n == 0; w.asks {
		n = 1
	}
	var ok bool
	if w.Amount, ok = bursar.AmountFromInt(int64(n)).MulDiv(unit, 1); !ok {
		return nil, fmt.Errorf("%d hits of %s %s each are too much", n, unitEntry, unit)
	}
	if d.GetIsNegativeHits() {
		w.Amount, w.used = w.Amount.Neg(), true
	}
	return w, nil
}

// read takes in the entries, and gives how much a hit is.
func (w *want) read(entries []*common.RateLimitDescriptor_Entry) (unit bursar.Amount, err error) {
	unit, w.Dimensions = bursar.AmountFromInt(1), client.Dimensions{}
	seen := map[string]bool{}
	for _, e := range entries {
		key, value := e.GetKey(), e.GetValue()
		if seen[key] {
			return unit, fmt.Errorf("the entry %q is there twice", key)
		}
		seen[key] = true
		switch key {
		case customerEntry:
			w.customer = value
		case featureEntry:
			w.FeatureID = value
		case currencyEntry:
			w.CurrencyID = value
		case recordEntry:
			if w.used = value == "used"; !w.used {
				return unit, fmt.Errorf("%s is %q; it is \"used\" or left out", recordEntry, value)
			}
		case unitEntry:
			if unit, err = bursar.ParseAmount([]byte(value)); err != nil || unit.Sign() <= 0 {
				return unit, fmt.Errorf("%s is %q; write a number above 0, such as 0.000001", unitEntry, value)
			}
		default:
			w.Dimensions[key] = value
		}
	}
	return unit, nil
}
