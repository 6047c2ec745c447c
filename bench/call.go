//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
)

// What a governed call of a model is counted and charged as: three kinds of token that have a
// price in one currency, of which the root of the tree has a budget.
const callCurrency = "credits"

var callKinds = []string{"input", "cache_read", "output"}

func seedPrices(ctx context.Context, e *engine.Engine) error {
	if _, err := e.CreateCurrency(ctx, seeder, bursar.Currency{ID: callCurrency, DisplayName: "Credits"}); err != nil {
		return err
	}
	var rates []bursar.Rate
	for i, kind := range callKinds {
		f := bursar.Feature{ID: "call-" + kind, DisplayName: kind, Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens." + kind}}}
		if _, err := e.CreateFeature(ctx, seeder, f); err != nil {
			return err
		}
		rates = append(rates, bursar.Rate{FeatureID: f.ID, Amount: bursar.AmountFromInt(int64(i + 1)), Per: 1_000_000})
	}
	_, err := e.CreateRateCard(ctx, seeder, catalogue.RateCardInput{ID: "models", CurrencyID: callCurrency, DisplayName: "Models",
		RateVersionInput: catalogue.RateVersionInput{Rates: rates}})
	return err
}

func (t *tree) seedBudget(ctx context.Context, e *engine.Engine) error {
	month, err := bursar.ParseCadence("P1M")
	if err != nil {
		return err
	}
	_, _, err = e.PutAssignments(ctx, seeder, t.ID, []bursar.AssignmentInput{{EntityID: t.entityID(1, 0),
		Capability: bursar.Capability{Kind: bursar.KindCurrency, ID: callCurrency}, UsageLimit: bursar.Some(bursar.AmountFromInt(1e12)), Cadence: bursar.Some(month)}})
	return err
}

// governedCall is what an application sends before and after a call of a model.
func governedCall(key string) []request {
	return []request{
		{Method: "POST", Path: customers + acme + "/reservations", Key: key, Status: 201,
			Body: `{"eventName":"llm","idempotencyKey":"{seq}","dimensions":{"agentId":"agent-{leaf}","model":"m"},"inputCharacters":24000,"maxTokens":4000}`},
		{Method: "POST", Path: customers + acme + "/reservations/{id}/commit", Key: key, Status: 200,
			Body: `{"usage":{"prompt_tokens":7421,"completion_tokens":1830,"prompt_tokens_details":{"cached_tokens":5120}}}`},
	}
}

// callPart tells what governing one call of a model costs its caller, who waits for both
// requests: beside two requests to the floor, which sync what they append.
func (b *bench) callPart() error {
	floor := reportOf("/append", "", 1)
	for range b.rounds {
		for _, conns := range []int{1, 16} {
			f, err := b.measure(&cell{name: "floor, two appends", server: b.floor, requests: []request{floor, floor}, conns: conns})
			if err != nil {
				return err
			}
			r, err := b.measure(&cell{name: "governed call", server: b.bursar, requests: governedCall(b.bursar.key), conns: conns})
			if err != nil {
				return err
			}
			at := fmt.Sprintf(" at %d connections", conns)
			if conns == 1 {
				at = ", one after another"
				b.report.add("overhead of a governed call beside the floor, p50", "ms", below(1.5), (r.P50-f.P50)/1e3)
			}
			b.report.add("governed call, both requests"+at+", p50", "ms", goal{}, r.P50/1e3)
			b.report.add("floor, two appends"+at+", p50", "ms", goal{}, f.P50/1e3)
			b.report.add("governed calls per second"+at, "", goal{}, r.PerSec)
			b.report.add("server CPU of a governed call"+at, "µs", goal{}, r.MicrosPerUnit)
		}
	}
	return b.profiled("call", &cell{name: "governed call, profiled", server: b.bursar, requests: governedCall(b.bursar.key), conns: 16})
}
