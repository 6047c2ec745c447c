package bursar

import "slices"

// Permission is what an access token allows.
type Permission string

const (
	PermissionRead   Permission = "read"
	PermissionManage Permission = "manage" // includes read
)

// Limits of access tokens.
const (
	MinTokenTTL     = 60    // seconds
	MaxTokenTTL     = 86400 // seconds
	DefaultTokenTTL = 3600  // seconds
)

// AccessToken lets somebody of a customer see the customer's governance, or change it,
// for a time: all of it, or one subtree.
type AccessToken struct {
	ID           string
	CustomerID   string
	RootEntityID string // only this entity and what is below it; "" = the whole customer
	Permissions  []Permission
	Subject      string // the vendor's id of the person; "" = none
	CreatedAt    Time
	ExpiresAt    Time
	RevokedAt    *Time
}

// Manages tells whether the token allows to change limits.
func (t *AccessToken) Manages() bool { return slices.Contains(t.Permissions, PermissionManage) }
