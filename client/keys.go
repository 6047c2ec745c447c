package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// APIKey is a key of a backend. Key is there only in the reply that made it.
type APIKey struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Scope      string       `json:"scope"` // full, runtime or read
	Prefix     string       `json:"prefix"`
	Key        string       `json:"key"`
	CreatedAt  bursar.Time  `json:"createdAt"`
	ExpiresAt  *bursar.Time `json:"expiresAt"`
	LastUsedAt *bursar.Time `json:"lastUsedAt"`
	RevokedAt  *bursar.Time `json:"revokedAt"`

	CustomerID  string   `json:"customerId"`  // the only customer it is for; "" = every one
	EntityTypes []string `json:"entityTypes"` // the only types of entities that may spend with it; none = all, and customers
}

// APIKeyInput asks for a key.
type APIKeyInput struct {
	Name      string       `json:"name"`
	Scope     string       `json:"scope"` // full, runtime or read
	ExpiresAt *bursar.Time `json:"expiresAt,omitempty"`

	CustomerID  string   `json:"customerId,omitempty"` // of scope runtime, as in APIKey
	EntityTypes []string `json:"entityTypes,omitempty"`
}

// CreateAPIKey makes a key. A call that was sent again after its reply got lost makes no
// second one, but the key itself is told only once.
func (c *Client) CreateAPIKey(ctx context.Context, in APIKeyInput) (APIKey, error) {
	return ask[APIKey](ctx, c, call{method: http.MethodPost, path: "/api-keys", in: in, key: keyFor("")})
}

// APIKeys lists keys.
func (c *Client) APIKeys(ctx context.Context, in Paging) (Page[APIKey], error) {
	return list[APIKey](ctx, c, "/api-keys", in.query())
}

// RevokeAPIKey ends a key; the last one of full scope cannot be.
func (c *Client) RevokeAPIKey(ctx context.Context, id string) (APIKey, error) {
	return ask[APIKey](ctx, c, call{method: http.MethodDelete, path: segments("api-keys", id), key: keyFor("")})
}

// AccessTokenInput asks for a token for one of a customer's own people.
type AccessTokenInput struct {
	RootEntityID string   `json:"rootEntityId,omitempty"` // "" = all of the customer
	Permissions  []string `json:"permissions"`            // read, manage
	TTLSeconds   int      `json:"expiresInSeconds,omitempty"`
	Subject      string   `json:"subject,omitempty"` // your user's id, for the activity list
}

// AccessToken sees one customer or one subtree of it.
type AccessToken struct {
	ID           string       `json:"id"`
	Token        string       `json:"token"`
	CustomerID   string       `json:"customerId"`
	RootEntityID string       `json:"rootEntityId"`
	Permissions  []string     `json:"permissions"`
	Subject      string       `json:"subject"`
	CreatedAt    bursar.Time  `json:"createdAt"`
	ExpiresAt    bursar.Time  `json:"expiresAt"`
	RevokedAt    *bursar.Time `json:"revokedAt"`
}

// CreateAccessToken makes a token.
func (c *Client) CreateAccessToken(ctx context.Context, customer string, in AccessTokenInput) (AccessToken, error) {
	return ask[AccessToken](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "access-tokens"), in: in, key: keyFor("")})
}

// RevokeAccessToken ends a token on every node within a second.
func (c *Client) RevokeAccessToken(ctx context.Context, customer, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: segments("customers", customer, "access-tokens", id), key: keyFor("")}, nil)
}
