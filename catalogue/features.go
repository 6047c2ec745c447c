package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func (w *Write) CreateFeature(f bursar.Feature) (bursar.Feature, error) {
	if w.FeatureOf[f.ID] != nil {
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
	f.Metadata, f.CreatedAt, f.ArchivedAt = nil, w.Now.Milli(), nil
	f, err := w.putFeature(f, in, &p)
	if err != nil {
		return f, err
	}
	return f, w.Put("featureNoted", f.ID)
}

func (w *Write) putFeature(f bursar.Feature, metadata map[string]string, p *bursar.Problems) (bursar.Feature, error) {
	CheckName("/displayName", f.DisplayName, p)
	CheckText("/description", f.Description, p)
	CheckText("/featureUnits", f.FeatureUnits, p)
	CheckText("/featureUnitsPlural", f.FeatureUnitsPlural, p)
	f.Metadata = PatchMetadata(f.Metadata, metadata, "/metadata", p)
	if f.Meter != nil {
		var was *bursar.Meter
		if old := w.FeatureOf[f.ID]; old != nil {
			was = old.Meter
		}
		f.Meter = checkMeter(f.Meter, was, p)
		if !Summing(f.Meter) && w.livePrice(f.ID) {
			p.Add("/meter/aggregation/function", bursar.CodeValidationFailed, "the feature %q has a price; a %s cannot be priced", f.ID, f.Meter.Aggregation.Function)
		}
	}
	if err := p.Err(); err != nil {
		return f, err
	}
	f.UpdatedAt = w.Now.Milli()
	return f, w.Put("feature", &f)
}

func (w *Write) UpdateFeature(id string, in *FeaturePatch) (bursar.Feature, error) {
	old := w.FeatureOf[id]
	if old == nil {
		return bursar.Feature{}, w.errNoFeature(id)
	}
	if err := w.StillAt(old); err != nil {
		return *old, err
	}
	f := *old
	if in.DisplayName.Set {
		f.DisplayName = in.DisplayName.Value
	}
	SetOpt(&f.Description, in.Description)
	SetOpt(&f.FeatureUnits, in.FeatureUnits)
	SetOpt(&f.FeatureUnitsPlural, in.FeatureUnitsPlural)
	if in.Meter.Set {
		if f.Meter = nil; !in.Meter.Null {
			f.Meter = &in.Meter.Value
		}
	}
	var p bursar.Problems
	if figures(old.Meter) != figures(f.Meter) {
		if !w.noted[id] { // its use was not noted from the start, so it may be in use
			p.Add(functionPointer, bursar.CodeValidationFailed, ErrOtherFigures, id)
		}
		if figures(f.Meter) == "UNIQUE" {
			w.unused("default", id, functionPointer)
		}
		w.unused("feature", id, functionPointer)
	}
	return w.putFeature(f, in.Metadata, &p)
}

// figures names what the usage figures of a feature mean: SUM for sums and counts, else the function
// of its meter.
func figures(m *bursar.Meter) string {
	if m == nil || Summing(m) {
		return "SUM"
	}
	return m.Aggregation.Function
}

const (
	functionPointer = "/meter/aggregation/function"
	ErrHasDefaults  = "the feature %q has default limits, some of them of customer %q, and a UNIQUE cannot have any: delete them first"
	ErrOtherFigures = "the feature %q has recorded usage, whose figures would come to mean another thing: only SUM and COUNT may take the place of one another; make another feature"
)

func (c *Catalogue) errNoFeature(id string) error {
	return bursar.Errorf(bursar.CodeFeatureNotFound, "%s", c.NoFeature(id))
}

func (w *Write) ArchiveFeature(id string, archive bool) (bursar.Feature, error) {
	old := w.FeatureOf[id]
	if old == nil {
		return bursar.Feature{}, w.errNoFeature(id)
	}
	if err := w.StillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	f := *old
	now := w.Now.Milli()
	if f.ArchivedAt, f.UpdatedAt = nil, now; archive {
		f.ArchivedAt = &now
	}
	return f, w.Put("feature", &f)
}

func (w *Write) CreateCurrency(c bursar.Currency) (bursar.Currency, error) {
	if w.CurrencyOf[c.ID] != nil {
		return c, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the currency %q exists already", c.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(c.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	in := c.Metadata
	c.Metadata, c.CreatedAt, c.ArchivedAt = nil, w.Now.Milli(), nil
	return w.putCurrency(c, in, &p)
}

func (w *Write) putCurrency(c bursar.Currency, metadata map[string]string, p *bursar.Problems) (bursar.Currency, error) {
	CheckName("/displayName", c.DisplayName, p)
	CheckText("/description", c.Description, p)
	CheckText("/symbol", c.Symbol, p)
	if c.Units != nil {
		CheckText("/units/singular", &c.Units.Singular, p)
		CheckText("/units/plural", &c.Units.Plural, p)
	}
	c.Metadata = PatchMetadata(c.Metadata, metadata, "/metadata", p)
	if err := p.Err(); err != nil {
		return c, err
	}
	c.UpdatedAt = w.Now.Milli()
	return c, w.Put("currency", &c)
}

func (w *Write) UpdateCurrency(id string, in *CurrencyPatch) (bursar.Currency, error) {
	old := w.CurrencyOf[id]
	if old == nil {
		return bursar.Currency{}, w.ErrNoCurrency(id)
	}
	if err := w.StillAt(old); err != nil {
		return *old, err
	}
	c := *old
	if in.DisplayName.Set {
		c.DisplayName = in.DisplayName.Value
	}
	SetOpt(&c.Description, in.Description)
	SetOpt(&c.Symbol, in.Symbol)
	if in.Units.Set {
		if c.Units = nil; !in.Units.Null {
			c.Units = &in.Units.Value
		}
	}
	var p bursar.Problems
	return w.putCurrency(c, in.Metadata, &p)
}

func (c *Catalogue) ErrNoCurrency(id string) error {
	return bursar.Errorf(bursar.CodeCurrencyNotFound, "%s", c.NoCurrency(id))
}

func (w *Write) ArchiveCurrency(id string, archive bool) (bursar.Currency, error) {
	old := w.CurrencyOf[id]
	if old == nil {
		return bursar.Currency{}, w.ErrNoCurrency(id)
	}
	if err := w.StillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	c := *old
	now := w.Now.Milli()
	if c.ArchivedAt, c.UpdatedAt = nil, now; archive {
		for _, card := range w.RateCards() {
			if card.CurrencyID == id && card.ArchivedAt == nil {
				return c, bursar.Errorf(bursar.CodeCurrencyInUse, "the rate card %q prices in %q; archive it first", card.ID, id)
			}
		}
		c.ArchivedAt = &now
		w.Unused = append(w.Unused, store.Use{Kind: "currency", ID: id})
	}
	return c, w.Put("currency", &c)
}
