package mcp

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// raise is more of a limit that an agent asks for.
type raise struct {
	FeatureID  string  `json:"featureId,omitempty" jsonschema:"the feature; or give currencyId"`
	CurrencyID string  `json:"currencyId,omitempty" jsonschema:"the currency; or give featureId"`
	Amount     float64 `json:"amount" jsonschema:"how much more is needed"`
	Reason     string  `json:"reason" jsonschema:"why, for the person who decides"`
	Until      string  `json:"until,omitempty" jsonschema:"until when, such as 2026-09-14T18:00:00Z; the end of the limit's window if left out"`
	LimitID    string  `json:"limitId,omitempty" jsonschema:"the assignmentId of the limit, from list_limits or why_denied; the one that denies the amount now if left out"`
	Model      string  `json:"model,omitempty" jsonschema:"the model that would be called"`
}

// raised is what was asked for, and how it stands.
type raised struct {
	RequestID  string                    `json:"requestId"`
	Status     bursar.BoostRequestStatus `json:"status"`
	Of         string                    `json:"of"`
	Limit      string                    `json:"limit"` // whose
	LimitID    string                    `json:"limitId"`
	Amount     bursar.Amount             `json:"amount"`
	Until      bursar.Time               `json:"until"`
	Reason     string                    `json:"reason,omitempty"`
	Given      *bursar.Amount            `json:"given,omitempty"`
	GivenUntil *bursar.Time              `json:"givenUntil,omitempty"`
	Note       string                    `json:"note,omitempty"`
}

func raisedOf(r *client.BoostRequest) raised {
	return raised{RequestID: r.ID, Status: r.Status, Of: r.FeatureID + r.CurrencyID, Limit: r.EntityID, LimitID: r.AssignmentID, Amount: r.Amount, Until: r.ExpiresAt,
		Reason: r.Reason, Given: r.ApprovedAmount, GivenUntil: r.ApprovedExpiresAt, Note: r.Note}
}

// raise asks for more of the limit that is named, or of the one that denies the amount now.
func (h *holder) raise(ctx context.Context, in raise) (any, error) {
	w := what{FeatureID: in.FeatureID, CurrencyID: in.CurrencyID, Amount: in.Amount, Model: in.Model}
	item, err := w.item()
	if err != nil {
		return nil, err
	}
	if item.Requested == nil || item.Requested.Sign() <= 0 {
		return nil, errors.New("amount: say how much more is needed, above 0")
	}
	ask := client.BoostRequestInput{AssignmentID: in.LimitID, FeatureID: in.FeatureID, CurrencyID: in.CurrencyID, Model: in.Model, Amount: *item.Requested, Reason: in.Reason}
	if in.Until != "" {
		t, err := bursar.ParseTime(in.Until)
		if err != nil {
			return nil, fmt.Errorf("until: %w", err)
		}
		ask.ExpiresAt = &t
	}
	if ask.AssignmentID == "" {
		if ask.AssignmentID, err = h.denies(ctx, item); err != nil {
			return nil, err
		}
	}
	r, err := h.api.CreateBoostRequest(ctx, h.customer, ask)
	if err != nil {
		return nil, err
	}
	return raisedOf(&r), nil
}

// denies is the limit that denies what is asked about.
func (h *holder) denies(ctx context.Context, item client.CheckItem) (string, error) {
	got, err := h.api.Checks(ctx, h.customer, item)
	if err != nil {
		return "", err
	}
	switch d := got[0]; {
	case d.Granted:
		return "", fmt.Errorf("%s of it would be granted now; to have a limit raised all the same, name it by limitId", item.Requested)
	case d.Binding == nil || d.Binding.Source != bursar.BindingEntity:
		return "", fmt.Errorf("it is denied because of %s, which no raise of a limit changes", d.Reason)
	default:
		return d.Binding.AssignmentID, nil
	}
}

// requestsOut is what the holder asked for, the newest first.
type requestsOut struct {
	Requests []raised `json:"requests"`
	More     bool     `json:"more,omitempty"` // there are older ones
}

func (h *holder) requests(ctx context.Context, _ nothing) (any, error) {
	page, err := h.api.BoostRequests(ctx, h.customer, client.BoostRequestQuery{})
	out := requestsOut{Requests: make([]raised, len(page.Items)), More: page.Pagination.Next != ""}
	for i := range page.Items {
		out.Requests[i] = raisedOf(&page.Items[i])
	}
	return out, err
}
