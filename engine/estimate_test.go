package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

func (r *rig) estimate(in bursar.EstimateInput) string {
	in.CustomerID = "acme"
	out, warnings, _, err := r.Estimate(r.t.(*testing.T).Context(), ledger.ReadOptions{}, in)
	if err != nil {
		e := err.(*bursar.Error)
		return fmt.Sprintf("%s at %s", e.Code, e.Fields[0].Pointer)
	}
	var b strings.Builder
	for _, x := range out {
		fmt.Fprintf(&b, "%s %s of %s:", x.CurrencyID, x.Cost, x.Balance.Limit.Sub(x.Balance.Used))
		for _, it := range x.Breakdown {
			fmt.Fprintf(&b, " %s=%s%s", it.FeatureID, it.Cost, it.Warning)
		}
		b.WriteString("; ")
	}
	return strings.TrimSpace(strings.TrimSuffix(b.String(), "; ") + " " + strings.Join(warnings, " "))
}

func meterOf(event, function, field string, filters ...bursar.MeterFilter) *bursar.Meter {
	return &bursar.Meter{EventName: event, Aggregation: bursar.Aggregation{Function: function, Field: field}, Filters: filters}
}

func TestEstimate(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.sellSeats("3")
	ctx := t.Context()
	yes := "yes"
	chat := bursar.MeterFilter{Conditions: []bursar.MeterCondition{{Field: "chat", Operation: "EQUALS", Value: &yes}}}
	for id, m := range map[string]*bursar.Meter{"free": nil, "in": meterOf("call", "SUM", "in"), "calls": meterOf("call", "COUNT", "", chat),
		"peak": meterOf("call", "MAX", "in"), "people": meterOf("call", "UNIQUE", "who"), "lone": meterOf("login", "UNIQUE", "who"), "plain": meterOf("ping", "COUNT", "", chat)} {
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: id, DisplayName: id, Meter: m})
		r.must(err)
	}
	for currency, rates := range map[string][]bursar.Rate{
		"gold":    {{FeatureID: "in", Amount: amount("2"), Per: 1000}, {FeatureID: "calls", Amount: amount("0.25")}},
		"credits": {{FeatureID: "in", Amount: amount("1"), Match: map[string][]string{"model": {"big"}}}}} {
		_, err := r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "events-" + currency, CurrencyID: currency, DisplayName: "E", RateVersionInput: catalogue.RateVersionInput{Rates: rates}})
		r.must(err)
	}
	r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("5"), DisplayName: "G"})
	_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: amount("1"), Behavior: bursar.Set, Dimensions: onUser}})
	r.must(err)
	number := func(d []bursar.Dimension, key, value string) []bursar.Dimension {
		return append(d, bursar.Dimension{Key: key, Value: value, Kind: bursar.DimNumber})
	}
	call := number(dims("model", "big", "who", "w", "chat", "yes"), "in", "1500")
	for _, c := range []struct {
		in   bursar.EstimateInput
		want string
	}{
		{bursar.EstimateInput{FeatureID: "tokens", Value: amount("7"), Dimensions: onUser}, "gold 0.7 of 2: tokens=0.7"},
		{bursar.EstimateInput{FeatureID: "tokens", Value: amount("7"), Dimensions: dims("user", "u", "model", "big")}, "gold 3.5 of 2: tokens=3.5"},
		{bursar.EstimateInput{FeatureID: "tokens", Value: amount("0")}, "gold 0 of 2: tokens=0 NO_ENTITY_NAMED"},
		{bursar.EstimateInput{FeatureID: "tokens", Value: amount("-1")}, "InvalidAmount at /value"},
		{bursar.EstimateInput{FeatureID: "tokens", Value: amount("999999999999999"), Dimensions: dims("model", "big")}, "gold 499999999999999.5 of 2: tokens=499999999999999.5 NO_ENTITY_NAMED"},
		{bursar.EstimateInput{FeatureID: "seats", Value: amount("999999999999999")}, "InvalidAmount at /value"},
		{bursar.EstimateInput{FeatureID: "seats", Value: amount("-1")}, "gold -3 of 2: seats=-3 NO_ENTITY_NAMED"},
		{bursar.EstimateInput{FeatureID: "seats", Value: amount("4"), Behavior: bursar.Set, Dimensions: onUser}, "gold 9 of 2: seats=9"},
		{bursar.EstimateInput{FeatureID: "seats", Value: amount("4"), Behavior: bursar.Set}, "gold 12 of 2: seats=12 NO_ENTITY_NAMED"},
		{bursar.EstimateInput{FeatureID: "free", Value: amount("4")}, "FEATURE_NOT_CREDIT_BASED NO_ENTITY_NAMED UNGOVERNED:free"},
		{bursar.EstimateInput{FeatureID: "nothing", Value: amount("4")}, "FEATURE_NOT_FOUND"},
		{bursar.EstimateInput{FeatureID: "in", Value: amount("1000")}, "RateNotFound at /dimensions"}, // credits has no rate for it
		{bursar.EstimateInput{EventName: "call", Dimensions: call},
			"credits 1500 of 0: in=1500 peak=0UNSUPPORTED_AGGREGATION people=0UNSUPPORTED_AGGREGATION; " +
				"gold 3.25 of 2: calls=0.25 in=3 peak=0UNSUPPORTED_AGGREGATION people=0UNSUPPORTED_AGGREGATION NO_ENTITY_NAMED UNGOVERNED:peak UNGOVERNED:people"},
		{bursar.EstimateInput{EventName: "call", Dimensions: number(dims("who", "w"), "in", "2")}, "RateNotFound at /dimensions"},
		{bursar.EstimateInput{EventName: "call", Dimensions: dims("model", "big", "who", "w")}, "ValidationFailed at /dimensions/in"},
		{bursar.EstimateInput{EventName: "login", Dimensions: dims("who", "w")}, "FEATURE_NOT_CREDIT_BASED NO_ENTITY_NAMED UNGOVERNED:lone"},
		{bursar.EstimateInput{EventName: "ping"}, "FEATURE_NOT_FOUND UNMETERED:ping"},
		{bursar.EstimateInput{EventName: "pong"}, "UnknownMeter at /eventName"},
	} {
		if got := r.estimate(c.in); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
	if _, _, _, err := r.Estimate(ctx, ledger.ReadOptions{}, bursar.EstimateInput{CustomerID: "nobody", FeatureID: "tokens"}); codeOf(err) != bursar.CodeCustomerNotFound {
		t.Errorf("nobody: %v", err)
	}
}
