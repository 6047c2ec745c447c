package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
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

// revokedToken is a revocation in the catalogue.
type revokedToken struct {
	ID        string      `json:"id"`
	RevokedAt bursar.Time `json:"revokedAt"`
	ExpiresAt bursar.Time `json:"expiresAt"`
}

// revokedSlack is how long a revocation outlives its token, lest a slow clock revive it.
const revokedSlack = bursar.Time(10 * 60e9)

func (c *Catalogue) applyRevoked(body []byte) error {
	var t revokedToken
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("%w: %v", errRecord, err)
	}
	sweep(&c.revokedSweep, c.revoked, func(_ string, old revokedToken) bool { return old.ExpiresAt+revokedSlack < t.RevokedAt })
	c.revoked[t.ID] = t
	return nil
}

// TokenRevoked tells whether an access token was revoked.
func (c *Catalogue) TokenRevoked(id string) bool {
	_, ok := c.revoked[id]
	return ok
}

// tokenAudit is how the audit listing shows a token.
type tokenAudit struct {
	RootEntityID *string             `json:"rootEntityId"`
	Permissions  []bursar.Permission `json:"permissions"`
	Subject      *string             `json:"subject"`
	CreatedAt    bursar.Time         `json:"createdAt"`
	ExpiresAt    bursar.Time         `json:"expiresAt"`
	RevokedAt    *bursar.Time        `json:"revokedAt"`
}

func auditToken(t *bursar.AccessToken) tokenAudit {
	a := tokenAudit{Permissions: t.Permissions, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt}
	if t.RootEntityID != "" {
		a.RootEntityID = &t.RootEntityID
	}
	if t.Subject != "" {
		a.Subject = &t.Subject
	}
	return a
}

const tokenCreated = "access_token.created"

type createToken struct {
	caller Caller
	in     AccessTokenInput
	now    bursar.Time // of the engine, by which tokens end: the customer's may be ahead
}

func (o *createToken) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	t := bursar.AccessToken{CustomerID: d.cust().ID, RootEntityID: o.in.RootEntityID, Subject: o.in.Subject, CreatedAt: o.now.Milli()}
	var p bursar.Problems
	for i, perm := range o.in.Permissions {
		if perm != bursar.PermissionRead && perm != bursar.PermissionManage {
			p.Add(fmt.Sprintf("/permissions/%d", i), bursar.CodeValidationFailed, "a permission is read or manage")
		}
	}
	t.Permissions = slices.Clone(o.in.Permissions)
	slices.Sort(t.Permissions)
	if t.Permissions = slices.Compact(t.Permissions); len(t.Permissions) == 0 {
		p.Add("/permissions", bursar.CodeValidationFailed, "a token has at least one permission: read or manage")
	}
	if err := bursar.CheckText(t.Subject, bursar.MaxNameLen); err != nil {
		p.Add("/subject", bursar.CodeValidationFailed, "a subject %v", err)
	}
	if o.in.TTLSeconds < bursar.MinTokenTTL || o.in.TTLSeconds > bursar.MaxTokenTTL {
		p.Add("/expiresInSeconds", bursar.CodeValidationFailed, "expiresInSeconds is %d to %d", bursar.MinTokenTTL, bursar.MaxTokenTTL)
	}
	if root := d.entOrd(t.RootEntityID); t.RootEntityID != "" && root == 0 {
		p.Add("/rootEntityId", bursar.CodeEntityNotFound, "there is no entity %q", t.RootEntityID)
	} else if root != 0 && d.ent(root).archived != 0 {
		p.Add("/rootEntityId", bursar.CodeValidationFailed, "the entity %q is archived", t.RootEntityID)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	// A signed token says its end in whole seconds.
	t.ExpiresAt = (o.now + bursar.Time(o.in.TTLSeconds)*1e9) / 1e9 * 1e9
	t.ID = formatID(d.nextID())
	d.audit(&o.caller, tokenCreated, "access_token", t.ID, t.RootEntityID, nil, auditToken(&t))
	return t, nil
}

// CreateAccessToken makes a token of a customer that is not archived. Pointers of errors
// begin at the body.
func (e *Engine) CreateAccessToken(ctx context.Context, c Caller, customer string, in AccessTokenInput) (bursar.AccessToken, uint64, error) {
	return govern[bursar.AccessToken](ctx, e, &c, customer, &createToken{c, in, e.now()})
}

type revokeToken struct {
	caller Caller
	token  bursar.AccessToken
}

func (o *revokeToken) decide(d *decider) (any, error) {
	before := o.token
	before.RevokedAt = nil
	d.audit(&o.caller, "access_token.revoked", "access_token", o.token.ID, o.token.RootEntityID, auditToken(&before), auditToken(&o.token))
	return o.token, nil
}

// RevokeAccessToken ends a token at once on this node and within a second on others; it
// is idempotent. The revocation is durable before it is audited: where the second fails,
// the caller learns so, and the token is dead.
func (e *Engine) RevokeAccessToken(ctx context.Context, c Caller, customer, id string) (t bursar.AccessToken, version uint64, err error) {
	t, version, err = e.accessToken(ctx, customer, id)
	if err != nil || t.RevokedAt != nil {
		return t, version, err
	}
	revoked, err := changeAside(ctx, e, Caller{RequestID: c.RequestID}, func(w *catalogueWrite) (revokedToken, error) {
		if old, ok := w.revoked[id]; ok {
			return old, nil
		}
		r := revokedToken{id, w.now.Milli(), t.ExpiresAt}
		return r, w.put("tokenRevoked", &r)
	})
	if err != nil {
		return t, 0, err
	}
	t.RevokedAt = &revoked.RevokedAt
	return govern[bursar.AccessToken](ctx, e, &c, customer, &revokeToken{c, t})
}

// accessToken finds a token by the audit entry that made it.
func (e *Engine) accessToken(ctx context.Context, customer, id string) (t bursar.AccessToken, version uint64, err error) {
	missing := bursar.Errorf(bursar.CodeAccessTokenNotFound, "there is no access token %.64q", id)
	version, err = e.readCustomer(ctx, ReadOptions{}, customer, func(*view) error { return nil })
	if err != nil {
		return t, version, err
	}
	u, ok := parseID(id)
	at := placeOf(u)
	if !ok || at.seq == 0 || at.seq > version {
		return t, version, missing
	}
	rows, err := e.readChunk(ctx, customer, at.seq-1, at.seq)
	if err != nil {
		return t, version, err
	}
	if len(rows) == 0 { // trimmed: it expired long ago
		return t, version, missing
	}
	row, err := decodeRow(customer, &rows[0])
	if err != nil {
		return t, version, err
	}
	place, err := row.at(at)
	if err != nil {
		return t, version, missing
	}
	r, ok := place.record.(*activityRec)
	if !ok || r.entry.Action != tokenCreated || r.entry.TargetID != id {
		return t, version, missing
	}
	var a tokenAudit
	if err := json.Unmarshal(r.entry.After, &a); err != nil {
		return t, version, fmt.Errorf("%w: %v", errRecord, err)
	}
	t = bursar.AccessToken{ID: id, CustomerID: customer, Permissions: a.Permissions, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt}
	if a.RootEntityID != nil {
		t.RootEntityID = *a.RootEntityID
	}
	if a.Subject != nil {
		t.Subject = *a.Subject
	}
	if revoked, ok := e.Catalogue().revoked[id]; ok {
		t.RevokedAt = &revoked.RevokedAt
	}
	return t, version, nil
}
