package httpapi

import (
	"errors"

	"github.com/bursarhq/bursar"
)

// spendIn is what consume and reserve share.
type spendIn struct {
	customerPath
	FeatureID      *string            `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID     *string            `json:"currencyId" is:"id"`
	Dimensions     []bursar.Dimension `json:"dimensions"`
	IdempotencyKey *string            `json:"idempotencyKey" is:"key" doc:"Required, here or as the Idempotency-Key header."`
}

// input is what is asked, with its key.
func (in *spendIn) input(keys *itemKeys, amount bursar.Amount) (out bursar.SpendInput) {
	var ok bool
	if out.Capability, ok = capability(orZero(in.FeatureID), orZero(in.CurrencyID)); !ok {
		keys.problems.Add("/featureId", bursar.CodeValidationFailed, errNotOneCapability)
		return out
	}
	out.Amount, out.Dimensions, out.IdempotencyKey = amount, in.Dimensions, keys.required(in.IdempotencyKey, -1, "")
	return out
}

// spent notes the decision that a consumption or a reservation was.
func (c call) spent(kind string, in *bursar.SpendInput, d *bursar.Decision, err error, duplicate bool) {
	var e *bursar.Error
	switch {
	case errors.As(err, &e) && e.Denial != nil:
		c.api.metrics.warned(e.Denial.Warnings)
		c.decided(kind, in.Capability, in.Amount, in.Dimensions, e.Denial)
	case err == nil && !duplicate:
		c.api.metrics.warned(d.Warnings)
		c.api.observed.decided(c.now, true)
		if kind == kindConsume {
			c.api.observed.used(c.now, 1)
		}
	}
	c.replayed = err == nil && duplicate
}

type consumeIn struct {
	spendIn
	Amount bursar.Amount `json:"amount" is:"required,min=0"`
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

func viewConsumed(r bursar.ConsumeResult) consumeOut {
	out := consumeOut{ID: r.ID, Amount: r.Amount, Timestamp: r.Timestamp, Cost: viewCosts(r.Costs), Chains: r.Decision.Chains,
		Credit: viewBalance(r.Credit), Duplicate: r.Duplicate, Warnings: r.Decision.Warnings}
	out.FeatureID, out.CurrencyID = capabilityIDs(r.Capability)
	return out
}

func (in *consumeIn) items(keys *itemKeys) bursar.SpendInput { return in.input(keys, in.Amount) }

func (a *API) consume(c call, in *consumeIn, spend bursar.SpendInput) (bursar.ConsumeResult, uint64, error) {
	got, version, err := a.engine.Consume(c.ctx, c.by, in.CustomerID, spend)
	c.spent(kindConsume, &spend, &got.Decision, err, got.Duplicate)
	return got, version, err
}
