package catalogue

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// Limits of the match of a rate.
const (
	maxMatchKeys  = 10
	maxMatchTexts = 400_000 // combinations of values of all rates of a version
)

// maxTie is how close versions that are effective "now" may be made after one another
// and still follow in order.
const maxTie = bursar.Time(1e9)

func (c *Catalogue) ErrNoCard(id string) error {
	return bursar.Errorf(bursar.CodeRateCardNotFound, "%s", c.NoCard(id))
}

func (w *Write) CreateCard(in *RateCardInput) (bursar.RateCard, error) {
	if w.CardOf[in.ID] != nil {
		return bursar.RateCard{}, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the rate card %q exists already", in.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(in.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	CheckName("/displayName", in.DisplayName, &p)
	switch cur := w.CurrencyOf[in.CurrencyID]; {
	case cur == nil:
		p.Add("/currencyId", bursar.CodeCurrencyNotFound, "%s", w.NoCurrency(in.CurrencyID))
	case cur.ArchivedAt != nil:
		p.Add("/currencyId", bursar.CodeValidationFailed, "the currency %q is archived", in.CurrencyID)
	}
	c := bursar.RateCard{ID: in.ID, CurrencyID: in.CurrencyID, DisplayName: in.DisplayName, CreatedAt: w.Now.Milli()}
	return w.addVersion(c, &in.RateVersionInput, &p)
}

func (w *Write) AddCardVersion(id string, in *RateVersionInput) (bursar.RateCard, error) {
	c := w.CardOf[id]
	if c == nil {
		return bursar.RateCard{}, w.ErrNoCard(id)
	}
	if err := w.StillAt(c); err != nil {
		return *c, err
	}
	if c.ArchivedAt != nil {
		return bursar.RateCard{}, bursar.Errorf(bursar.CodeValidationFailed, "the rate card %q is archived; make another one", id)
	}
	var p bursar.Problems
	return w.addVersion(*c, in, &p)
}

func (w *Write) addVersion(c bursar.RateCard, in *RateVersionInput, p *bursar.Problems) (bursar.RateCard, error) {
	now := w.Now.Milli()
	v := bursar.RateVersion{Version: len(c.Versions) + 1, EffectiveFrom: in.EffectiveFrom.Milli(), Corrects: in.Corrects, CreatedAt: now}
	if in.EffectiveFrom == 0 {
		v.EffectiveFrom = now
		if n := len(c.Versions); n > 0 && c.Versions[n-1].EffectiveFrom >= now && c.Versions[n-1].EffectiveFrom <= now+maxTie {
			v.EffectiveFrom = c.Versions[n-1].EffectiveFrom + 1e6
		}
	}
	n := len(c.Versions)
	switch {
	case v.EffectiveFrom < now:
		p.Add("/effectiveFrom", bursar.CodeValidationFailed, "effectiveFrom %s lies in the past (now is %s); what was priced wrong is put right by re-pricing", v.EffectiveFrom, now)
	case n > 0 && v.EffectiveFrom <= c.Versions[n-1].EffectiveFrom:
		p.Add("/effectiveFrom", bursar.CodeValidationFailed, "effectiveFrom must be after that of version %d, %s", n, c.Versions[n-1].EffectiveFrom)
	}
	if in.Corrects != 0 {
		taken := slices.ContainsFunc(c.Versions, func(o bursar.RateVersion) bool { return o.Corrects == in.Corrects })
		if in.Corrects < 1 || in.Corrects > len(c.Versions) || taken {
			p.Add("/corrects", bursar.CodeValidationFailed, "corrects names an earlier version of this card that no other version corrects")
		}
	}
	if len(in.Rates) == 0 || len(in.Rates) > bursar.MaxRates {
		p.Add("/rates", bursar.CodeValidationFailed, "a version has 1 to %d rates, this one %d", bursar.MaxRates, len(in.Rates))
	} else {
		texts := 0
		for i, r := range in.Rates {
			if r.Per == 0 {
				r.Per = 1
			}
			v.Rates = append(v.Rates, r)
			w.checkRate(&c, &v.Rates[i], fmt.Sprintf("/rates/%d", i), p)
			texts = min(texts+combinations(&v.Rates[i]), maxMatchTexts+1)
		}
		if texts > maxMatchTexts {
			p.Add("/rates", bursar.CodeValidationFailed, "the rates of a version match at most %d combinations of values", maxMatchTexts)
		}
		if p.Empty() {
			checkOverlaps(v.Rates, p)
		}
	}
	if err := p.Err(); err != nil {
		return c, err
	}
	if len(c.Versions) == 0 {
		c.Versions = []bursar.RateVersion{v}
		return c, w.Put("rateCard", &c)
	}
	if err := w.Put("rateVersion", &CardVersion{c.ID, v}); err != nil {
		return c, err
	}
	return *w.CardOf[c.ID], nil
}

// CardVersion is a version that comes to a rate card.
type CardVersion struct {
	CardID  string             `json:"cardId"`
	Version bursar.RateVersion `json:"version"`
}

// CardEnd is when a rate card was archived.
type CardEnd struct {
	CardID string      `json:"cardId"`
	At     bursar.Time `json:"at"`
}

// applyCard replaces a card by what change makes of a copy of it.
func (c *Catalogue) applyCard(id string, change func(*bursar.RateCard)) error {
	old := c.CardOf[id]
	if old == nil {
		return fmt.Errorf("%w: no rate card %q", record.ErrRecord, id)
	}
	card := *old
	change(&card)
	c.CardOf[id] = &card
	c.Prices = indexCard(c.Prices, &card)
	return nil
}

func (w *Write) checkRate(c *bursar.RateCard, r *bursar.Rate, at string, p *bursar.Problems) {
	switch f := w.FeatureOf[r.FeatureID]; {
	case f == nil:
		p.Add(at+"/featureId", bursar.CodeFeatureNotFound, "%s", w.NoFeature(r.FeatureID))
	case f.ArchivedAt != nil:
		p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is archived", r.FeatureID)
	case f.Meter != nil && !Summing(f.Meter):
		p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is a %s of events, which has no price", r.FeatureID, f.Meter.Aggregation.Function)
	}
	if r.Amount.Sign() < 0 || !r.Amount.InRange() {
		p.Add(at+"/amount", bursar.CodeInvalidAmount, "a rate is 0 or more")
	}
	if r.Per != 1 && r.Per != 1000 && r.Per != 1_000_000 {
		p.Add(at+"/per", bursar.CodeValidationFailed, "per is 1, 1000 or 1000000")
	}
	for _, k := range record.SortedKeys(r.Match) {
		for _, v := range r.Match[k] {
			if _, err := bursar.CheckDimensions([]bursar.Dimension{{Key: k, Value: v}}); err != nil {
				p.Add(at+"/match/"+EscapePointer(k), bursar.CodeValidationFailed, "%v", err)
				break
			}
		}
		if n := len(r.Match[k]); n == 0 || n > bursar.MaxMatchValues {
			p.Add(at+"/match/"+EscapePointer(k), bursar.CodeValidationFailed, "a dimension matches 1 to %d values, here %d", bursar.MaxMatchValues, n)
		}
	}
	if len(r.Match) > maxMatchKeys {
		p.Add(at+"/match", bursar.CodeValidationFailed, "a rate matches at most %d dimensions", maxMatchKeys)
	}
	for _, other := range w.Prices[r.FeatureID] {
		if other.Card.ID != c.ID && other.Card.ArchivedAt == nil && other.Card.CurrencyID == c.CurrencyID {
			p.Add(at+"/featureId", bursar.CodeAlreadyExists, "the rate card %q prices the feature %q in %s already", other.Card.ID, r.FeatureID, c.CurrencyID)
		}
	}
}

// combinations is how many combinations of values a rate matches, or maxMatchTexts + 1
// when they are more.
func combinations(r *bursar.Rate) int {
	n := 1
	for _, values := range r.Match {
		n = min(n*max(len(values), 1), maxMatchTexts+1)
	}
	return n
}

func (w *Write) ArchiveCard(id string) (bursar.RateCard, error) {
	old := w.CardOf[id]
	if old == nil {
		return bursar.RateCard{}, w.ErrNoCard(id)
	}
	if err := w.StillAt(old); err != nil {
		return *old, err
	}
	if old.ArchivedAt != nil {
		return *old, nil
	}
	if err := w.Put("rateCardArchived", &CardEnd{id, w.Now.Milli()}); err != nil {
		return *old, err
	}
	return *w.CardOf[id], nil
}
