package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

func (w *catalogueWrite) createFeature(f bursar.Feature) (bursar.Feature, error) {
	if w.features[f.ID] != nil {
		return f, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the feature %q exists already", f.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(f.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	f.FeatureType = cmp.Or(f.FeatureType, "NUMBER")
	f.MeterType = cmp.Or(f.MeterType, "INCREMENTAL")
	f.FeatureStatus = cmp.Or(f.FeatureStatus, "ACTIVE")
	oneOf := func(pointer, v string, allowed ...string) {
		if !slices.Contains(allowed, v) {
			p.Add(pointer, bursar.CodeValidationFailed, "%.32q is not one of %s", v, strings.Join(allowed, ", "))
		}
	}
	oneOf("/featureType", f.FeatureType, "NUMBER")
	oneOf("/meterType", f.MeterType, "INCREMENTAL", "FLUCTUATING")
	oneOf("/featureStatus", f.FeatureStatus, "NEW", "SUSPENDED", "ACTIVE")
	in := f.Metadata
	f.Metadata, f.CreatedAt, f.ArchivedAt = nil, w.now.Milli(), nil
	f, err := w.putFeature(f, in, &p)
	if err != nil {
		return f, err
	}
	return f, w.put("featureNoted", f.ID)
}

func (w *catalogueWrite) putFeature(f bursar.Feature, metadata map[string]string, p *bursar.Problems) (bursar.Feature, error) {
	checkName("/displayName", f.DisplayName, p)
	checkText("/description", f.Description, p)
	checkText("/featureUnits", f.FeatureUnits, p)
	checkText("/featureUnitsPlural", f.FeatureUnitsPlural, p)
	f.Metadata = patchMetadata(f.Metadata, metadata, "/metadata", p)
	if f.Meter != nil {
		f.Meter = checkMeter(f.Meter, p)
		if !summing(f.Meter) && w.livePrice(f.ID) {
			p.Add("/meter/aggregation/function", bursar.CodeValidationFailed, "the feature %q has a price; a %s cannot be priced", f.ID, f.Meter.Aggregation.Function)
		}
	}
	if err := p.Err(); err != nil {
		return f, err
	}
	f.UpdatedAt = w.now.Milli()
	return f, w.put("feature", &f)
}

func (w *catalogueWrite) updateFeature(id string, in *FeaturePatch) (bursar.Feature, error) {
	old := w.features[id]
	if old == nil {
		return bursar.Feature{}, errNoFeature(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	f := *old
	if in.DisplayName.Set {
		f.DisplayName = in.DisplayName.Value
	}
	setOpt(&f.Description, in.Description)
	setOpt(&f.FeatureUnits, in.FeatureUnits)
	setOpt(&f.FeatureUnitsPlural, in.FeatureUnitsPlural)
	if in.Meter.Set {
		if f.Meter = nil; !in.Meter.Null {
			f.Meter = &in.Meter.Value
		}
	}
	var p bursar.Problems
	if adds := func(m *bursar.Meter) bool { return m == nil || summing(m) }; adds(old.Meter) != adds(f.Meter) {
		if !w.noted[id] { // nobody knows who uses it
			p.Add(functionPointer, bursar.CodeValidationFailed, errOtherFigures, id)
		}
		w.unused, w.places = append(w.unused, Use{"feature", id}), append(w.places, functionPointer)
	}
	return w.putFeature(f, in.Metadata, &p)
}

const (
	functionPointer = "/meter/aggregation/function"
	errOtherFigures = "the feature %q has recorded usage: one whose usage adds up cannot become one of MAX or UNIQUE, nor back, for its figures would mean another thing; make another feature"
)

func errNoFeature(id string) error {
	return bursar.Errorf(bursar.CodeFeatureNotFound, "there is no feature %.64q", id)
}

func (w *catalogueWrite) archiveFeature(id string, archive bool) (bursar.Feature, error) {
	old := w.features[id]
	if old == nil {
		return bursar.Feature{}, errNoFeature(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	f := *old
	now := w.now.Milli()
	if f.ArchivedAt, f.UpdatedAt = nil, now; archive {
		f.ArchivedAt = &now
	}
	return f, w.put("feature", &f)
}

func (w *catalogueWrite) createCurrency(c bursar.Currency) (bursar.Currency, error) {
	if w.currencies[c.ID] != nil {
		return c, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the currency %q exists already", c.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(c.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	in := c.Metadata
	c.Metadata, c.CreatedAt, c.ArchivedAt = nil, w.now.Milli(), nil
	return w.putCurrency(c, in, &p)
}

func (w *catalogueWrite) putCurrency(c bursar.Currency, metadata map[string]string, p *bursar.Problems) (bursar.Currency, error) {
	checkName("/displayName", c.DisplayName, p)
	checkText("/description", c.Description, p)
	checkText("/symbol", c.Symbol, p)
	if c.Units != nil {
		checkText("/units/singular", &c.Units.Singular, p)
		checkText("/units/plural", &c.Units.Plural, p)
	}
	c.Metadata = patchMetadata(c.Metadata, metadata, "/metadata", p)
	if err := p.Err(); err != nil {
		return c, err
	}
	c.UpdatedAt = w.now.Milli()
	return c, w.put("currency", &c)
}

func (w *catalogueWrite) updateCurrency(id string, in *CurrencyPatch) (bursar.Currency, error) {
	old := w.currencies[id]
	if old == nil {
		return bursar.Currency{}, errNoCurrency(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	c := *old
	if in.DisplayName.Set {
		c.DisplayName = in.DisplayName.Value
	}
	setOpt(&c.Description, in.Description)
	setOpt(&c.Symbol, in.Symbol)
	if in.Units.Set {
		if c.Units = nil; !in.Units.Null {
			c.Units = &in.Units.Value
		}
	}
	var p bursar.Problems
	return w.putCurrency(c, in.Metadata, &p)
}

func errNoCurrency(id string) error {
	return bursar.Errorf(bursar.CodeCurrencyNotFound, "there is no currency %.64q", id)
}

func (w *catalogueWrite) archiveCurrency(id string, archive bool) (bursar.Currency, error) {
	old := w.currencies[id]
	if old == nil {
		return bursar.Currency{}, errNoCurrency(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	c := *old
	now := w.now.Milli()
	if c.ArchivedAt, c.UpdatedAt = nil, now; archive {
		for _, card := range w.RateCards() {
			if card.CurrencyID == id && card.ArchivedAt == nil {
				return c, bursar.Errorf(bursar.CodeCurrencyInUse, "the rate card %q prices in %q; archive it first", card.ID, id)
			}
		}
		c.ArchivedAt = &now
		w.unused = append(w.unused, Use{"currency", id})
	}
	return c, w.put("currency", &c)
}
