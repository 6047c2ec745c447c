package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/spendtoken"
)

// TestSpendToken: a client with a spend token spends as the token says, with one that it
// narrowed itself as that says, and after the first was revoked with none.
func TestSpendToken(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	made, err := w.CreateSpendToken(ctx, "acme", client.SpendTokenInput{Label: "agent a", Entities: map[string]string{"agentId": "a"}, Caps: []client.SpendCap{{FeatureID: "tokens", Amount: bursar.AmountFromInt(50)}}})
	if err != nil {
		t.Fatal(err)
	}
	run, err := client.NarrowSpendToken(made.Token, spendtoken.Block{Label: "run", Caps: []spendtoken.Cap{{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}, Amount: bursar.AmountFromInt(3)}}})
	if err != nil {
		t.Fatal(err)
	}
	as := w.WithKey(run)
	spend := func(n int64) error {
		_, err := as.Consume(ctx, "acme", client.SpendInput{FeatureID: "tokens", Amount: bursar.AmountFromInt(n)})
		return err
	}
	var e *client.Error
	if err := spend(2); err != nil {
		t.Fatal(err)
	}
	if err := spend(2); !errors.As(err, &e) || e.Status != http.StatusPaymentRequired || e.Binding == nil || e.Binding.UsageLimit.String() != "3" {
		t.Errorf("above the cap: %v", err)
	}
	budget, err := as.OwnBudget(ctx)
	if err != nil || budget.CustomerID != "acme" || len(budget.Chain) != 2 || len(budget.Limits) != 4 {
		t.Errorf("%+v %v", budget, err)
	}
	if _, err := w.RevokeSpendToken(ctx, "acme", made.ID); err != nil {
		t.Fatal(err)
	}
	if err := spend(1); !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		t.Errorf("of a revoked one: %v", err)
	}
	if page, err := w.SpendTokens(ctx, "acme", client.Paging{}); err != nil || len(page.Items) != 1 || page.Items[0].RevokedAt == nil {
		t.Errorf("%+v %v", page, err)
	}
}
