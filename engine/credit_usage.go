package engine

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
)

// CreditUsage reports what a currency was spent on. The currency's id is that of the
// reply when the query had none; "" when the customer has not used any.
func (e *Engine) CreditUsage(ctx context.Context, o ReadOptions, q CreditUsageQuery) (currencyID string, out []CreditSeries, version uint64, err error) {
	if len(q.GroupBy) > maxGroupBy {
		return "", nil, 0, bursar.ErrorAt("?groupBy", bursar.CodeValidationFailed, "at most %d keys to group by", maxGroupBy)
	}
	cat := e.cat.Load()
	if err := cat.checkGroupBy(q.GroupBy); err != nil {
		return "", nil, 0, err
	}
	if q.CurrencyID != "" && cat.currencies[q.CurrencyID] == nil {
		return "", nil, 0, bursar.ErrorAt("?currencyId", bursar.CodeCurrencyNotFound, "there is no currency %.64q", q.CurrencyID)
	}
	amounts := history{q: &HistoryQuery{From: q.From, To: q.To, Granularity: Day}, lines: map[string]*line{}, steps: map[uint32]bursar.Time{}}
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *view) error {
		if currencyID = q.CurrencyID; currencyID == "" {
			currencyID = v.firstCurrency()
		}
		return amounts.begin(v)
	})
	if err != nil || currencyID == "" {
		return "", []CreditSeries{}, version, err
	}
	amounts.q.Capability = bursar.Capability{Kind: bursar.KindCurrency, ID: currencyID}
	amounts.q.GroupBy = append([]string{featureKey}, q.GroupBy...)
	counts := amounts
	counts.lines = map[string]*line{}
	for ent, h := range map[uint32]*history{0: &amounts, countsOfCustomer: &counts} {
		sq := SeriesQuery{EntityOrd: ent, Capability: h.q.Capability, From: bucketOf(h.q.From), To: bucketOf(h.q.To-1) + 1}
		err = e.share.turn(ctx, q.CustomerID, func() (err error) {
			version, err = e.gather(ctx, o, q.CustomerID, h, sq)
			return err
		})
		if err != nil {
			return "", nil, 0, err
		}
	}
	return currencyID, creditSeries(&amounts, &counts), version, nil
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
	for _, key := range sortedKeys(amounts.lines) {
		l, n := amounts.lines[key], counts.lines[key]
		if n == nil {
			n = none
		}
		s := CreditSeries{FeatureID: l.tags[0].Value, Tags: slices.Clone(l.tags[1:])}
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
