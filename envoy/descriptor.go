package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// Entries of a descriptor that say what is asked. All others are dimensions.
const (
	ourEntries    = "bursar."
	customerEntry = "bursar.customer" // whose budgets
	featureEntry  = "bursar.feature"  // what a hit is of
	currencyEntry = "bursar.currency"
	unitEntry     = "bursar.unit"   // how much of it a hit is: a decimal number; 1 without
	recordEntry   = "bursar.record" // "used": the hits happened, so they are recorded whatever the limits say
)

// defaults are what descriptors without such entries mean.
type defaults struct {
	customer, feature string
	strict            bool // an id that names no entity is denied
}

// want is what a descriptor asks.
type want struct {
	customer string
	client.SpendInput
	unit bursar.Amount // how much a hit is
	kind kind
}

// kind is what becomes of the hits of a descriptor.
type kind int

const (
	spends  kind = iota
	asks         // there are none: would one pass?
	records      // they happened
	refunds
)

// maxValue is how many bytes the value of a dimension may have at the server; see docs/rules.md.
const maxValue = 1024

// wantOf reads a descriptor. hits is what the request says for those of its descriptors that say nothing.
func wantOf(d *common.RateLimitDescriptor, hits uint32, by defaults) (*want, error) {
	w := &want{customer: by.customer, unit: bursar.AmountFromInt(1)}
	w.Strict = by.strict
	if d.GetLimit() != nil {
		return nil, errors.New("it has a limit of its own; budgets are set in Bursar")
	}
	if err := w.read(d.GetEntries()); err != nil {
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
	switch {
	case n == 0:
		n, w.kind = 1, asks
	case d.GetIsNegativeHits():
		w.kind = refunds
	}
	var ok bool
	if w.Amount, ok = bursar.AmountFromInt(int64(min(n, math.MaxInt64))).MulDiv(w.unit, 1); !ok || n > math.MaxInt64 {
		return nil, fmt.Errorf("%d hits of %s each are too many", n, w.unit)
	}
	if w.kind == refunds {
		w.Amount = w.Amount.Neg()
	}
	return w, nil
}

// read takes in the entries.
func (w *want) read(entries []*common.RateLimitDescriptor_Entry) (err error) {
	w.Dimensions = client.Dimensions{}
	met := map[string]bool{}
	for _, e := range entries {
		key, value := e.GetKey(), e.GetValue()
		switch {
		case met[key]:
			return fmt.Errorf("the entry %q is there twice", key)
		case value == "" && strings.HasPrefix(key, ourEntries):
			return fmt.Errorf("the entry %q is empty", key)
		}
		met[key] = true
		switch key {
		case customerEntry:
			w.customer = value
		case featureEntry:
			w.FeatureID = value
		case currencyEntry:
			w.CurrencyID = value
		case recordEntry:
			if w.kind = records; value != "used" {
				return fmt.Errorf("%s is %q; it is \"used\" or left out", recordEntry, value)
			}
		case unitEntry:
			if w.unit, err = bursar.ParseAmount([]byte(value)); err != nil || w.unit.Sign() <= 0 {
				return fmt.Errorf("%s is %q; write a number above 0, such as 0.000001", unitEntry, value)
			}
		default:
			if strings.HasPrefix(key, ourEntries) {
				return fmt.Errorf("there is no entry %q: there are %s, %s, %s, %s and %s", key, customerEntry, featureEntry, currencyEntry, unitEntry, recordEntry)
			}
			w.Dimensions[key] = value
		}
	}
	return nil
}

// refused is why what a client of Envoy may say itself is denied without asking; nil = it is not. As an error it would
// pass wherever Envoy lets requests pass that nothing could be decided of.
func (w *want) refused() *client.Error {
	for key, value := range w.Dimensions {
		if len(value) > maxValue {
			return &client.Error{Status: http.StatusPaymentRequired, Code: bursar.CodeEntityNotFound, Message: fmt.Sprintf("the value of %q has more than %d bytes", key, maxValue)}
		}
	}
	return nil
}
