package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/bursarhq/bursar"
)

// CreditUsage reports what a currency was spent on.
func (e *Engine) CreditUsage(ctx context.Context, o ReadOptions, q CreditUsageQuery) (out CreditReport, version uint64, err error) {
	if len(q.GroupBy) > maxGroupBy {
		return out, 0, bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed, "at most %d keys to group by", maxGroupBy)
	}
	if q.CurrencyID != "" && e.cat.Load().currencies[q.CurrencyID] == nil {
		return out, 0, bursar.ErrorAt("?currencyId", bursar.CodeCurrencyNotFound, "there is no currency %.64q", q.CurrencyID)
	}
	amounts := e.newHistory(HistoryQuery{From: q.From, To: q.To, Granularity: Day})
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *view) error {
		if out.CurrencyID = q.CurrencyID; out.CurrencyID == "" {
			out.CurrencyID = v.firstCurrency()
		}
		return amounts.begin(v)
	})
	if err != nil || out.CurrencyID == "" {
		return out, version, err
	}
	amounts.q.Capability = bursar.Capability{Kind: bursar.KindCurrency, ID: out.CurrencyID}
	amounts.q.GroupBy = append([]string{featureKey}, q.GroupBy...)
	counts := *amounts
	counts.lines = map[string]*line{}
	amounts.group(e.cat.Load())
	counts.group(e.cat.Load())
	counts.uses = countsOfCustomer
	err = e.share.turn(ctx, q.CustomerID, func() (err error) {
		if version, err = e.gather(ctx, o, q.CustomerID, amounts, &counts); err != nil {
			return err
		}
		return cmp.Or(amounts.keepRest(), counts.keepRest())
	})
	if err != nil {
		return CreditReport{}, 0, err
	}
	out.Warnings = amounts.warnings()
	out.Series = creditSeries(amounts, &counts)
	return out, version, nil
}

// firstCurrency is the first currency, by id, that was ever used; "" = none was.
func (v *view) firstCurrency() (first string) {
	for i, c := range v.caps.list {
		if c.Kind == bursar.KindCurrency && v.standingTotal(uint32(i+1)).at != 0 && (first == "" || c.ID < first) {
			first = c.ID
		}
	}
	return first
}

// creditSeries puts the two histories of one currency together, with a point for every
// day.
func creditSeries(amounts, counts *history) []CreditSeries {
	out := make([]CreditSeries, 0, len(amounts.lines))
	none := &line{}
	for key, n := range counts.lines {
		if amounts.lines[key] == nil { // what came was taken back
			amounts.lines[key] = &line{tags: n.tags, untold: n.untold}
		}
	}
	for _, key := range sortedKeys(amounts.lines) {
		l, n := amounts.lines[key], counts.lines[key]
		if n == nil {
			n = none
		}
		s := CreditSeries{FeatureID: l.tags[0].Value, Tags: slices.Clone(l.tags[1:]), Untold: l.untold}
		for at := int64(amounts.first); at < int64(amounts.q.To); _, at = amounts.step.Window(at) {
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
