package client_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

func amount(s string) bursar.Amount {
	a, err := bursar.ParseAmount([]byte(s))
	if err != nil {
		panic(err)
	}
	return a
}

// price makes credits, in which tokens cost 2 per thousand, and grants acme 10 of them.
func (w *world) price(t *testing.T) (grant client.Grant) {
	t.Helper()
	ctx := t.Context()
	_, err1 := w.CreateCurrency(ctx, client.CurrencyInput{ID: "credits", DisplayName: "Credits", Units: &bursar.Units{Singular: "credit", Plural: "credits"}})
	_, err2 := w.CreateRateCard(ctx, client.RateCardInput{ID: "llm", CurrencyID: "credits", DisplayName: "LLM", Rates: []client.Rate{
		{FeatureID: "tokens", Amount: tokens(2), Per: 1000},
		{FeatureID: "tokens", Amount: tokens(8), Per: 1000, Match: map[string]client.Texts{"model": {"big"}, "tier": {"a", "b"}}},
	}})
	grant, err3 := w.GrantCredits(ctx, client.GrantInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(10), DisplayName: "Start", Type: bursar.GrantPaid})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return grant
}

func TestPrices(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	grant := w.price(t)
	if grant.Status != bursar.GrantActive || grant.Amount != tokens(10) || grant.Cost.Currency != "usd" {
		t.Errorf("grant is %+v", grant)
	}
	d, err := w.Check(ctx, "acme", client.CheckInput{FeatureID: "tokens", Dimensions: ofAgent})
	if err != nil || len(d.Costs) != 1 || d.Costs[0] != (client.Cost{CurrencyID: "credits", Amount: amount("0.002")}) || d.Feature.ID != "tokens" || !d.Unlimited {
		t.Errorf("check is %+v %v", d, err)
	}
	c, err := w.Consume(ctx, "acme", spend(50, "c1"))
	if err != nil || len(c.Cost) != 1 || c.Cost[0].Amount != amount("0.1") || c.Credit == nil || *c.Credit.Consumed != amount("0.1") || c.Credit.UsageLimit != tokens(10) {
		t.Errorf("consume is %+v %v", c, err)
	}
	hold, err := w.Reserve(ctx, "acme", client.ReserveInput{SpendInput: spend(20, "r1")})
	if err != nil || len(hold.Cost) != 1 || hold.Cost[0].Amount != amount("0.04") {
		t.Errorf("hold is %+v %v", hold, err)
	}
	u, err := w.ReportUsage(ctx, client.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(1000), IdempotencyKey: "u1"})
	if err != nil || u[0].Credit == nil || u[0].Credit.CurrentUsage != amount("2.1") {
		t.Errorf("usage is %+v %v", u, err)
	}
	d, err = w.Check(ctx, "acme", client.CheckInput{CurrencyID: "credits"})
	if err != nil || d.Type != "CREDIT" || d.Currency.ID != "credits" || d.Reserved != amount("0.04") || *d.Remaining != amount("7.86") || *d.UsageLimit != tokens(10) {
		t.Errorf("check is %+v %v", d, err)
	}
	_, err = w.Consume(ctx, "acme", client.SpendInput{CurrencyID: "credits", Amount: tokens(8)})
	if denial, ok := client.Denied(err); !ok || denial.Code != bursar.CodeInsufficientCredits || denial.Binding.Source != bursar.BindingCredits {
		t.Errorf("denial is %v", err)
	}
}

func TestRateCards(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.price(t)
	later := bursar.TimeOf(time.Now().Add(time.Hour))
	v, err := w.AddRateVersion(ctx, "llm", client.RateVersionInput{EffectiveFrom: &later, Rates: []client.Rate{{FeatureID: "tokens", Amount: tokens(3)}}, Corrects: 1})
	if err != nil || v.Version != 2 || v.Corrects != 1 || v.EffectiveFrom != later.Milli() {
		t.Errorf("version is %+v %v", v, err)
	}
	first, err := w.RateVersions(ctx, "llm", client.Paging{Limit: 1})
	if err != nil || len(first.Items) != 1 || first.Pagination.Next == "" || first.Items[0].Rates[1].Match["model"][0] != "big" || len(first.Items[0].Rates[1].Match["tier"]) != 2 {
		t.Errorf("versions are %+v %v", first, err)
	}
	rest, err := w.RateVersions(ctx, "llm", client.Paging{Limit: 1, After: first.Pagination.Next})
	if err != nil || len(rest.Items) != 1 || rest.Items[0].Version != 2 {
		t.Errorf("versions are %+v %v", rest, err)
	}
	card, err := w.RateCard(ctx, "llm")
	if err != nil || card.Version != 2 || card.Rates[0].Per != 1 {
		t.Errorf("card is %+v %v", card, err)
	}
	if card, err = w.ArchiveRateCard(ctx, "llm"); err != nil || card.ArchivedAt == nil {
		t.Errorf("card is %+v %v", card, err)
	}
	live, err1 := w.RateCards(ctx, client.RateCardQuery{CurrencyID: "credits"})
	all, err2 := w.RateCards(ctx, client.RateCardQuery{FeatureID: "tokens", IncludeArchived: true})
	if err1 != nil || err2 != nil || len(live.Items) != 0 || len(all.Items) != 1 {
		t.Errorf("cards are %+v %+v %v %v", live, all, err1, err2)
	}
	if list, err := w.Unpriced(ctx); err != nil || len(list) != 0 {
		t.Errorf("unpriced is %+v %v", list, err)
	}
}

