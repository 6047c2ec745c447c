package httpapi

import (
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/spendtoken"
)

// spendIn is what consume and reserve share: an amount of one capability, or an event.
type spendIn struct {
	customerPath
	FeatureID  *string `json:"featureId" is:"id" doc:"Exactly one of featureId, currencyId and eventName."`
	CurrencyID *string `json:"currencyId" is:"id"`
	EventName  *string `json:"eventName" is:"len=1-255" doc:"In place of featureId and amount: all that the event uses of every feature and currency, as POST /events would record it."`
	measuresIn
	CallID         *string            `json:"callId" is:"key" doc:"Of an event: your id of the call that it is. Whatever gives the same one with the same eventName is of that call, which counts once."`
	Dimensions     []bursar.Dimension `json:"dimensions"`
	Strict         bool               `json:"strict"`
	IdempotencyKey *string            `json:"idempotencyKey" is:"key" doc:"Required, here or as the Idempotency-Key header."`
}

// input is what is asked, with its key. expected tells that it is still to be used.
func (in *spendIn) input(keys *itemKeys, amount *bursar.Amount, expected bool) (out bursar.SpendInput) {
	p := &keys.problems
	if in.EventName != nil {
		if in.FeatureID != nil || in.CurrencyID != nil || amount != nil {
			p.Add("/eventName", bursar.CodeValidationFailed, "an event says what it uses of which feature: give no featureId, currencyId or amount with it")
		}
		dims, err := keys.q.attributed("", in.Dimensions)
		keys.refuse(keys.q.named("", spendtoken.Name{Event: *in.EventName}))
		keys.refuse(err)
		keys.refuse(keys.q.said("", "properties", in.Properties))
		keys.refuse(keys.q.noCall(in.CallID))
		e, usage := in.measuresIn.onto(dims, keys.q.usageRules(), p)
		keys.refuse(keys.q.toldOf("", e.Dimensions))
		if expected && usage != nil && usage.Err() != nil { // nothing was paid for yet
			p.Add("/usage", bursar.CodeValidationFailed, "%s", reason(usage.Err()))
		}
		return bursar.SpendInput{EventName: *in.EventName, CallID: keys.q.scoped(orZero(in.CallID)), Dimensions: e.Dimensions, Warnings: e.Warnings, Unread: e.Unread, Derived: e.Derived, Unruled: e.Unruled, Strict: in.Strict,
			IdempotencyKey: keys.required(in.IdempotencyKey, -1, "")}
	}
	if in.CallID != nil {
		p.Add("/callId", bursar.CodeValidationFailed, "a call is one of an event: give its eventName")
	}
	if in.measuresIn.given() {
		p.Add("/eventName", bursar.CodeValidationFailed, "usage, tokens, properties and maxTokens are of an event: give its name")
	}
	if amount == nil {
		p.Add("/amount", bursar.CodeValidationFailed, "is required")
		return out
	}
	var ok bool
	if out.Capability, ok = capability(orZero(in.FeatureID), orZero(in.CurrencyID)); !ok {
		p.Add("/featureId", bursar.CodeValidationFailed, errNotOneCapability)
		return out
	}
	dims, err := keys.q.mayAsk("", out.Capability, in.Dimensions)
	keys.refuse(err)
	out.Amount, out.Dimensions, out.Strict, out.IdempotencyKey = *amount, dims, in.Strict, keys.required(in.IdempotencyKey, -1, "")
	return out
}

// spent notes the decision that a consumption or a reservation was.
func (c call) spent(kind string, in *bursar.SpendInput, d *bursar.Decision, err error, duplicate bool) {
	var e *bursar.Error
	switch {
	case errors.As(err, &e) && e.Denial != nil:
		c.api.metrics.warned(e.Denial.Warnings, in.Dimensions)
		asked := *in
		if in.EventName != "" { // what of it was denied; of a freeze, all of it
			asked.Capability, asked.Amount = e.Denial.Capability, e.Denial.Gate.Requested
		}
		c.decided(kind, asked.Capability, asked.Amount, in.Dimensions, e.Denial)
	case err == nil && !duplicate:
		c.api.metrics.warned(d.Warnings, in.Dimensions)
		c.api.observed.decided(c.now, true)
		if kind == kindConsume {
			c.api.observed.used(c.now, 1)
		}
	}
	c.replayed = err == nil && duplicate
}

type consumeIn struct {
	spendIn
	Amount *bursar.Amount `json:"amount" is:"min=0" doc:"Required, unless eventName is given."`
}

type consumeOut struct {
	ID         string                `json:"id"`
	FeatureID  *string               `json:"featureId,omitempty"`
	CurrencyID *string               `json:"currencyId,omitempty"`
	Amount     *bursar.Amount        `json:"amount,omitempty" doc:"Left out of an event."`
	EventName  *string               `json:"eventName,omitempty"`
	Used       []capabilityAmountOut `json:"used,omitempty" doc:"Of an event: what was recorded of each feature and currency."`
	Tokens     *tokensOut            `json:"tokens,omitempty" doc:"Of an event: tokens by kind."`
	Timestamp  bursar.Time           `json:"timestamp"`
	Cost       []cost                `json:"cost"`
	Chains     chains                `json:"chains"`
	Advice     *adviceOut            `json:"advice" doc:"How to go on, with what was consumed here; null where no hard limit counts."`
	Tightest   *bindingReply         `json:"tightest,omitempty" doc:"Of an event: the hard limit that has room for the fewest more of such events."`
	Alerts     []alertOut            `json:"alerts,omitempty" doc:"Of an event: thresholds that it reached."`
	Credit     *creditBalance        `json:"credit"`
	Duplicate  bool                  `json:"duplicate"`
	Warnings   []string              `json:"warnings,omitempty"`
}

func viewConsumed(r bursar.ConsumeResult) consumeOut {
	out := consumeOut{ID: r.ID, Timestamp: r.Timestamp, Cost: viewCosts(r.Costs), Chains: r.Decision.Chains, Advice: viewAdvice(&r.Decision.Advice),
		Credit: viewBalance(r.Credit), Duplicate: r.Duplicate, Warnings: r.Decision.Warnings}
	if r.EventName != "" {
		out.EventName, out.Used, out.Tokens, out.Tightest, out.Alerts = &r.EventName, viewAmounts(r.Used), viewTokens(r.Properties), viewBinding(r.Tightest), viewAlerts(r.Alerts)
		return out
	}
	out.Amount = &r.Amount
	out.FeatureID, out.CurrencyID = capabilityIDs(r.Capability)
	return out
}

func (in *consumeIn) items(keys *itemKeys) bursar.SpendInput { return in.input(keys, in.Amount, false) }

func (a *API) consume(c call, in *consumeIn, spend bursar.SpendInput) (bursar.ConsumeResult, uint64, error) {
	got, version, err := a.engine.Consume(c.ctx, c.by, in.CustomerID, spend)
	c.spent(kindConsume, &spend, &got.Decision, err, got.Duplicate)
	return got, version, err
}
