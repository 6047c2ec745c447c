package httpapi

import (
	"errors"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// spendIn is what consume and reserve share.
type spendIn struct {
	FeatureID      *string            `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID     *string            `json:"currencyId" is:"id"`
	Dimensions     []bursar.Dimension `json:"dimensions"`
	IdempotencyKey *string            `json:"idempotencyKey" is:"key" doc:"Required, here or as the Idempotency-Key header."`
}

func (q *request) spend(in *spendIn, amount bursar.Amount) (bursar.SpendInput, catalogue.Caller, error) {
	c := q.reporter()
	capability, ok := capability(orZero(in.FeatureID), orZero(in.CurrencyID))
	if !ok {
		return bursar.SpendInput{}, c, bursar.ErrorAt("/featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	key, err := q.requiredKey(in.IdempotencyKey)
	return bursar.SpendInput{Capability: capability, Amount: amount, Dimensions: in.Dimensions, IdempotencyKey: key}, c, err
}

// spent notes the decision that a consumption or a reservation was.
func (q *request) spent(kind string, in *bursar.SpendInput, d *bursar.Decision, err error, duplicate bool) {
	var e *bursar.Error
	switch {
	case errors.As(err, &e) && e.Denial != nil:
		q.api.metrics.warned(e.Denial.Warnings)
		q.decided(kind, in.Capability, in.Amount, in.Dimensions, e.Denial)
	case err == nil && !duplicate:
		q.api.metrics.warned(d.Warnings)
		q.api.observed.decided(q.now, true)
		if kind == kindConsume {
			q.api.observed.used(q.now, 1)
		}
	}
}

type consumeIn struct {
	spendIn
	Amount bursar.Amount `json:"amount" is:"required,min=0"`
}

// cost is what priced usage took of a currency.
type cost struct {
	CurrencyID string        `json:"currencyId"`
	Amount     bursar.Amount `json:"amount"`
}

func viewCosts(costs []bursar.Cost) []cost {
	out := make([]cost, len(costs))
	for i, c := range costs {
		out[i] = cost(c)
	}
	return out
}

type consumeOut struct {
	ID         string         `json:"id"`
	FeatureID  *string        `json:"featureId,omitempty"`
	CurrencyID *string        `json:"currencyId,omitempty"`
	Amount     bursar.Amount  `json:"amount"`
	Timestamp  bursar.Time    `json:"timestamp"`
	Cost       []cost         `json:"cost"`
	Chains     chains         `json:"chains"`
	Credit     *creditBalance `json:"credit"`
	Duplicate  bool           `json:"duplicate"`
	Warnings   []string       `json:"warnings,omitempty"`
}

func (a *API) consume(q *request, in *consumeIn) (consumeOut, error) {
	spend, c, err := q.spend(&in.spendIn, in.Amount)
	if err != nil {
		return consumeOut{}, err
	}
	got, version, err := a.engine.Consume(q.ctx, c, q.path[0], spend)
	q.version = version
	q.spent(kindConsume, &spend, &got.Decision, err, got.Duplicate)
	if err != nil {
		return consumeOut{}, err
	}
	q.replayed = got.Duplicate
	out := consumeOut{ID: got.ID, Amount: got.Amount, Timestamp: got.Timestamp, Cost: viewCosts(got.Costs), Chains: got.Decision.Chains,
		Credit: viewBalance(got.Credit), Duplicate: got.Duplicate, Warnings: got.Decision.Warnings}
	out.FeatureID, out.CurrencyID = capabilityIDs(got.Capability)
	return out, nil
}

// dims are dimensions as they were sent.
type dims []bursar.Dimension

func (ds dims) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, d := range ds {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, d.Key)
		b = append(b, ':')
		b = appendDimension(b, d)
	}
	return append(b, '}')
}

func appendDimension(b []byte, d bursar.Dimension) []byte {
	if d.Kind == bursar.DimBool {
		return strconv.AppendBool(b, d.Value == "true")
	}
	if d.Kind == bursar.DimNumber {
		return append(b, d.Value...)
	}
	return appendString(b, d.Value)
}
