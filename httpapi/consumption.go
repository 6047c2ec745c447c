package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type consumptionIn struct {
	CustomerID     string             `json:"customerId" is:"required,customerId"`
	CurrencyID     string             `json:"currencyId" is:"required,id"`
	Amount         bursar.Amount      `json:"amount" is:"required,positive"`
	IdempotencyKey *string            `json:"idempotencyKey" is:"key" doc:"Required, here or as the Idempotency-Key header."`
	Dimensions     []bursar.Dimension `json:"dimensions"`
	CreatedAt      *bursar.Time       `json:"createdAt" doc:"When it happened. Send it: then a duplicate is recognised or refused, always."`
	ResourceID     unsupported        `json:"resourceId"`
}

func (c *consumptionIn) item(keys *itemKeys, at, key string) ledger.UsageItem {
	keys.refuse(keys.q.ofCustomer(at, c.CustomerID))
	_, err := keys.q.attributed(at, c.Dimensions)
	keys.refuse(err)
	return ledger.UsageItem{In: bursar.UsageInput{CustomerID: c.CustomerID, CurrencyID: c.CurrencyID, Value: c.Amount, Behavior: bursar.Delta,
		Dimensions: c.Dimensions, IdempotencyKey: key, Timestamp: orZero(c.CreatedAt)}}
}

type consumptionsIn struct {
	Consumptions []consumptionIn `json:"consumptions" is:"required,n=1-1000"`
}

// consumptionOut is what a direct consumption of credits did.
type consumptionOut struct {
	CustomerID string         `json:"customerId"`
	CurrencyID string         `json:"currencyId"`
	Amount     bursar.Amount  `json:"amount"`
	Timestamp  bursar.Time    `json:"timestamp"`
	Credit     *creditBalance `json:"credit" doc:"null when the currency is not prepaid."`
	ResourceID *nothing       `json:"resourceId"`
	Warnings   []string       `json:"warnings,omitempty"`
}

func viewConsumption(list []ledger.UsageItem) consumptionOut {
	r := &list[0]
	return consumptionOut{CustomerID: r.In.CustomerID, CurrencyID: r.In.CurrencyID, Amount: r.In.Value, Timestamp: r.Timestamp,
		Credit: viewBalance(r.Credit), Warnings: r.Warnings}
}

func viewConsumptions(list []ledger.UsageItem) (out reportOut) {
	for i := range list {
		out.add(list[i].Warnings)
	}
	return out
}

func (c *consumptionIn) items(keys *itemKeys) []ledger.UsageItem {
	return []ledger.UsageItem{c.item(keys, "", keys.required(c.IdempotencyKey, -1, ""))}
}

func (in *consumptionsIn) items(keys *itemKeys) []ledger.UsageItem {
	out := make([]ledger.UsageItem, len(in.Consumptions))
	for i := range in.Consumptions {
		item, at := &in.Consumptions[i], "/consumptions/"+strconv.Itoa(i)
		out[i] = item.item(keys, at, keys.required(item.IdempotencyKey, i, at))
	}
	return out
}

// consumption records that credits were consumed; no limit refuses it.
func (a *API) consumption(c call, _ *consumptionIn, items []ledger.UsageItem) ([]ledger.UsageItem, uint64, error) {
	return a.consumed(c, "", items)
}

// consumptions is the same for many. It is counted before the answer, too.
func (a *API) consumptions(c call, _ *consumptionsIn, items []ledger.UsageItem) ([]ledger.UsageItem, uint64, error) {
	return a.consumed(c, "/consumptions", items)
}

func (a *API) consumed(c call, base string, items []ledger.UsageItem) ([]ledger.UsageItem, uint64, error) {
	versions, err := a.engine.ReportConsumption(c.ctx, c.by, base, items)
	if err != nil {
		a.metrics.refused.Add(float64(len(items)))
		return nil, 0, err
	}
	return items, c.ingested(items, versions), nil
}
