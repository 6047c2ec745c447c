package client_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// asked is what every call of the table is made about.
type asked struct {
	feature  string // of checks, spending and reports
	currency string // of consumptions, and of the others where there is no feature
	event    string
	amount   int64
	dims     client.Dimensions
	measures map[string]any // of the event, besides dims
}

func (q *asked) spend() client.SpendInput {
	in := client.SpendInput{FeatureID: q.feature, Amount: tokens(q.amount), Dimensions: q.dims}
	if q.feature == "" {
		in.CurrencyID = q.currency
	}
	return in
}

func (q *asked) item() client.CheckItem {
	s, n := q.spend(), tokens(q.amount)
	return client.CheckItem{FeatureID: s.FeatureID, CurrencyID: s.CurrencyID, Requested: &n, Dimensions: q.dims}
}

func (q *asked) consumption() client.ConsumptionInput {
	return client.ConsumptionInput{CustomerID: "acme", CurrencyID: q.currency, Amount: tokens(1), Dimensions: q.dims}
}

func (q *asked) properties() map[string]any {
	out := maps.Clone(q.measures)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range q.dims {
		out[k] = v
	}
	return out
}

// warned are the calls that warn, each with what it warned of.
var warned = map[string]func(ctx context.Context, c *client.Client, q *asked) ([]string, error){
	"check": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x := q.item()
		d, err := c.Check(ctx, "acme", client.CheckInput(x))
		return d.Warnings, err
	},
	"checks": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		d, err := c.Checks(ctx, "acme", q.item(), q.item())
		if err != nil {
			return nil, err
		}
		return d[1].Warnings, nil
	},
	"explain": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.Explain(ctx, "acme", q.item())
		return x.Decision.Warnings, err
	},
	"consume": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		in := q.spend()
		in.IdempotencyKey = "twice"
		first, err1 := c.Consume(ctx, "acme", in)
		again, err2 := c.Consume(ctx, "acme", in)
		return alike(first.Warnings, again.Warnings, again.Duplicate, errors.Join(err1, err2))
	},
	"reserve": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		in := client.ReserveInput{SpendInput: q.spend()}
		in.IdempotencyKey = "twice, held"
		first, err1 := c.Reserve(ctx, "acme", in)
		again, err2 := c.Reserve(ctx, "acme", in)
		return alike(first.Warnings, again.Warnings, again.Duplicate, errors.Join(err1, err2))
	},
	"usage": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		in := client.UsageInput{CustomerID: "acme", FeatureID: q.feature, Value: tokens(q.amount), Dimensions: q.dims, IdempotencyKey: "twice, reported"}
		first, err1 := c.ReportUsage(ctx, in)
		again, err2 := c.ReportUsage(ctx, in)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return alike(first[0].Warnings, again[0].Warnings, again[0].Duplicate, nil)
	},
	"usage/estimate": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.EstimateUsage(ctx, client.EstimateUsageInput{CustomerID: "acme", FeatureID: q.feature, Value: tokens(q.amount), Dimensions: q.dims})
		return x.Warnings, err
	},
	"events": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: q.event, Dimensions: q.properties()},
			client.EventInput{CustomerID: "acme", EventName: q.event, Dimensions: q.properties()})
		return x.Warnings, err
	},
	"events/estimate": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.EstimateEvent(ctx, client.EstimateEventInput{CustomerID: "acme", EventName: q.event, Dimensions: q.properties()})
		return x.Warnings, err
	},
	"credits/consumption": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.ConsumeCredits(ctx, q.consumption())
		return x.Warnings, err
	},
	"credits/consumption/async": func(ctx context.Context, c *client.Client, q *asked) ([]string, error) {
		x, err := c.ConsumeCreditsAsync(ctx, q.consumption(), q.consumption())
		return x.Warnings, err
	},
}

// alike is what a call and its repeat warned of, which has to be the same.
func alike(first, again []string, duplicate bool, err error) ([]string, error) {
	if err == nil && (!duplicate || !slices.Equal(first, again)) {
		err = fmt.Errorf("sent again (duplicate %v) it warns of %q, not of %q", duplicate, again, first)
	}
	return first, err
}

