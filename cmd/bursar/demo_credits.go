package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

const (
	demoCurrency     = "credits"
	demoInputTokens  = "llm-input-tokens"
	demoOutputTokens = "llm-output-tokens"
	demoEvent        = "llm.call"
	demoCard         = "models"
)

// demoModels are invented, from the dearest to the cheapest. Prices are credits per
// million tokens; a thousand credits are meant to be a US dollar.
var demoModels = []struct {
	name          string
	input, output int64
}{
	{"fjord-large", 3000, 15000},
	{"fjord-base", 800, 4000},
	{"fjord-mini", 100, 500},
}

const demoPer = 1_000_000

// demoCost is what tokens cost, as an agent that knows the price list reckons before it
// calls the model. The server has the last word.
func demoCost(model *demoNode, input, output int64) (cost bursar.Amount) {
	for _, m := range demoModels {
		if m.name == model.id {
			in, _ := (&bursar.Rate{Amount: bursar.AmountFromInt(m.input), Per: demoPer}).Cost(bursar.AmountFromInt(input))
			out, _ := (&bursar.Rate{Amount: bursar.AmountFromInt(m.output), Per: demoPer}).Cost(bursar.AmountFromInt(output))
			cost = in.Add(out)
		}
	}
	return cost
}

// demoRates are the rate card: each model's prices of both kinds of tokens.
func demoRates() (rates []client.Rate) {
	for _, m := range demoModels {
		match := map[string]client.Texts{"model": {m.name}}
		rates = append(rates,
			client.Rate{FeatureID: demoInputTokens, Amount: bursar.AmountFromInt(m.input), Per: demoPer, Match: match},
			client.Rate{FeatureID: demoOutputTokens, Amount: bursar.AmountFromInt(m.output), Per: demoPer, Match: match})
	}
	return rates
}

// furnishMoney makes the currency, the features that events feed and their prices.
func furnishMoney(ctx context.Context, c *client.Client) error {
	if _, err := c.CreateCurrency(ctx, client.CurrencyInput{ID: demoCurrency, DisplayName: "Credits", Units: &bursar.Units{Singular: "credit", Plural: "credits"}}); err != nil {
		return fmt.Errorf("creating the currency: %w", err)
	}
	for _, f := range []struct{ id, name, field string }{
		{demoInputTokens, "LLM input tokens", bursar.TokensInput},
		{demoOutputTokens, "LLM output tokens", bursar.TokensOutput},
	} {
		meter := &bursar.Meter{EventName: demoEvent, Aggregation: bursar.Aggregation{Function: "SUM", Field: f.field}}
		if _, err := c.CreateFeature(ctx, client.FeatureInput{ID: f.id, DisplayName: f.name, Units: "token", UnitsPlural: "tokens", Meter: meter}); err != nil {
			return fmt.Errorf("creating the feature %s: %w", f.id, err)
		}
	}
	if _, err := c.CreateRateCard(ctx, client.RateCardInput{ID: demoCard, CurrencyID: demoCurrency, DisplayName: "Model prices", Rates: demoRates()}); err != nil {
		return fmt.Errorf("creating the rate card: %w", err)
	}
	return nil
}

// Shares of the expected hour that the customer has credits for: the welcome credits
// burn first, both together do not reach the end, and the top-up does.
const (
	demoWelcome = 0.15
	demoPaid    = 0.60
	demoTopUp   = 0.45
)

// demoGrants fills the pool of the customer, who expects to spend expected credits, and
// gives the names of the grants by their ids.
func demoGrants(ctx context.Context, c *client.Client, now bursar.Time, expected float64) (map[string]string, error) {
	names := map[string]string{}
	month, year := now+bursar.Time(30*24*time.Hour), now+bursar.Time(365*24*time.Hour)
	for _, g := range []client.GrantInput{
		{DisplayName: "Welcome credits", Type: bursar.GrantPromotional, Amount: budgetOf(expected * demoWelcome), ExpireAt: &month},
		{DisplayName: "Order 1001", Type: bursar.GrantPaid, Amount: budgetOf(expected * demoPaid), ExpireAt: &year},
	} {
		g.CustomerID, g.CurrencyID = demoCustomer, demoCurrency
		made, err := c.GrantCredits(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("granting credits: %w", err)
		}
		names[made.ID] = made.DisplayName
	}
	return names, nil
}

// demoUsage is the usage object that a provider's reply has; Bursar reads it as it came.
func demoUsage(q *demoRequest) json.RawMessage {
	return fmt.Appendf(nil, `{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, q.context, q.generated, q.context+q.generated)
}

// wholeCredits is an amount for people: rounded to whole credits.
func wholeCredits(a bursar.Amount) string { return commas(int(a.Float64() + 0.5)) }
