package client_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// meter makes the event "llm" feed a feature for each of two kinds of tokens, at a price.
func (w *world) meter(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	var errs []error
	for _, kind := range []string{"input", "output"} {
		_, err := w.CreateFeature(ctx, client.FeatureInput{ID: kind, DisplayName: kind,
			Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens." + kind}}})
		errs = append(errs, err)
	}
	_, err := w.CreateCurrency(ctx, client.CurrencyInput{ID: "credits", DisplayName: "Credits"})
	errs = append(errs, err)
	_, err = w.CreateRateCard(ctx, client.RateCardInput{ID: "llm", CurrencyID: "credits", DisplayName: "LLM", Rates: []client.Rate{
		{FeatureID: "input", Amount: tokens(1), Per: 1000}, {FeatureID: "output", Amount: tokens(5), Per: 1000}}})
	errs = append(errs, err)
	_, err = w.GrantCredits(ctx, client.GrantInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(10), DisplayName: "Start", Type: bursar.GrantPaid})
	errs = append(errs, err)
	_, err = w.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "a", FeatureID: "output", UsageLimit: client.Some(tokens(1000)), Cadence: "P1D",
		AlertThresholds: []int{50}})
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
}

var ofAgentEvent = map[string]any{"agentId": "a", "model": "m"}

// One call is a reservation of its event, and a commit of what the provider said.
func TestLifeOfACall(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	hold, err := w.ReserveEvent(ctx, "acme", client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent, IdempotencyKey: "r1"},
		InputCharacters: 2999, MaxTokens: 400, OnExpire: bursar.ExpireSettle})
	if err != nil || hold.EventName != "llm" || len(hold.Held) != 3 || hold.Held[0].Amount != tokens(1000) || hold.Held[1].Amount != tokens(400) ||
		hold.Held[2] != (client.CapabilityAmount{CurrencyID: "credits", Amount: tokens(3)}) || hold.Tokens.Input != tokens(1000) {
		t.Fatalf("reservation is %+v %v", hold, err)
	}
	if x := hold.Tightest; x == nil || x.FeatureID != "output" || *x.Remaining != tokens(600) {
		t.Errorf("tightest is %+v", x)
	}
	done, err := w.CommitEvent(ctx, "acme", hold.ID, client.CallUsed{Used: client.Used{Usage: json.RawMessage(`{"prompt_tokens":900,"completion_tokens":600}`)}, Model: "n"})
	if err != nil || done.Status != bursar.HoldCommitted || done.Used[1].Amount != tokens(600) || done.Tokens.Output != tokens(600) || done.Estimated ||
		len(done.Cost) != 1 || done.Cost[0].Amount != amount("3.9") || len(done.Alerts) != 1 || done.Alerts[0].Thresholds[0] != 50 {
		t.Fatalf("commit is %+v %v", done, err)
	}
	c, err := w.ConsumeEvent(ctx, "acme", client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent, Used: client.Used{Tokens: &client.Tokens{Input: 100, Output: 100}}})
	if err != nil || c.EventName != "llm" || len(c.Used) != 3 || c.Cost[0].Amount != amount("0.6") || c.Credit == nil {
		t.Errorf("consumption is %+v %v", c, err)
	}
	_, err = w.ConsumeEvent(ctx, "acme", client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent, Used: client.Used{Tokens: &client.Tokens{Output: 301}}})
	if denial, ok := client.Denied(err); !ok || denial.Binding.FeatureID != "output" {
		t.Errorf("not denied: %v", err)
	}
	half, err := w.ConsumeEvent(ctx, "acme", client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent,
		Used: client.Used{Properties: map[string]any{"tokens.input": 0, "tokens.output": 0.5, "tokens.output_audio": 2}}})
	if err != nil || half.Tokens == nil || half.Tokens.Output != amount("0.5") || half.Tokens.OutputAudio != tokens(2) {
		t.Errorf("half a token: %+v %v", half.Tokens, err)
	}
	other, err := w.ReserveEvent(ctx, "acme", client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent}, InputTokens: 10, MaxTokens: 10})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: "llm", ReservationID: other.ID, Dimensions: map[string]any{"tokens.input": 5, "tokens.output": 6}})
	if err != nil || len(r.Events) != 1 || r.Events[0].ReservationID != other.ID || r.Events[0].Used[1].Amount != tokens(6) || r.Events[0].Duplicate {
		t.Errorf("report is %+v %v", r, err)
	}
}

// A reservation, an event and a commit that name one call count once.
func TestOneCallCountsOnce(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	hold, err := w.ReserveEvent(ctx, "acme", client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent, CallID: "one"}, MaxTokens: 10})
	if err != nil {
		t.Fatal(err)
	}
	event := client.EventInput{CustomerID: "acme", EventName: "llm", CallID: "one", Dimensions: map[string]any{"tokens.input": 5, "tokens.output": 6}}
	r, err := w.ReportEvents(ctx, event, event)
	if err != nil || r.Events[0].ReservationID != hold.ID || r.Events[0].Duplicate || !r.Events[1].Duplicate || r.Events[0].Tokens == nil || r.Events[1].Tokens != nil {
		t.Errorf("report is %+v %v", r, err)
	}
	done, err := w.CommitEvent(ctx, "acme", hold.ID, client.CallUsed{Used: client.Used{Tokens: &client.Tokens{Output: 7}}, CallID: "one"})
	if err != nil || !done.Duplicate || done.Tokens.Output != tokens(6) {
		t.Errorf("commit is %+v %v", done, err)
	}
}

// A reservation is extended by tokens while its call goes on, or denied those.
func TestExtendByTokens(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	hold, err := w.ReserveEvent(ctx, "acme", client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent}, InputTokens: 10, MaxTokens: 100})
	if err != nil {
		t.Fatal(err)
	}
	more, err := w.ExtendTokens(ctx, "acme", hold.ID, client.Tokens{Output: 300}, 600)
	if err != nil || more.Held[1].Amount != tokens(400) || more.Tokens.Output != tokens(400) || more.ExpiresAt <= hold.ExpiresAt {
		t.Errorf("extended to %+v %v", more, err)
	}
	_, err = w.ExtendTokens(ctx, "acme", hold.ID, client.Tokens{Output: 601}, 0)
	if denial, ok := client.Denied(err); !ok || denial.Binding.FeatureID != "output" {
		t.Errorf("not denied: %v", err)
	}
}

// A reservation holds what the calls before it had, once there are ten.
func TestLearnedHold(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	in := client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent}, MaxTokens: 40, Hold: "p90"}
	for i := range 10 {
		hold, err := w.ReserveEvent(ctx, "acme", in)
		if err != nil || hold.Learned == nil || hold.Learned.Samples != 0 || hold.Learned.Tokens != 40 {
			t.Fatalf("reservation is %+v %v", hold, err)
		}
		if _, err := w.CommitEvent(ctx, "acme", hold.ID, client.CallUsed{Used: client.Used{Tokens: &client.Tokens{Output: int64(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	in.MaxTokens = 0
	hold, err := w.ReserveEvent(ctx, "acme", in)
	if err != nil || hold.Learned == nil || *hold.Learned != (client.Learned{Quantile: "p90", Samples: 10, Of: "a", Tokens: 8}) || hold.Tokens.Output != tokens(8) {
		t.Errorf("reservation is %+v %v", hold, err)
	}
}
