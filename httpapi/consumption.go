package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
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

func (c *consumptionIn) input(key string) bursar.UsageInput {
	return bursar.UsageInput{CustomerID: c.CustomerID, CurrencyID: c.CurrencyID, Value: c.Amount, Behavior: bursar.Delta,
		Dimensions: c.Dimensions, IdempotencyKey: key, Timestamp: orZero(c.CreatedAt)}
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

// consumption records that credits were consumed; no limit refuses it.
func (a *API) consumption(q *request, in *consumptionIn) (consumptionOut, error) {
	key, err := q.requiredKey(in.IdempotencyKey)
	if err != nil {
		return consumptionOut{}, err
	}
	got, err := a.consumed(q, "", []bursar.UsageInput{in.input(key)})
	if err != nil {
		return consumptionOut{}, err
	}
	r := &got[0]
	return consumptionOut{CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, Amount: r.Input.Value, Timestamp: r.Timestamp,
		Credit: viewBalance(r.Credit), Warnings: r.Warnings}, nil
}

// consumptions is the same for many. It is counted before the answer, too.
func (a *API) consumptions(q *request, in *consumptionsIn) (out reportOut, err error) {
	var problems bursar.Problems
	inputs := make([]bursar.UsageInput, len(in.Consumptions))
	for i := range in.Consumptions {
		item := &in.Consumptions[i]
		key, err := q.itemKey(item.IdempotencyKey, i)
		if err != nil {
			return out, err
		}
		if key == "" {
			problems.Add("/consumptions/"+strconv.Itoa(i)+"/idempotencyKey", bursar.CodeValidationFailed, errNoKey)
		}
		inputs[i] = item.input(key)
	}
	if err := problems.Err(); err != nil {
		return out, err
	}
	got, err := a.consumed(q, "/consumptions", inputs)
	for i := range got {
		out.add(got[i].Warnings)
	}
	return out, err
}

func (a *API) consumed(q *request, base string, inputs []bursar.UsageInput) ([]bursar.UsageResult, error) {
	got, versions, err := a.engine.ReportConsumption(q.ctx, q.reporter(), base, inputs)
	if err != nil {
		a.metrics.refused.Add(float64(len(inputs)))
		return nil, err
	}
	q.ingested(got, versions, inputs[0].CustomerID)
	return got, nil
}
