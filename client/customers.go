package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bursarhq/bursar"
)

func withArchived(q url.Values, too bool) url.Values {
	if too {
		q.Set("includeArchived", "true")
	}
	return q
}

// CustomerQuery selects customers; zero members do not filter.
type CustomerQuery struct {
	Email, Name string
	Search      string // part of an id, a name or an email
	ArchivedToo bool
	Paging
}

// Customers lists customers.
func (c *Client) Customers(ctx context.Context, in CustomerQuery) (Page[bursar.Customer], error) {
	q := withArchived(in.query(), in.ArchivedToo)
	setNonEmpty(q, "email", in.Email)
	setNonEmpty(q, "name", in.Name)
	setNonEmpty(q, "search", in.Search)
	return list[bursar.Customer](ctx, c, "/customers", q)
}

// Customer reads a customer.
func (c *Client) Customer(ctx context.Context, id string) (bursar.Customer, error) {
	return ask[bursar.Customer](ctx, c, call{method: http.MethodGet, path: segments("customers", id)})
}

// CustomerPatch changes a customer; absent members are kept, null clears.
type CustomerPatch struct {
	Name     Opt[string]       `json:"name,omitzero"`
	Email    Opt[string]       `json:"email,omitzero"`
	Timezone Opt[string]       `json:"timezone,omitzero"` // IANA; the default of its limits
	Metadata map[string]string `json:"metadata,omitempty"`
}

// UpdateCustomer changes a customer.
func (c *Client) UpdateCustomer(ctx context.Context, id string, in CustomerPatch) (bursar.Customer, error) {
	return ask[bursar.Customer](ctx, c, call{method: http.MethodPatch, path: segments("customers", id), in: in, key: keyFor("")})
}

// ArchiveCustomer archives a customer: checks deny, usage is still recorded.
func (c *Client) ArchiveCustomer(ctx context.Context, id string) (bursar.Customer, error) {
	return post[bursar.Customer](ctx, c, segments("customers", id, "archive"))
}

// UnarchiveCustomer restores a customer.
func (c *Client) UnarchiveCustomer(ctx context.Context, id string) (bursar.Customer, error) {
	return post[bursar.Customer](ctx, c, segments("customers", id, "unarchive"))
}

// EntityQuery selects entities; zero members do not filter.
type EntityQuery struct {
	EntityTypeID string
	ParentID     string // only those directly below it
	Search       string // part of an id or a name
	ArchivedToo  bool
	Paging
}

// Entities lists entities.
func (c *Client) Entities(ctx context.Context, customer string, in EntityQuery) (Page[bursar.Entity], error) {
	q := withArchived(in.query(), in.ArchivedToo)
	setNonEmpty(q, "entityTypeId", in.EntityTypeID)
	setNonEmpty(q, "parentId", in.ParentID)
	setNonEmpty(q, "search", in.Search)
	return list[bursar.Entity](ctx, c, segments("customers", customer, "entities"), q)
}

// Entity reads an entity, also an archived one.
func (c *Client) Entity(ctx context.Context, customer, id string) (bursar.Entity, error) {
	return ask[bursar.Entity](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "entities", id)})
}

// EntityPatch changes an entity; absent members are kept, null clears.
type EntityPatch struct {
	DisplayName Opt[string]       `json:"displayName,omitzero"`
	Metadata    map[string]string `json:"metadata,omitempty"` // merges; "" deletes a key
	ParentID    Opt[string]       `json:"parentId,omitzero"`  // null = root; a value moves it with its subtree
}

// UpdateEntity changes or moves an entity.
func (c *Client) UpdateEntity(ctx context.Context, customer, id string, in EntityPatch) (bursar.Entity, error) {
	return ask[bursar.Entity](ctx, c, call{method: http.MethodPatch, path: segments("customers", customer, "entities", id), in: in, key: keyFor("")})
}

// ArchiveInput says which entities to archive.
type ArchiveInput struct {
	IDs         []string `json:"ids"`
	Descendants bool     `json:"descendants,omitempty"` // what is below them, too
	DryRun      bool     `json:"dryRun,omitempty"`      // only tell what it would do
}

// Archived is what archiving does, or would do.
type Archived struct {
	IDs           []string        `json:"ids"`
	Archived      []string        `json:"archived"`
	DryRun        bool            `json:"dryRun"`
	Limits        []Assignment    `json:"limits"` // that stop limiting; LimitCount has all of them
	LimitCount    int             `json:"limitCount"`
	Released      []bursar.Entity `json:"released"` // that stay active without these limits; ReleasedCount has all of them
	ReleasedCount int             `json:"releasedCount"`
}

// ArchiveEntities archives entities. Their own limits neither gate nor count any more;
// those above still do, for all that is below.
func (c *Client) ArchiveEntities(ctx context.Context, customer string, in ArchiveInput) (Archived, error) {
	return ask[Archived](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "entities", "archive"), in: in, key: keyFor("")})
}

// UnarchiveEntities restores entities.
func (c *Client) UnarchiveEntities(ctx context.Context, customer string, ids ...string) error {
	return postIDs(ctx, c, segments("customers", customer, "entities", "unarchive"), ids)
}

// AssignmentQuery selects limits; zero members do not filter.
type AssignmentQuery struct {
	EntityID   string
	FeatureID  string // at most one of FeatureID and CurrencyID
	CurrencyID string
	Label      *string
	Paging
}

// Assignments lists limits.
func (c *Client) Assignments(ctx context.Context, customer string, in AssignmentQuery) (Page[Assignment], error) {
	q := in.query()
	setNonEmpty(q, "entityId", in.EntityID)
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	if in.Label != nil {
		q.Set("label", *in.Label)
	}
	return list[Assignment](ctx, c, segments("customers", customer, "assignments"), q)
}

// Assignment reads a limit.
func (c *Client) Assignment(ctx context.Context, customer, id string) (Assignment, error) {
	return ask[Assignment](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "assignments", id)})
}

// DeleteAssignment deletes a limit with its counters and holds.
func (c *Client) DeleteAssignment(ctx context.Context, customer, id string) (Assignment, error) {
	return ask[Assignment](ctx, c, call{method: http.MethodDelete, path: segments("customers", customer, "assignments", id), key: keyFor("")})
}
