package client_test

import (
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

func TestLedger(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	grant := w.price(t)
	in := spend(50, "c1")
	in.Dimensions = client.Dimensions{"agentId": "a", "model": "small"}
	if _, err := w.Consume(ctx, "acme", in); err != nil {
		t.Fatal(err)
	}
	all, err := w.Ledger(ctx, client.LedgerQuery{CustomerID: "acme"})
	if err != nil || len(all.Items) != 2 || all.Items[0].Amount != amount("-0.1") || all.Items[0].FeatureID != "tokens" || all.Items[0].GrantID != grant.ID || all.Items[1].Type != bursar.LedgerGranted {
		t.Errorf("ledger is %+v %v", all, err)
	}
	some, err := w.Ledger(ctx, client.LedgerQuery{CustomerID: "acme", CurrencyID: "credits", Types: []bursar.LedgerType{bursar.LedgerGranted, bursar.LedgerVoided}})
	if err != nil || len(some.Items) != 1 {
		t.Errorf("ledger is %+v %v", some, err)
	}
	from := bursar.TimeOf(time.Now().Add(-time.Hour))
	u, err := w.CreditUsage(ctx, client.CreditUsageQuery{CustomerID: "acme", From: &from, GroupBy: []string{"model"}})
	if err != nil || u.Currency == nil || u.Currency.ID != "credits" || len(u.Series) != 1 || u.Series[0].Total != amount("0.1") || u.Series[0].Tags[0].Value != "small" {
		t.Errorf("usage is %+v %v", u, err)
	}
	est, err := w.EstimateUsage(ctx, client.EstimateUsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(1000)})
	if err != nil || len(est.Estimates) != 1 || est.Estimates[0].Cost != tokens(2) || est.Estimates[0].BalanceAfter != amount("7.9") || est.Estimates[0].WouldOverdraft {
		t.Errorf("estimate is %+v %v", est, err)
	}
	if _, err = w.AddRateVersion(ctx, "llm", client.RateVersionInput{Rates: []client.Rate{{FeatureID: "tokens", Amount: tokens(1), Per: 1000}}, Corrects: 1}); err != nil {
		t.Fatal(err)
	}
	r, err := w.Reprice(ctx, "llm", client.RepriceInput{From: from, Apply: true}, nil)
	if err != nil || !r.Applied || r.Was != amount("0.1") || r.Is != amount("0.05") || len(r.Customers) != 1 {
		t.Errorf("repricing is %+v %v", r, err)
	}
}

func TestSimulate(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for range 3 {
		if _, err := w.Consume(ctx, "acme", spend(10, "")); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.Simulate(ctx, "acme", client.SimulateInput{StartDate: bursar.TimeOf(time.Now().Add(-time.Hour)), Assignments: []client.AssignmentInput{
		{EntityID: "t", FeatureID: "tokens", UsageLimit: client.Some(tokens(15)), Cadence: "P100Y"},
	}})
	if err != nil || s.Replayed != 3 || len(s.Drafts) != 1 || s.Drafts[0].Stopped != 2 || s.Drafts[0].StoppedUsage != tokens(20) || s.Note == "" {
		t.Errorf("simulation is %+v %v", s, err)
	}
}
