// Package mcp tells agents what they may spend: tools of the Model Context Protocol for who
// holds a spend token. It decides nothing: a Bursar server does, which it asks with the token.
package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/spendtoken"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Server has the tools of the holder of a token; api asks with that token.
func Server(api *client.Client, token, version string) (*sdk.Server, error) {
	t, err := spendtoken.Parse(token)
	if err != nil {
		return nil, err
	}
	h := &holder{api: api.WithKey(token), customer: t.Customer()}
	s := sdk.NewServer(&sdk.Implementation{Name: "bursar", Title: "Bursar: what you may spend", Version: version}, nil)
	readOnly := &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	add(s, &sdk.Tool{Name: "my_budget", Annotations: readOnly, Description: "What you may still spend: of whom, until when, for which models, and how much is left of each cap. Ask before long work, and end in time when little is left."}, h.budget)
	add(s, &sdk.Tool{Name: "list_limits", Annotations: readOnly, Description: "Every limit that your spending meets, your own caps and those of your team and organisation, with used, held and left."}, h.limits)
	add(s, &sdk.Tool{Name: "estimate", Annotations: readOnly, Description: "What a call or an amount of a feature would cost, and whether it would be granted now. Nothing is spent or held."}, h.estimate)
	add(s, &sdk.Tool{Name: "why_denied", Annotations: readOnly, Description: "Why an amount of a feature or currency would be denied now: which limit has no room, by how much, and when there will be room again."}, h.why)
	add(s, &sdk.Tool{Name: "request_raise", Annotations: &sdk.ToolAnnotations{DestructiveHint: new(bool)}, Description: "Ask a person to raise a limit that stops you, for a time. Say how much more you need and why. It tells the id of the request; nothing is raised until it is approved, which my_requests tells."}, h.raise)
	add(s, &sdk.Tool{Name: "my_requests", Annotations: readOnly, Description: "What you have asked for with request_raise, and what became of it: OPEN, APPROVED with what was given, DECLINED with a note, EXPIRED. The newest first; more: true says that there are older ones."}, h.requests)
	return s, nil
}

func add[In any](s *sdk.Server, t *sdk.Tool, do func(context.Context, In) (any, error)) {
	sdk.AddTool(s, t, func(ctx context.Context, _ *sdk.CallToolRequest, in In) (*sdk.CallToolResult, any, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, nil, err // which the agent reads: the server's words, without the token
		}
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			return nil, nil, err
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}}, nil, nil
	})
}

