package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/spendtoken"
)

// SpendCap is how much of a feature or of a currency may be used with a spend token and all
// that are made from it.
type SpendCap struct {
	FeatureID  string        `json:"featureId,omitempty"`
	CurrencyID string        `json:"currencyId,omitempty"`
	Amount     bursar.Amount `json:"amount"`
}

// SpendTokenInput asks for a spend token.
type SpendTokenInput struct {
	Label      string            `json:"label,omitempty"`
	Entities   map[string]string `json:"entities,omitempty"`   // who spends, by attribution key
	Dimensions map[string]string `json:"dimensions,omitempty"` // further ones of each request
	Features   []string          `json:"features,omitempty"`   // what requests may be about; with none of the three, anything
	Currencies []string          `json:"currencies,omitempty"`
	Events     []string          `json:"events,omitempty"`
	Models     []string          `json:"models,omitempty"`
	Caps       []SpendCap        `json:"caps,omitempty"`
	TTLSeconds int               `json:"expiresInSeconds,omitempty"`
}

// SpendToken is a spend token. Token, its text, is there only in the reply that made it.
type SpendToken struct {
	ID         string            `json:"id"`
	Token      string            `json:"token"`
	CustomerID string            `json:"customerId"`
	RootID     string            `json:"rootId"`
	Label      string            `json:"label"`
	Entities   map[string]string `json:"entities"`
	Dimensions map[string]string `json:"dimensions"`
	Features   []string          `json:"features"`
	Currencies []string          `json:"currencies"`
	Events     []string          `json:"events"`
	Models     []string          `json:"models"`
	Caps       []SpendCap        `json:"caps"`
	CreatedAt  bursar.Time       `json:"createdAt"`
	ExpiresAt  bursar.Time       `json:"expiresAt"`
	RevokedAt  *bursar.Time      `json:"revokedAt"`
}

// OwnBudget is what a spend token may spend.
type OwnBudget struct {
	SpendToken
	Chain  []SpendLink    `json:"chain"` // from the token that the server made to the one that asks
	Limits []Node         `json:"limits"`
	Closed []ClosedBudget `json:"closed"` // of which nothing more is granted now
}

// SpendLink is a token of a chain.
type SpendLink struct {
	ID        string      `json:"id"`
	Label     string      `json:"label"`
	ExpiresAt bursar.Time `json:"expiresAt"`
	Caps      []SpendCap  `json:"caps"`
}

// ClosedBudget is a feature or currency that is used up, and why.
type ClosedBudget struct {
	FeatureID  string      `json:"featureId"`
	CurrencyID string      `json:"currencyId"`
	Reason     bursar.Code `json:"reason"`
}

// CreateSpendToken makes a spend token. A call that was sent again after its reply got lost
// makes no second one, but the text is told only once.
func (c *Client) CreateSpendToken(ctx context.Context, customer string, in SpendTokenInput) (SpendToken, error) {
	return ask[SpendToken](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "spend-tokens"), in: in, key: keyFor("")})
}

// SpendTokens lists a customer's.
func (c *Client) SpendTokens(ctx context.Context, customer string, in Paging) (Page[SpendToken], error) {
	return list[SpendToken](ctx, c, segments("customers", customer, "spend-tokens"), in.query())
}

// RevokeSpendToken ends a spend token, and all made from it, on every node within a second.
func (c *Client) RevokeSpendToken(ctx context.Context, customer, id string) (SpendToken, error) {
	return ask[SpendToken](ctx, c, call{method: http.MethodDelete, path: segments("customers", customer, "spend-tokens", id), key: keyFor("")})
}

// RevokeSpendText is RevokeSpendToken for a token whose text is at hand, also one that its
// holder made.
func (c *Client) RevokeSpendText(ctx context.Context, customer, text string) (SpendToken, error) {
	in := map[string]string{"token": text}
	return ask[SpendToken](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "spend-tokens", "revoke"), in: in, key: keyFor("")})
}

// OwnBudget tells what the spend token that is the client's key may spend.
func (c *Client) OwnBudget(ctx context.Context) (OwnBudget, error) {
	return ask[OwnBudget](ctx, c, call{method: http.MethodGet, path: "/spend-token"})
}

// NarrowSpendToken makes a spend token that may do what a token may and b lets it do, without
// asking anybody.
func NarrowSpendToken(text string, b spendtoken.Block) (string, error) {
	t, err := spendtoken.Parse(text)
	if err != nil {
		return "", err
	}
	if t, err = t.Narrow(b); err != nil {
		return "", err
	}
	return t.String(), nil
}
