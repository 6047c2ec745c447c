package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// An access token is kept nowhere: it carries what it allows, signed by the HTTP layer
// with a key from Secret. What is written is the audit entry that made it, to which its
// id leads back, and, in the catalogue, which every node follows, its revocation until
// it expires.

// AccessTokenInput asks for an access token.
type AccessTokenInput struct {
	RootEntityID string
	Permissions  []bursar.Permission
	Subject      string
	TTLSeconds   int
}

type CreateToken struct {
	Caller catalogue.Caller
	In     AccessTokenInput
	Now    bursar.Time // the engine's, by which tokens end; the customer's may be ahead
}

func (o *CreateToken) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	t := bursar.AccessToken{CustomerID: d.Cust().ID, RootEntityID: o.In.RootEntityID, Subject: o.In.Subject, CreatedAt: o.Now.Milli()}
	var p bursar.Problems
	for i, perm := range o.In.Permissions {
		if perm != bursar.PermissionRead && perm != bursar.PermissionManage {
			p.Add(fmt.Sprintf("/permissions/%d", i), bursar.CodeValidationFailed, "a permission is read or manage")
		}
	}
	t.Permissions = slices.Clone(o.In.Permissions)
	slices.Sort(t.Permissions)
	if t.Permissions = slices.Compact(t.Permissions); len(t.Permissions) == 0 {
		p.Add("/permissions", bursar.CodeValidationFailed, "a token has at least one permission: read or manage")
	}
	if err := bursar.CheckText(t.Subject, bursar.MaxNameLen); err != nil {
		p.Add("/subject", bursar.CodeValidationFailed, "a subject %v", err)
	}
	if o.In.TTLSeconds < bursar.MinTokenTTL || o.In.TTLSeconds > bursar.MaxTokenTTL {
		p.Add("/expiresInSeconds", bursar.CodeValidationFailed, "expiresInSeconds is %d to %d", bursar.MinTokenTTL, bursar.MaxTokenTTL)
	}
	if root := d.EntOrd(t.RootEntityID); t.RootEntityID != "" && root == 0 {
		p.Add("/rootEntityId", bursar.CodeEntityNotFound, "%s", d.noEntity(t.RootEntityID))
	} else if root != 0 && d.Ent(root).Archived != 0 {
		p.Add("/rootEntityId", bursar.CodeValidationFailed, "the entity %q is archived", t.RootEntityID)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	// A signed token says its end in whole seconds.
	t.ExpiresAt = (o.Now + bursar.Time(o.In.TTLSeconds)*1e9) / 1e9 * 1e9
	t.ID = store.FormatID(d.NextID())
	d.audit(&o.Caller, catalogue.TokenCreated, "access_token", t.ID, t.RootEntityID, nil, catalogue.AuditToken(&t))
	return t, nil
}

type RevokeToken struct {
	Caller catalogue.Caller
	Token  bursar.AccessToken
}

func (o *RevokeToken) Decide(d *Decider) (any, error) {
	before := o.Token
	before.RevokedAt = nil
	d.audit(&o.Caller, "access_token.revoked", "access_token", o.Token.ID, o.Token.RootEntityID, catalogue.AuditToken(&before), catalogue.AuditToken(&o.Token))
	d.endRecipientsOf(&o.Caller, o.Token.ID)
	return o.Token, nil
}