func TestCredits(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.price(t)
	day := bursar.TimeOf(time.Now().Add(24 * time.Hour))
	gift, err := w.GrantCredits(ctx, client.GrantInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(5), DisplayName: "Gift", Type: bursar.GrantPromotional,
		EffectiveAt: &day, Cost: &bursar.Money{Amount: tokens(4), Currency: "eur"}})
	if err != nil || gift.Status != bursar.GrantScheduled || gift.Cost != (bursar.Money{Amount: tokens(4), Currency: "eur"}) {
		t.Errorf("gift is %+v %v", gift, err)
	}
	if gift, err = w.VoidGrant(ctx, gift.ID); err != nil || gift.Status != bursar.GrantVoided || gift.VoidedAt == nil {
		t.Errorf("gift is %+v %v", gift, err)
	}
	var e *client.Error
	if _, err = w.VoidGrant(ctx, gift.ID); !errors.As(err, &e) || e.Code != bursar.CodeGrantNotVoidable {
		t.Errorf("voided twice: %v", err)
	}
	w.cut.Store(1) // the reply is lost: sent again, it counts once
	c, err := w.ConsumeCredits(ctx, client.ConsumptionInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(3), Dimensions: client.Dimensions{"model": "m"}})
	if err != nil || c.Credit == nil || c.Credit.CurrentUsage != tokens(3) {
		t.Errorf("consumption is %+v %v", c, err)
	}
	if _, err := w.ConsumeCreditsAsync(ctx, client.ConsumptionInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(1)},
		client.ConsumptionInput{CustomerID: "acme", CurrencyID: "credits", Amount: tokens(1)}); err != nil {
		t.Error(err)
	}
	grants, err := w.Grants(ctx, client.GrantQuery{CustomerID: "acme", CurrencyID: "credits", Paging: client.Paging{Limit: 1}})
	if err != nil || len(grants.Items) != 1 || grants.Items[0].Consumed != tokens(5) || grants.Pagination.Next == "" {
		t.Errorf("grants are %+v %v", grants, err)
	}
}

func TestEvents(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	_, err := w.CreateFeature(ctx, client.FeatureInput{ID: "output", DisplayName: "Output", Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens.output"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.cut.Store(1)
	report, err := w.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: "llm", Dimensions: map[string]any{"agentId": "a", "tokens.output": 2.5}},
		client.EventInput{CustomerID: "acme", EventName: "llm", Usage: json.RawMessage(`{"input_tokens": 3, "output_tokens": 4}`)})
	if err != nil || !slices.Contains(report.Warnings, "UNMETERED:tokens.input") {
		t.Fatal(report, err)
	}
	d, err := w.Check(ctx, "acme", client.CheckInput{FeatureID: "output"})
	if err != nil || d.CurrentUsage != amount("6.5") {
		t.Errorf("check is %+v %v", d, err)
	}
	report, err = w.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: "llm", Dimensions: map[string]any{"tokens.output": 2.5}},
		client.EventInput{CustomerID: "acme", EventName: "llm", Usage: json.RawMessage(`{"input_tokens": 3, "output_tokens": 4}`)})
	if err != nil {
		t.Fatal(err)
	}
	if e := report.Events; e[0].Tokens == nil || e[0].Tokens.Output != amount("2.5") || e[1].Tokens == nil || e[1].Tokens.Input != amount("3") || e[1].Tokens.Output != amount("4") {
		t.Errorf("tokens of the events: %+v %+v", e[0].Tokens, e[1].Tokens)
	}
	_, err = w.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: "nosuch"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != bursar.CodeUnknownMeter || e.Fields[0].Pointer != "/events/0/eventName" {
		t.Error(err)
	}
}
