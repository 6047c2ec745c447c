package sim

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// price is what a feature costs in one currency at one time.
type price struct {
	currency string
	rate     *bursar.Rate // nil: the feature is priced, this usage is not
}

// versionAt is the version of a card in force at t; nil when there is none.
func versionAt(card *bursar.RateCard, t bursar.Time) *bursar.RateVersion {
	if card.ArchivedAt != nil && *card.ArchivedAt <= t {
		return nil
	}
	var v *bursar.RateVersion
	for i := range card.Versions {
		if card.Versions[i].EffectiveFrom <= t {
			v = &card.Versions[i]
		}
	}
	return v
}

// pricesOf lists what usage of a feature at t costs, by currency.
func (m *model) pricesOf(feature string, dims []bursar.Dimension, t bursar.Time) []price {
	var list []price
	if f := m.features[feature]; f == nil || extreme(f.Meter) {
		return nil
	}
	for _, card := range m.cards {
		v := versionAt(card, t)
		if v == nil || !slices.ContainsFunc(v.Rates, func(r bursar.Rate) bool { return r.FeatureID == feature }) {
			continue
		}
		p := price{currency: card.CurrencyID}
		for _, r := range v.Rates {
			if r.FeatureID == feature && matches(r.Match, dims) && (p.rate == nil || len(r.Match) > len(p.rate.Match)) {
				p.rate = &r
			}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b price) int { return compareText(a.currency, b.currency) })
	return list
}

func matches(match map[string][]string, dims []bursar.Dimension) bool {
	for key, values := range match {
		if !slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return d.Key == key && slices.Contains(values, d.Value) }) {
			return false
		}
	}
	return true
}

func unpriced(list []price) bool {
	return slices.ContainsFunc(list, func(p price) bool { return p.rate == nil })
}

// cost is what an amount costs; an absurd one is refused.
func (p price) cost(amount num) (cost num, ok bool) {
	if p.rate == nil {
		return num{}, true
	}
	cost = amount.byRate(numOf(p.rate.Amount), p.rate.Per)
	return cost, cost.abs().cmp(tooMuch) < 0
}

var tooMuch = numOf(parse("999999999999999.999999999")).add(numOf(bursar.AmountFromNanos(1)))

func currencyOf(id string) bursar.Capability {
	return bursar.Capability{Kind: bursar.KindCurrency, ID: id}
}

func (m *model) createCard(in catalogue.RateCardInput) (bursar.RateCard, *fail) {
	now := m.catalogueNow()
	p := problems{}
	if m.cards[in.ID] != nil {
		p.at("/id", bursar.CodeAlreadyExists)
	}
	if x := m.currencies[in.CurrencyID]; x == nil {
		p.at("/currencyId", bursar.CodeCurrencyNotFound)
	} else if x.ArchivedAt != nil {
		p.at("/currencyId", bursar.CodeValidationFailed)
	}
	v := m.judgeVersion(&p, nil, in.CurrencyID, in.RateVersionInput, now)
	if f := p.err(); f != nil {
		return bursar.RateCard{}, f
	}
	v.Version = 1
	m.cards[in.ID] = &bursar.RateCard{ID: in.ID, CurrencyID: in.CurrencyID, DisplayName: in.DisplayName, CreatedAt: now.Milli(), Versions: []bursar.RateVersion{v}}
	m.cat.wrote(now)
	return *m.cards[in.ID], nil
}

func (m *model) addVersion(id string, in catalogue.RateVersionInput) (bursar.RateCard, *fail) {
	now := m.catalogueNow()
	card := m.cards[id]
	if card == nil {
		return bursar.RateCard{}, failed(bursar.CodeRateCardNotFound)
	}
	if card.ArchivedAt != nil {
		return bursar.RateCard{}, failed(bursar.CodeValidationFailed)
	}
	p := problems{}
	v := m.judgeVersion(&p, card, card.CurrencyID, in, now)
	if f := p.err(); f != nil {
		return bursar.RateCard{}, f
	}
	v.Version = len(card.Versions) + 1
	card.Versions = append(slices.Clone(card.Versions), v)
	m.cat.wrote(now)
	return *card, nil
}

