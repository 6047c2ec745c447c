package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// DegradeStep says what holds from a percentage on. What it does not say is as the steps before say.
type DegradeStep struct {
	AtPercent int                `json:"atPercent"`       // of a limit, used and held
	Level     bursar.AdviceLevel `json:"level,omitempty"` // wind_down or stop
	Model     string             `json:"model,omitempty"` // in the place of any
	Models    map[string]string  `json:"models,omitempty"`
	MaxTokens int64              `json:"maxTokens,omitempty"` // of output
	Tools     *bool              `json:"tools,omitempty"`     // false = call without them; true is refused
	Message   string             `json:"message,omitempty"`
}

// DegradePolicyInput puts the policy of an entity and a capability.
type DegradePolicyInput struct {
	EntityID   string        `json:"entityId"`
	FeatureID  string        `json:"featureId,omitempty"` // of the limits that it looks at; with neither: all
	CurrencyID string        `json:"currencyId,omitempty"`
	Steps      []DegradeStep `json:"steps"`
}

// DegradePolicy says how to go on as an entity's limits fill up. It denies nothing.
type DegradePolicy struct {
	ID         string        `json:"id"`
	EntityID   string        `json:"entityId"`
	FeatureID  string        `json:"featureId"`
	CurrencyID string        `json:"currencyId"`
	Steps      []DegradeStep `json:"steps"`
	CreatedAt  bursar.Time   `json:"createdAt"`
	UpdatedAt  bursar.Time   `json:"updatedAt"`
}

// Degrade is what a request is to be changed to. What is zero is to stay.
type Degrade struct {
	EntityID  string `json:"entityId"` // whose policy says so
	AtPercent int    `json:"atPercent"`
	Model     string `json:"model"`
	MaxTokens int64  `json:"maxTokens"`
	Tools     *bool  `json:"tools"` // false = none
	Message   string `json:"message"`
}

// PutDegradePolicies creates degrade policies or gives them other steps: all or none, at most 100.
func (c *Client) PutDegradePolicies(ctx context.Context, customer string, policies ...DegradePolicyInput) ([]DegradePolicy, error) {
	in := map[string]any{"policies": policies}
	return ask[[]DegradePolicy](ctx, c, call{method: http.MethodPut, path: segments("customers", customer, "degrade-policies"), in: in})
}

// DegradePolicies lists the degrade policies of a customer.
func (c *Client) DegradePolicies(ctx context.Context, customer string, in Paging) (Page[DegradePolicy], error) {
	return list[DegradePolicy](ctx, c, segments("customers", customer, "degrade-policies"), in.query())
}

// DeleteDegradePolicy deletes a degrade policy.
func (c *Client) DeleteDegradePolicy(ctx context.Context, customer, id string) (DegradePolicy, error) {
	return ask[DegradePolicy](ctx, c, call{method: http.MethodDelete, path: segments("customers", customer, "degrade-policies", id), key: keyFor("")})
}