// furnish makes acme one in which nothing is to be warned of: agent "a" below team "t" has a
// limit of each feature and currency, which have prices and meters.
func (w *world) furnish(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	meter := func(event, fn, field string, filters ...bursar.MeterFilter) *bursar.Meter {
		return &bursar.Meter{EventName: event, Aggregation: bursar.Aggregation{Function: fn, Field: field}, Filters: filters}
	}
	model := "other"
	_, err1 := w.CreateFeature(ctx, client.FeatureInput{ID: "output", DisplayName: "Output", Meter: meter("llm", "SUM", "tokens.output")})
	_, err2 := w.CreateFeature(ctx, client.FeatureInput{ID: "free", DisplayName: "Free"})
	_, err3 := w.CreateFeature(ctx, client.FeatureInput{ID: "calls", DisplayName: "Calls", Meter: meter("call", "COUNT", "")})
	_, err4 := w.CreateFeature(ctx, client.FeatureInput{ID: "few", DisplayName: "Few", Meter: meter("rare", "SUM", "tokens.output",
		bursar.MeterFilter{Conditions: []bursar.MeterCondition{{Field: "model", Operation: "NOT_EQUALS", Value: &model}}})})
	no := false
	_, err5 := w.CreateCurrency(ctx, client.CurrencyInput{ID: "usd", DisplayName: "Dollars", Prepaid: &no})
	_, err6 := w.CreateCurrency(ctx, client.CurrencyInput{ID: "loose", DisplayName: "Not limited", Prepaid: &no})
	_, err7 := w.CreateRateCard(ctx, client.RateCardInput{ID: "llm", CurrencyID: "usd", DisplayName: "LLM", Rates: []client.Rate{
		{FeatureID: "tokens", Amount: tokens(2), Per: 1000, Match: map[string]client.Texts{"model": {"known"}}},
		{FeatureID: "output", Amount: tokens(8), Per: 1000, Match: map[string]client.Texts{"model": {"known"}}},
	}})
	limit := func(c client.AssignmentInput) client.AssignmentInput {
		c.EntityID, c.UsageLimit, c.Cadence = "a", client.Some(tokens(1_000_000)), "P1M"
		return c
	}
	_, err8 := w.PutAssignments(ctx, "acme", limit(client.AssignmentInput{FeatureID: "output"}), limit(client.AssignmentInput{FeatureID: "few"}),
		limit(client.AssignmentInput{CurrencyID: "usd"}))
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
		t.Fatal(err)
	}
}