// judgeVersion: all that can be wrong with a price list.
func (m *model) judgeVersion(p *problems, card *bursar.RateCard, currency string, in catalogue.RateVersionInput, now bursar.Time) bursar.RateVersion {
	v := bursar.RateVersion{EffectiveFrom: in.EffectiveFrom.Milli(), Corrects: in.Corrects, CreatedAt: now.Milli()}
	switch {
	case in.EffectiveFrom == 0:
		v.EffectiveFrom = now.Milli()
		if card != nil { // two within a second are taken to follow each other
			if last := card.Versions[len(card.Versions)-1].EffectiveFrom; last >= v.EffectiveFrom && last <= v.EffectiveFrom+1e9 {
				v.EffectiveFrom = last + 1e6
			}
		}
	case in.EffectiveFrom < now:
		p.at("/effectiveFrom", bursar.CodeValidationFailed)
	}
	if card != nil && v.EffectiveFrom <= card.Versions[len(card.Versions)-1].EffectiveFrom {
		p.at("/effectiveFrom", bursar.CodeValidationFailed)
	}
	if in.Corrects != 0 {
		known := card != nil && in.Corrects >= 1 && in.Corrects <= len(card.Versions)
		if !known || slices.ContainsFunc(card.Versions, func(o bursar.RateVersion) bool { return o.Corrects == in.Corrects }) {
			p.at("/corrects", bursar.CodeValidationFailed)
		}
	}
	if len(in.Rates) == 0 {
		p.at("/rates", bursar.CodeValidationFailed)
	}
	for i, r := range in.Rates {
		at := fmt.Sprintf("/rates/%d", i)
		m.judgeRate(p, card, currency, r, at)
		if slices.ContainsFunc(in.Rates[:i], func(o bursar.Rate) bool { return overlap(o, r) }) {
			p.at(at+"*", bursar.CodeValidationFailed)
		}
		if r.Per == 0 {
			r.Per = 1
		}
		v.Rates = append(v.Rates, r)
	}
	return v
}

func (m *model) judgeRate(p *problems, card *bursar.RateCard, currency string, r bursar.Rate, at string) {
	if r.Amount.Sign() < 0 {
		p.at(at+"/amount", bursar.CodeInvalidAmount)
	}
	if r.Per != 0 && r.Per != 1 && r.Per != 1000 && r.Per != 1_000_000 {
		p.at(at+"/per", bursar.CodeValidationFailed)
	}
	switch f := m.features[r.FeatureID]; {
	case f == nil:
		p.at(at+"/featureId", bursar.CodeFeatureNotFound)
	case f.ArchivedAt != nil, extreme(f.Meter):
		p.at(at+"/featureId", bursar.CodeValidationFailed)
	}
	for _, other := range m.cards {
		if other != card && other.ArchivedAt == nil && other.CurrencyID == currency && everPrices(other, r.FeatureID) {
			p.at(at+"/featureId", bursar.CodeAlreadyExists)
		}
	}
}

// extreme: what the meter gives cannot be added up.
func extreme(m *bursar.Meter) bool {
	return m != nil && (m.Aggregation.Function == "MAX" || m.Aggregation.Function == "UNIQUE")
}

func everPrices(card *bursar.RateCard, feature string) bool {
	for _, v := range card.Versions {
		if slices.ContainsFunc(v.Rates, func(r bursar.Rate) bool { return r.FeatureID == feature }) {
			return true
		}
	}
	return false
}

// livePriced: a card that is not archived has the feature.
func (m *model) livePriced(feature string) bool {
	for _, card := range m.cards {
		if card.ArchivedAt == nil && everPrices(card, feature) {
			return true
		}
	}
	return false
}

// overlap: two rates of one rank could both match some usage.
func overlap(a, b bursar.Rate) bool {
	if a.FeatureID != b.FeatureID || len(a.Match) != len(b.Match) {
		return false
	}
	for key, values := range a.Match {
		if others, both := b.Match[key]; both && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(others, v) }) {
			return false
		}
	}
	return true
}

func (m *model) archiveCard(id string) (bursar.RateCard, *fail) {
	now := m.catalogueNow()
	card := m.cards[id]
	if card == nil {
		return bursar.RateCard{}, failed(bursar.CodeRateCardNotFound)
	}
	if card.ArchivedAt == nil {
		card.ArchivedAt = archivedAt(true, now)
		m.cat.wrote(now)
	}
	return *card, nil
}
