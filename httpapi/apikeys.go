package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type apiKeyIn struct {
	Name      string          `json:"name" is:"required,len=1-255"`
	Scope     bursar.KeyScope `json:"scope" is:"required,enum=full|runtime|read"`
	ExpiresAt *bursar.Time    `json:"expiresAt"`

	CustomerID  *string  `json:"customerId" is:"customerId" doc:"Of scope runtime: the only customer that the key is for."`
	EntityTypes []string `json:"entityTypes" is:"n=0-32" doc:"Of scope runtime: the only types of entities that may spend with the key. What it asks and records names one of them at least, and none of another type but by model."`
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

	CustomerID  *string  `json:"customerId" doc:"The only customer that the key is for; null: every one."`
	EntityTypes []string `json:"entityTypes" doc:"The only types of entities that may spend with the key; empty: all, and customers."`
}

func (a *API) viewAPIKey(k bursar.APIKey) apiKeyOut {
	return apiKeyOut{
		ID: k.ID, Name: k.Name, Scope: k.Scope, Prefix: k.Prefix, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		LastUsedAt: a.lastUse.of(k.ID), RevokedAt: k.RevokedAt, CustomerID: orNil(&k.CustomerID), EntityTypes: listed(k.EntityTypes),
	}
}

// createAPIKey makes a key. A replayed reply has no secret: it is kept nowhere.
func (a *API) createAPIKey(c call, in *apiKeyIn) (out apiKeyOut, _ uint64, _ error) {
	if in.ExpiresAt != nil && *in.ExpiresAt <= a.engine.Now() {
		return out, 0, bursar.ErrorAt("/expiresAt", bursar.CodeValidationFailed, "must be in the future")
	}
	k, secret, err := a.engine.CreateBoundAPIKey(c.ctx, c.by, bursar.APIKey{Name: in.Name, Scope: in.Scope, ExpiresAt: in.ExpiresAt, CustomerID: orZero(in.CustomerID), EntityTypes: in.EntityTypes})
	out = a.viewAPIKey(k)
	out.Key = secret
	return out, 0, err
}

func apiKeyAt(k *bursar.APIKey) ledger.ListPos {
	return ledger.ListPos{CreatedAt: k.CreatedAt, ID: k.ID}
}

func (a *API) listAPIKeys(call, *paging) ([]*bursar.APIKey, uint64, error) {
	return a.engine.Catalogue().APIKeys(), 0, nil
}

func (a *API) revokeAPIKey(c call, in *apiKeyPath) (bursar.APIKey, uint64, error) {
	return ofNoCustomer(a.engine.RevokeAPIKey(c.ctx, c.by, in.KeyID))
}
