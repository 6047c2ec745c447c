package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// unpricedOut is a combination for which usage came and no rate matched.
type unpricedOut struct {
	FeatureID  string        `json:"featureId"`
	CurrencyID string        `json:"currencyId"`
	Dimensions dims          `json:"dimensions" doc:"Those that rates of the card match on."`
	Count      int64         `json:"count"`
	Amount     bursar.Amount `json:"amount" doc:"Of usage that cost nothing for this, in units of the feature."`
	FirstSeen  bursar.Time   `json:"firstSeen"`
	LastSeen   bursar.Time   `json:"lastSeen"`
}

// listUnpriced is one page, the most frequent first: what this node saw since it started.
func (a *API) listUnpriced(call, *nothing) ([]ledger.Unpriced, uint64, error) {
	return a.engine.Unpriced(), 0, nil
}

func viewUnpriced(list []ledger.Unpriced) page[unpricedOut] {
	out := page[unpricedOut]{Data: make([]unpricedOut, len(list))}
	for i, u := range list {
		out.Data[i] = unpricedOut{FeatureID: u.FeatureID, CurrencyID: u.CurrencyID, Dimensions: u.Dimensions,
			Count: u.Count, Amount: u.Amount, FirstSeen: u.FirstSeen, LastSeen: u.LastSeen}
	}
	return out
}
