package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// See calls f with what o's token sees of a customer. f must not keep it.
func (e *Engine) See(ctx context.Context, o ledger.ReadOptions, customer string, f func(*ledger.Sight)) (version uint64, err error) {
	return e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		f(&ledger.Sight{V: v, Cat: e.cat.Load()})
		return nil
	})
}

// CreateAccessToken makes a token of a customer that is not archived. Pointers of errors
// begin at the body.
func (e *Engine) CreateAccessToken(ctx context.Context, c catalogue.Caller, customer string, in ledger.AccessTokenInput) (bursar.AccessToken, uint64, error) {
	return govern[bursar.AccessToken](ctx, e, &c, customer, &ledger.CreateToken{Caller: c, In: in, Now: e.now()})
}

// RevokeAccessToken ends a token at once on this node and within a second on others; it
// is idempotent. Recipients of notifications that it named end with it. The revocation is durable before these
// end and it is audited: where that fails, the caller learns so, and the token is dead.
func (e *Engine) RevokeAccessToken(ctx context.Context, c catalogue.Caller, customer, id string) (t bursar.AccessToken, version uint64, err error) {
	t, version, err = e.accessToken(ctx, customer, id)
	if err != nil {
		return t, version, err
	}
	if t.RevokedAt != nil {
		left, _, err := answer(ctx, e, ledger.ReadOptions{}, customer, func(v *ledger.View) (bool, error) { return v.HasRecipientsOf(id), nil })
		if err != nil || !left {
			return t, version, err
		}
	}
	revoked, err := changeAside(ctx, e, catalogue.Caller{RequestID: c.RequestID}, func(w *catalogue.Write) (catalogue.RevokedToken, error) {
		if old, ok := w.Revoked[id]; ok {
			return old, nil
		}
		r := catalogue.RevokedToken{ID: id, RevokedAt: w.Now.Milli(), ExpiresAt: t.ExpiresAt}
		return r, w.Put("tokenRevoked", &r)
	})
	if err != nil {
		return t, 0, err
	}
	t.RevokedAt = &revoked.RevokedAt
	return govern[bursar.AccessToken](ctx, e, &c, customer, &ledger.RevokeToken{Caller: c, Token: t})
}

// accessToken finds a token by the audit entry that made it.
func (e *Engine) accessToken(ctx context.Context, customer, id string) (t bursar.AccessToken, version uint64, err error) {
	missing := bursar.Errorf(bursar.CodeAccessTokenNotFound, "there is no access token %.64q", id)
	version, err = e.readCustomer(ctx, ledger.ReadOptions{}, customer, func(*ledger.View) error { return nil })
	if err != nil {
		return t, version, err
	}
	u, ok := store.ParseID(id)
	at := record.PlaceOf(u)
	if !ok || at.Seq == 0 || at.Seq > version {
		return t, version, missing
	}
	rows, err := e.readChunk(ctx, customer, at.Seq-1, at.Seq)
	if err != nil {
		return t, version, err
	}
	if len(rows) == 0 { // trimmed: it expired long ago
		return t, version, missing
	}
	row, err := record.DecodeRow(customer, &rows[0])
	if err != nil {
		return t, version, err
	}
	place, err := row.At(at)
	if err != nil {
		return t, version, missing
	}
	r, ok := place.Record.(*record.Activity)
	if !ok || r.Entry.Action != catalogue.TokenCreated || r.Entry.TargetID != id {
		return t, version, missing
	}
	var a catalogue.TokenAudit
	if err := json.Unmarshal(r.Entry.After, &a); err != nil {
		return t, version, fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	t = bursar.AccessToken{ID: id, CustomerID: customer, Permissions: a.Permissions, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt}
	if a.RootEntityID != nil {
		t.RootEntityID = *a.RootEntityID
	}
	if a.Subject != nil {
		t.Subject = *a.Subject
	}
	if revoked, ok := e.Catalogue().Revoked[id]; ok {
		t.RevokedAt = &revoked.RevokedAt
	}
	return t, version, nil
}