// Handler serves the tools over streamable HTTP, without sessions, each request for the spend
// token that it shows. api asks the server, with no key of its own.
func Handler(api *client.Client, version string) http.Handler {
	serve := sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
		token, _ := shown(r)
		s, err := Server(api, token, version)
		if err != nil {
			return nil // 400: refused saw to it that it is a token
		}
		return s
	}, &sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, why := refused(r, api); status != 0 {
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="bursar"`)
			}
			http.Error(w, why, status)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		serve.ServeHTTP(w, r)
	})
}

// refused tells why the server does not take the token of a request; 0 = it does.
func refused(r *http.Request, api *client.Client) (status int, why string) {
	token, err := shown(r)
	if err == nil {
		_, err = spendtoken.Parse(token)
	}
	if err != nil {
		return http.StatusUnauthorized, "show a spend token, and no other key: Authorization: Bearer bst_…"
	}
	_, err = api.WithKey(token).OwnBudget(r.Context())
	var e *client.Error
	switch {
	case err == nil:
		return 0, ""
	case errors.As(err, &e):
		return e.Status, e.Message
	}
	return http.StatusServiceUnavailable, "the Bursar server cannot be asked"
}

const maxBody = 1 << 20

// shown is the token that a request shows.
func shown(r *http.Request) (string, error) {
	return bursar.Credential(r.Header["X-Api-Key"], r.Header["Authorization"])
}

// holder asks for the holder of a token.
type holder struct {
	api      *client.Client
	customer string
}

type nothing struct{}

// budgetOut is what an agent is told of its budget.
type budgetOut struct {
	CustomerID string                `json:"customerId"`
	SpendsAs   map[string]string     `json:"spendsAs"`
	Models     []string              `json:"models,omitempty"`
	Until      bursar.Time           `json:"until"`
	Left       []leftOut             `json:"left"`
	NoMoreOf   []client.ClosedBudget `json:"noMoreOf,omitempty"`
}

// leftOut is what is left of a limit.
type leftOut struct {
	Of       string        `json:"of"`
	Limit    string        `json:"limit"`
	Left     bursar.Amount `json:"left"`
	ResetsAt *bursar.Time  `json:"resetsAt"`
}

// budget tells what is left of each hard limit that has a number.
func (h *holder) budget(ctx context.Context, _ nothing) (any, error) {
	b, err := h.api.OwnBudget(ctx)
	if err != nil {
		return nil, err
	}
	out := budgetOut{CustomerID: b.CustomerID, SpendsAs: b.Entities, Models: b.Models, Until: b.ExpiresAt, Left: []leftOut{}, NoMoreOf: b.Closed}
	own := map[string]string{}
	for _, link := range b.Chain {
		own[link.ID] = cmp.Or(link.Label, "this token")
	}
	for _, n := range b.Limits {
		if n.Remaining == nil || n.Enforcement != bursar.Hard {
			continue
		}
		out.Left = append(out.Left, leftOut{Of: n.FeatureID + n.CurrencyID, Limit: cmp.Or(own[n.EntityID], n.EntityID), Left: *n.Remaining, ResetsAt: n.ResetsAt})
	}
	return out, nil
}

func (h *holder) limits(ctx context.Context, _ nothing) (any, error) {
	b, err := h.api.OwnBudget(ctx)
	return b.Limits, err
}

// what is an amount of something, with the model that it is about.
type what struct {
	FeatureID  string  `json:"featureId,omitempty" jsonschema:"the feature; or give currencyId"`
	CurrencyID string  `json:"currencyId,omitempty" jsonschema:"the currency; or give featureId"`
	Amount     float64 `json:"amount,omitempty" jsonschema:"how much; 1 if left out"`
	Model      string  `json:"model,omitempty" jsonschema:"the model that would be called"`
}

func (w *what) item() (client.CheckItem, error) {
	item := client.CheckItem{FeatureID: w.FeatureID, CurrencyID: w.CurrencyID}
	if w.Amount != 0 {
		amount, err := amountOf(w.Amount)
		if err != nil {
			return item, err
		}
		item.Requested = &amount
	}
	if w.Model != "" {
		item.Dimensions = client.Dimensions{"model": w.Model}
	}
	return item, nil
}

func amountOf(f float64) (bursar.Amount, error) {
	return bursar.AmountFromString(strconv.FormatFloat(f, 'f', -1, 64))
}

func (h *holder) why(ctx context.Context, in what) (any, error) {
	item, err := in.item()
	if err != nil {
		return nil, err
	}
	return h.api.Explain(ctx, h.customer, item)
}

// plan is a call that is thought of, or an amount of a feature.
type plan struct {
	EventName    string  `json:"eventName,omitempty" jsonschema:"of a model call the name of its event, such as llm; or give featureId"`
	Model        string  `json:"model,omitempty" jsonschema:"the model that would be called"`
	InputTokens  int64   `json:"inputTokens,omitempty" jsonschema:"of a model call: tokens of the prompt"`
	OutputTokens int64   `json:"outputTokens,omitempty" jsonschema:"of a model call: tokens of the reply"`
	FeatureID    string  `json:"featureId,omitempty" jsonschema:"a feature, in place of an event"`
	Amount       float64 `json:"amount,omitempty" jsonschema:"how much of the feature; 1 if left out"`
}

func (h *holder) estimate(ctx context.Context, in plan) (any, error) {
	if in.EventName != "" {
		e := client.EstimateEventInput{CustomerID: h.customer, EventName: in.EventName, Dimensions: map[string]any{"tokens.input": in.InputTokens, "tokens.output": in.OutputTokens}}
		if in.Model != "" {
			e.Dimensions["model"] = in.Model
		}
		return h.api.EstimateEvent(ctx, e)
	}
	w := what{FeatureID: in.FeatureID, Amount: cmp.Or(in.Amount, 1), Model: in.Model}
	item, err := w.item()
	if err != nil {
		return nil, err
	}
	decided, err := h.api.Checks(ctx, h.customer, item)
	if err != nil {
		return nil, err
	}
	costs, err := h.api.EstimateUsage(ctx, client.EstimateUsageInput{CustomerID: h.customer, FeatureID: in.FeatureID, Value: *item.Requested, Dimensions: item.Dimensions})
	if err != nil {
		return nil, err
	}
	return map[string]any{"granted": decided[0].Granted, "reason": decided[0].Reason, "estimates": costs.Estimates, "warnings": costs.Warnings}, nil
}