// crowd makes four chains of 9 entities with 16 limits each: to what names the lowest of all
// four more than 512 apply. It gives the dimensions that do.
func (w *world) crowd(t *testing.T) client.Dimensions {
	t.Helper()
	ctx, dims := t.Context(), client.Dimensions{"model": "known"}
	var keys []string
	for i := range 4 {
		keys = append(keys, fmt.Sprintf("chain%d", i))
		dims[keys[i]] = fmt.Sprintf("c%d-8", i)
	}
	_, err := w.PutEntityTypes(ctx, client.EntityTypeInput{ID: "link0", DisplayName: "Link", AttributionKeys: keys[:2]},
		client.EntityTypeInput{ID: "link1", DisplayName: "Link", AttributionKeys: keys[2:]})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		for j := range 9 {
			e := client.EntityInput{ID: fmt.Sprintf("c%d-%d", i, j), EntityTypeID: fmt.Sprint("link", i/2)}
			if j > 0 {
				e.ParentID = client.Some(fmt.Sprintf("c%d-%d", i, j-1))
			}
			var limits []client.AssignmentInput
			for k := range bursar.MaxPlainLimits {
				for _, l := range []client.AssignmentInput{{FeatureID: "tokens"}, {FeatureID: "output"}, {CurrencyID: "usd"}} {
					l.EntityID, l.Label, l.UsageLimit, l.Cadence = e.ID, fmt.Sprint("l", k), client.Null[bursar.Amount](), "P1M"
					limits = append(limits, l)
				}
			}
			_, err1 := w.PutEntities(ctx, "acme", e)
			_, err2 := w.PutAssignments(ctx, "acme", limits...)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dims
}

// noRate are the calls that a missing rate refuses, which says it louder than a warning.
var noRate = []string{"consume", "reserve", "usage/estimate", "events/estimate"}

// Each call that governs, records or estimates use warns of each cause that it can have, and
// of nothing else.
func TestWarnings(t *testing.T) {
	known := func(agent string) client.Dimensions { return client.Dimensions{"agentId": agent, "model": "known"} }
	output := map[string]any{"tokens.output": 2}
	for name, x := range map[string]struct {
		asked
		want   map[string][]string // by kind of call
		refuse []string
	}{
		"nothing": {asked{"tokens", "usd", "llm", 1, known("a"), output}, nil, nil},
		"an agent that is mistyped": {asked{"tokens", "usd", "llm", 1, known("aa"), output}, map[string][]string{
			"feature": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:tokens"}, "event": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:output"},
			"currency": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:usd"}}, nil},
		"an entity of another type": {asked{"tokens", "usd", "llm", 1, known("t"), output}, map[string][]string{
			"feature": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:tokens"}, "event": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:output"},
			"currency": {"DIMENSION_NOT_RESOLVED:agentId", "UNGOVERNED:usd"}}, nil},
		"no dimension": {asked{"free", "loose", "call", 1, nil, nil}, map[string][]string{
			"feature": {"NO_ENTITY_NAMED", "UNGOVERNED:free"}, "event": {"NO_ENTITY_NAMED", "UNGOVERNED:calls"},
			"currency": {"NO_ENTITY_NAMED", "UNGOVERNED:loose"}, "estimate": {"FEATURE_NOT_CREDIT_BASED"}}, nil},
		"no limit": {asked{"free", "loose", "call", 1, known("a"), nil}, map[string][]string{
			"feature": {"UNGOVERNED:free"}, "event": {"UNGOVERNED:calls"}, "currency": {"UNGOVERNED:loose"},
			"estimate": {"FEATURE_NOT_CREDIT_BASED"}}, nil},
		"no price": {asked{"tokens", "usd", "llm", 1, client.Dimensions{"agentId": "a", "model": "new"}, output}, map[string][]string{
			"feature": {"RATE_NOT_FOUND"}, "event": {"RATE_NOT_FOUND:output"}}, noRate},
		"no meter of the token": {asked{"tokens", "usd", "llm", 1, known("a"), map[string]any{"tokens.output": 2, "tokens.audio": 1, "tokens.input": 0}},
			map[string][]string{"event": {"UNMETERED:tokens.audio"}}, nil},
		"no meter that wants the event": {asked{"tokens", "usd", "rare", 1, client.Dimensions{"agentId": "a", "model": "other"}, output},
			map[string][]string{"feature": {"RATE_NOT_FOUND"}, "event": {"UNMETERED:rare"}, "event estimate": {"FEATURE_NOT_FOUND"}},
			[]string{"consume", "reserve", "usage/estimate"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.furnish(t)
			w.warnOf(t, &x.asked, x.want, x.refuse)
		})
	}
	t.Run("too many limits", func(t *testing.T) {
		w := newWorld(t)
		w.furnish(t)
		q := asked{"tokens", "usd", "llm", 1, w.crowd(t), output}
		w.warnOf(t, &q, map[string][]string{"feature": {"TOO_MANY_LIMITS:tokens", "TOO_MANY_LIMITS:usd"},
			"event": {"TOO_MANY_LIMITS:output", "TOO_MANY_LIMITS:usd"}, "currency": {"TOO_MANY_LIMITS:usd"}}, nil)
	})
}

// warnOf makes each call about q and compares its warnings with those of its kind.
func (w *world) warnOf(t *testing.T, q *asked, want map[string][]string, refuse []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(warned)) {
		got, err := warned[name](t.Context(), w.Client, q)
		if slices.Contains(refuse, name) {
			if e := (*client.Error)(nil); !errors.As(err, &e) || e.Code != bursar.CodeRateNotFound {
				t.Errorf("%s is not refused: %v %q", name, err, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind := "feature"
		switch {
		case strings.HasPrefix(name, "events"):
			kind = "event"
		case strings.HasPrefix(name, "credits"):
			kind = "currency"
		}
		expect := want[kind]
		if strings.HasSuffix(name, "estimate") {
			expect = slices.Concat(want["estimate"], want[kind+" estimate"], expect)
		}
		if !slices.Equal(got, expect) {
			t.Errorf("%s warns of %q, not of %q", name, got, expect)
		}
	}
}

// A denial tells of a dimension that named no entity, too.
func TestDenialsWarn(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateCurrency(t.Context(), client.CurrencyInput{ID: "credits", DisplayName: "Credits"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Consume(t.Context(), "acme", client.SpendInput{CurrencyID: "credits", Amount: tokens(1), Dimensions: client.Dimensions{"agentId": "aa"}})
	denial, ok := client.Denied(err)
	if !ok || !slices.Equal(denial.Warnings, []string{"DIMENSION_NOT_RESOLVED:agentId"}) {
		t.Errorf("denial is %+v", err)
	}
}
