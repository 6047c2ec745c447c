package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type apiKeyIn struct {
	Name      string          `json:"name" is:"required,len=1-255"`
	Scope     bursar.KeyScope `json:"scope" is:"required,enum=full|runtime|read"`
	ExpiresAt *bursar.Time    `json:"expiresAt"`
}

// apiKeyOut is a key; Key, its secret, is told once, when it is made.
type apiKeyOut struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Scope      bursar.KeyScope `json:"scope" is:"enum=full|runtime|read"`
	Prefix     string          `json:"prefix"`
	Key        string          `json:"key,omitempty" doc:"Only in the reply that made it."`
	CreatedAt  bursar.Time     `json:"createdAt"`
	ExpiresAt  *bursar.Time    `json:"expiresAt"`
	LastUsedAt *bursar.Time    `json:"lastUsedAt" doc:"To the minute, as this node saw it since it started."`
	RevokedAt  *bursar.Time    `json:"revokedAt"`
}

func (a *API) viewAPIKey(k bursar.APIKey) apiKeyOut {
	return apiKeyOut{
		ID: k.ID, Name: k.Name, Scope: k.Scope, Prefix: k.Prefix, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		LastUsedAt: a.lastUse.of(k.ID), RevokedAt: k.RevokedAt,
	}
}

// createAPIKey makes a key. A replayed reply has no secret: it is kept nowhere.
func (a *API) createAPIKey(q *request, in *apiKeyIn) (apiKeyOut, error) {
	if in.ExpiresAt != nil && *in.ExpiresAt <= a.engine.Now() {
		return apiKeyOut{}, bursar.ErrorAt("/expiresAt", bursar.CodeValidationFailed, "must be in the future")
	}
	c, err := caller(q, a.viewAPIKey)
	if err != nil {
		return apiKeyOut{}, err
	}
	k, secret, err := a.engine.CreateAPIKey(q.ctx, c, in.Name, in.Scope, in.ExpiresAt)
	out := a.viewAPIKey(k)
	out.Key = secret
	return out, err
}

func (a *API) listAPIKeys(q *request, in *paging) (page[apiKeyOut], error) {
	rows := a.engine.Catalogue().APIKeys()
	at := func(k *bursar.APIKey) ledger.ListPos { return ledger.ListPos{CreatedAt: k.CreatedAt, ID: k.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.APIKey], error) {
		return pageOf(rows, p, at, func(*bursar.APIKey) bool { return true }), nil
	}
	return list(q, *in, at, get, a.viewAPIKey)
}

func (a *API) revokeAPIKey(q *request, _ *nothing) (apiKeyOut, error) {
	c, err := caller(q, a.viewAPIKey)
	if err != nil {
		return apiKeyOut{}, err
	}
	k, err := a.engine.RevokeAPIKey(q.ctx, c, q.path[0])
	return a.viewAPIKey(k), err
}
