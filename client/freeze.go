package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// Frozen is a freeze: what stops everything that would be granted below it. EntityID nil
// is the customer, or an entity that an access token does not see.
type Frozen struct {
	EntityID *string     `json:"entityId"`
	Reason   string      `json:"reason"`
	FrozenAt bursar.Time `json:"frozenAt"`
}

// Freezing is where an entity, or with EntityID nil the customer, stands. Frozen nil = it
// is not frozen itself.
type Freezing struct {
	EntityID *string `json:"entityId"`
	Frozen   *Frozen `json:"frozen"`
}

// FreezeEntity denies all that would be granted to an entity and below it until it is
// thawed. Usage that happened is still recorded.
func (c *Client) FreezeEntity(ctx context.Context, customer, entity, reason string) (Freezing, error) {
	return c.freeze(ctx, segments("customers", customer, "entities", entity, "freeze"), reason)
}

// ThawEntity ends the freeze of an entity, not of what is above it.
func (c *Client) ThawEntity(ctx context.Context, customer, entity string) (Freezing, error) {
	return post[Freezing](ctx, c, segments("customers", customer, "entities", entity, "thaw"))
}

// FreezeCustomer denies all that would be granted to a customer until it is thawed.
func (c *Client) FreezeCustomer(ctx context.Context, customer, reason string) (Freezing, error) {
	return c.freeze(ctx, segments("customers", customer, "freeze"), reason)
}

// ThawCustomer ends the freeze of a customer, not those of its entities.
func (c *Client) ThawCustomer(ctx context.Context, customer string) (Freezing, error) {
	return post[Freezing](ctx, c, segments("customers", customer, "thaw"))
}

func (c *Client) freeze(ctx context.Context, path, reason string) (Freezing, error) {
	in := struct {
		Reason string `json:"reason"`
	}{reason}
	return ask[Freezing](ctx, c, call{method: http.MethodPost, path: path, in: in, key: keyFor("")})
}

// Freezes lists what is frozen in a customer, the oldest first.
func (c *Client) Freezes(ctx context.Context, customer string, in Paging) (Page[Frozen], error) {
	return list[Frozen](ctx, c, segments("customers", customer, "freezes"), in.query())
}
