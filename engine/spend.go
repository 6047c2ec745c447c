package engine

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// Check answers questions, all from one snapshot of the customer. A customer, feature
// or currency that is missing or archived is a denial, not an error.
func (e *Engine) Check(ctx context.Context, o ledger.ReadOptions, customer string, in []ledger.CheckInput) ([]bursar.Decision, uint64, error) {
	out := make([]bursar.Decision, len(in))
	version, err := e.read(ctx, o, customer, func(v *ledger.View) error {
		cat := e.cat.Load()
		for i := range in {
			q := in[i]
			q.Dimensions = record.SortDims(q.Dimensions)
			out[i] = v.Check(cat, &q)
		}
		return nil
	})
	return out, version, err
}

func (e *Engine) spendOf(o record.Operation, in bursar.SpendInput) ledger.Spend {
	in.Dimensions = record.SortDims(in.Dimensions)
	s := ledger.Spend{In: in}
	if in.IdempotencyKey != "" {
		s.Key = ledger.KeyOf(&e.secret, ledger.TargetOf(in.Capability), in.IdempotencyKey, ledger.ContentOf(o, in.Capability, in.Amount, false, in.Dimensions))
	}
	return s
}

// Consume checks and records in one step. A denial is a *bursar.Error with Denial set.
func (e *Engine) Consume(ctx context.Context, c catalogue.Caller, customer string, in bursar.SpendInput) (res bursar.ConsumeResult, version uint64, err error) {
	if in.Amount.Sign() < 0 {
		return res, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "an amount is 0 or more")
	}
	if in.EventName != "" {
		return e.consumeEvent(ctx, c, customer, in)
	}
	s := e.spendOf(record.OpConsume, in)
	reply, version, err := e.write(ctx, &c, customer, &ledger.Consume{Spend: s})
	var twin *record.Place
	if errors.As(err, &twin) {
		return e.consumedBefore(ctx, customer, &s, twin, version)
	}
	if err != nil {
		return res, version, err
	}
	return reply.(bursar.ConsumeResult), version, nil
}

// consumedBefore answers a consumption that came again, at a version or later.
func (e *Engine) consumedBefore(ctx context.Context, customer string, s *ledger.Spend, twin *record.Place, decided uint64) (res bursar.ConsumeResult, version uint64, err error) {
	p, err := e.recordAt(ctx, customer, twin)
	if err != nil {
		return res, 0, err
	}
	version, err = e.readCustomer(ctx, asDecided(decided), customer, func(v *ledger.View) (err error) {
		res, err = v.ConsumedAgain(e.cat.Load(), s, &p)
		return err
	})
	return res, version, err
}

// Explain answers a question as Check does, with its arithmetic.
func (e *Engine) Explain(ctx context.Context, o ledger.ReadOptions, customer string, in ledger.CheckInput) (ledger.Explanation, uint64, error) {
	in.Dimensions = record.SortDims(in.Dimensions)
	return e.explain(ctx, o, customer, ledger.Explainer{In: in})
}

// ExplainEvent is Explain of whether a reservation would hold all that an event may use.
func (e *Engine) ExplainEvent(ctx context.Context, o ledger.ReadOptions, customer string, in bursar.SpendInput) (ledger.Explanation, uint64, error) {
	s := e.spendEventOf(customer, &in, true)
	return e.explain(ctx, o, customer, ledger.Explainer{Event: &s, Learn: ledger.Learn{Percent: in.Percentile, Most: in.MostSaid}})
}

func (e *Engine) explain(ctx context.Context, o ledger.ReadOptions, customer string, x ledger.Explainer) (ledger.Explanation, uint64, error) {
	x.Token, x.Cat = o.Token, e.cat.Load()
	version, err := e.readTurn(ctx, o, customer, x.On)
	return x.Explanation, version, err
}
