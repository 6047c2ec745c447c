package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// FirstCurrency is the first currency, by id, that was ever used; "" = none was.
func (v *View) FirstCurrency() (first string) {
	for i, c := range v.Caps.List {
		if c.Kind == bursar.KindCurrency && v.StandingTotal(uint32(i+1)).At != 0 && (first == "" || c.ID < first) {
			first = c.ID
		}
	}
	return first
}

// OfCurrency makes h, which has begun, the amounts of a currency by feature and keys, and
// gives the history beside it of how many times it was charged.
func (h *HistoryRun) OfCurrency(cat *catalogue.Catalogue, id string, keys []string) (counts *HistoryRun) {
	h.Q.Capability = bursar.Capability{Kind: bursar.KindCurrency, ID: id}
	h.Q.GroupBy = append([]string{featureKey}, keys...)
	h.group(cat)
	c := *h
	c.lines = map[string]*Line{}
	c.group(cat)
	c.uses = CountsOfCustomer
	return &c
}

// SeriesOfCredits puts the two histories of one currency together, with a point for every
// day.
func SeriesOfCredits(amounts, counts *HistoryRun) []CreditSeries {
	out := make([]CreditSeries, 0, len(amounts.lines))
	none := &Line{}
	for key, n := range counts.lines {
		if amounts.lines[key] == nil { // what came was taken back
			amounts.lines[key] = &Line{tags: n.tags, untold: n.untold}
		}
	}
	for _, key := range record.SortedKeys(amounts.lines) {
		l, n := amounts.lines[key], counts.lines[key]
		if n == nil {
			n = none
		}
		s := CreditSeries{FeatureID: l.tags[0].Value, Tags: slices.Clone(l.tags[1:]), Untold: l.untold}
		for at := int64(amounts.first); at < int64(amounts.Q.To); _, at = amounts.grid.Window(at) {
			t := bursar.Time(at)
			p := CreditPoint{Timestamp: t, Value: l.values[t], EventCount: wholeUnits(n.values[t])}
			s.Total, s.EventCount = s.Total.Add(p.Value), s.EventCount+p.EventCount
			s.Points = append(s.Points, p)
		}
		out = append(out, s)
	}
	return out
}

// wholeUnits is a count that was kept as an amount.
func wholeUnits(a bursar.Amount) int64 {
	_, nanos := a.Nanos()
	return int64(nanos / 1e9)
}

// CurrencyUse is a limit or a live grant in a currency. Type is Assignment or Grant.
type CurrencyUse struct{ ID, Name, Type string }

// UsesOfCurrency lists up to n.
func (v *View) UsesOfCurrency(id string, n int) (out []CurrencyUse) {
	cap := v.CapOrd(bursar.Capability{Kind: bursar.KindCurrency, ID: id})
	for row := range uint32(v.Rows.Len()) {
		def := v.Rows.At(row)
		if def != nil && def.Cap == cap && cap != 0 && len(out) < n && !def.ByDefault {
			out = append(out, CurrencyUse{store.FormatID(v.RowIDs.At(row)), v.Ent(def.Ent).ID, "Assignment"})
		}
	}
	for _, x := range v.defaultSet().list {
		if x.Terms.Cap == cap && len(out) < n {
			out = append(out, CurrencyUse{store.FormatID(x.ID), v.typeID(x.Typ), "Default"})
		}
	}
	for _, ord := range v.pool(cap).Live {
		if g := v.grant(ord); len(out) < n {
			out = append(out, CurrencyUse{g.ID, g.DisplayName, "Grant"})
		}
	}
	return out
}
