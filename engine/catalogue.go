package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// PutEntityTypes creates or replaces entity types, restoring archived ones: all or
// none. Pointers of errors begin with /types/i.
func (e *Engine) PutEntityTypes(ctx context.Context, c catalogue.Caller, in []catalogue.EntityTypeInput) ([]bursar.EntityType, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) ([]bursar.EntityType, error) { return w.PutEntityTypes(in) })
}

// ArchiveEntityTypes archives or unarchives: all or none. A type with live entities in
// any customer is EntityTypeInUse.
func (e *Engine) ArchiveEntityTypes(ctx context.Context, c catalogue.Caller, ids []string, archive bool) error {
	_, err := catalogueDo(ctx, e, c, func(w *catalogue.Write) ([]string, error) { return ids, w.ArchiveEntityTypes(ids, archive) })
	return err
}

// UpdateSettings changes what holds for the whole environment.
func (e *Engine) UpdateSettings(ctx context.Context, c catalogue.Caller, p catalogue.SettingsPatch) (bursar.Settings, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Settings, error) { return w.UpdateSettings(&p) })
}

// CreateFeature takes every input member of f; the engine sets its times.
func (e *Engine) CreateFeature(ctx context.Context, c catalogue.Caller, f bursar.Feature) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Feature, error) { return w.CreateFeature(f) })
}

// UpdateFeature changes what p has.
func (e *Engine) UpdateFeature(ctx context.Context, c catalogue.Caller, id string, p catalogue.FeaturePatch) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Feature, error) { return w.UpdateFeature(id, &p) })
}

// ArchiveFeature archives or unarchives; it is idempotent. An archived feature takes no
// new limits; old ones go on.
func (e *Engine) ArchiveFeature(ctx context.Context, c catalogue.Caller, id string, archive bool) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Feature, error) { return w.ArchiveFeature(id, archive) })
}

// CreateCurrency takes every input member of v; the engine sets its times.
func (e *Engine) CreateCurrency(ctx context.Context, c catalogue.Caller, v bursar.Currency) (bursar.Currency, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Currency, error) { return w.CreateCurrency(v) })
}

// UpdateCurrency changes what p has.
func (e *Engine) UpdateCurrency(ctx context.Context, c catalogue.Caller, id string, p catalogue.CurrencyPatch) (bursar.Currency, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Currency, error) { return w.UpdateCurrency(id, &p) })
}

// ArchiveCurrency archives or unarchives; it is idempotent. A currency that live limits
// are about is CurrencyInUse.
func (e *Engine) ArchiveCurrency(ctx context.Context, c catalogue.Caller, id string, archive bool) (bursar.Currency, error) {
	if archive { // grants may have expired that no commit has recorded
		users, err := e.store.Users(ctx, store.Use{Kind: "currency", ID: id}, maxAssociated)
		if err != nil {
			return bursar.Currency{}, e.unavailable(err)
		}
		for _, customer := range users {
			e.tick(customer, ledger.TickOp{TimeAlone: true})
		}
	}
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Currency, error) { return w.ArchiveCurrency(id, archive) })
}

// catalogueDo is changeCatalogue with a reply of type R.
func catalogueDo[R any](ctx context.Context, e *Engine, c catalogue.Caller, f func(*catalogue.Write) (R, error)) (R, error) {
	return as[R](e.changeCatalogue(ctx, c, func(w *catalogue.Write) (any, error) { return f(w) }))
}

// as is a reply as the type R, which it has.
func as[R any](reply any, err error) (r R, _ error) {
	if err != nil {
		return r, err
	}
	return reply.(R), nil
}

// Associated is a thing that uses a currency. Type is RateCard, Assignment or Grant.
type Associated struct{ ID, DisplayName, Type string }

// maxAssociated bounds the answer of CurrencyUsers.
const maxAssociated = 1000

// CurrencyUsers lists what uses a currency, at most 1,000 things.
func (e *Engine) CurrencyUsers(ctx context.Context, id string) ([]Associated, error) {
	if e.Catalogue().Currency(id) == nil {
		return nil, e.cat.Load().ErrNoCurrency(id)
	}
	users, err := e.store.Users(ctx, store.Use{Kind: "currency", ID: id}, maxAssociated)
	if err != nil {
		return nil, e.unavailable(err)
	}
	out := []Associated{}
	for _, c := range e.Catalogue().RateCards() {
		if c.CurrencyID == id && c.ArchivedAt == nil {
			out = append(out, Associated{c.ID, c.DisplayName, "RateCard"})
		}
	}
	for _, customer := range users {
		uses, _, err := answer(ctx, e, ledger.ReadOptions{}, customer, func(v *ledger.View) ([]ledger.CurrencyUse, error) {
			return v.UsesOfCurrency(id, maxAssociated-len(out)), nil
		})
		if err != nil {
			return nil, err
		}
		for _, u := range uses {
			out = append(out, Associated{u.ID, customer + " / " + u.Name, u.Type})
		}
	}
	return out, nil
}

// CreateAPIKey makes a key and returns it with its text, "bsk_<id>_<secret>", which is
// not kept anywhere.
func (e *Engine) CreateAPIKey(ctx context.Context, c catalogue.Caller, name string, scope bursar.KeyScope, expiresAt *bursar.Time) (bursar.APIKey, string, error) {
	return e.CreateBoundAPIKey(ctx, c, bursar.APIKey{Name: name, Scope: scope, ExpiresAt: expiresAt})
}

// CreateBoundAPIKey is CreateAPIKey for a key that may be bound, as in says.
func (e *Engine) CreateBoundAPIKey(ctx context.Context, c catalogue.Caller, in bursar.APIKey) (bursar.APIKey, string, error) {
	id, text, hash, err := newKey()
	if err != nil {
		return bursar.APIKey{}, "", err
	}
	k, err := catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.APIKey, error) {
		k := bursar.APIKey{ID: id, Name: in.Name, Scope: in.Scope, Prefix: "bsk_" + id, Hash: hash, CreatedAt: w.Now.Milli(), ExpiresAt: in.ExpiresAt,
			CustomerID: in.CustomerID, EntityTypes: in.EntityTypes}
		if err := checkAPIKey(w, &k); err != nil {
			return k, err
		}
		return k, w.Put("apiKey", &k)
	})
	if err != nil {
		text = ""
	}
	return k, text, err
}

func checkAPIKey(w *catalogue.Write, k *bursar.APIKey) error {
	var p bursar.Problems
	catalogue.CheckName("/name", k.Name, &p)
	if k.Scope != bursar.ScopeFull && k.Scope != bursar.ScopeRuntime && k.Scope != bursar.ScopeRead {
		p.Add("/scope", bursar.CodeValidationFailed, "a scope is full, runtime or read")
	}
	if k.ExpiresAt != nil && *k.ExpiresAt <= w.Now {
		p.Add("/expiresAt", bursar.CodeValidationFailed, "expiresAt lies in the past")
	}
	if k.Bound() && k.Scope != bursar.ScopeRuntime {
		p.Add("/scope", bursar.CodeValidationFailed, "only a key of scope runtime is bound to a customer or to entity types")
	}
	for i, id := range k.EntityTypes {
		if w.EntityType(id) == nil {
			p.Add("/entityTypes/"+strconv.Itoa(i), bursar.CodeEntityTypeNotFound, "%s", w.NoType(id))
		}
	}
	return p.Err()
}

// FirstAPIKey makes a key of full scope if no live one is there, and returns its text;
// else "". Of nodes that call it at once, one makes a key.
func (e *Engine) FirstAPIKey(ctx context.Context, c catalogue.Caller, name string) (string, error) {
	id, text, hash, err := newKey()
	if err != nil {
		return "", err
	}
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (string, error) {
		if w.FullKeys("") > 0 {
			return "", nil
		}
		return text, w.Put("apiKey", &bursar.APIKey{ID: id, Name: name, Scope: bursar.ScopeFull, Prefix: "bsk_" + id, Hash: hash, CreatedAt: w.Now.Milli()})
	})
}

// newKey makes up a key.
func newKey() (id, text string, hash []byte, err error) {
	var b [40]byte // 8 of the id, 32 of the secret
	if _, err := rand.Read(b[:]); err != nil {
		return "", "", nil, err
	}
	id = hex.EncodeToString(b[:8])
	text = "bsk_" + id + "_" + hex.EncodeToString(b[8:])
	sum := sha256.Sum256([]byte(text))
	return id, text, sum[:], nil
}

// RevokeAPIKey ends a key; it is idempotent. The last live key of full scope is
// LastFullKey.
func (e *Engine) RevokeAPIKey(ctx context.Context, c catalogue.Caller, id string) (bursar.APIKey, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.APIKey, error) {
		old := w.KeyOf[id]
		if old == nil {
			return bursar.APIKey{}, bursar.Errorf(bursar.CodeAPIKeyNotFound, "there is no API key %.64q", id)
		}
		if old.RevokedAt != nil {
			return *old, nil
		}
		if old.Scope == bursar.ScopeFull && w.FullKeys(id) == 0 {
			return *old, bursar.Errorf(bursar.CodeLastFullKey, "this is the last key of full scope; create another one first")
		}
		k := *old
		now := w.Now.Milli()
		k.RevokedAt = &now
		return k, w.Put("apiKey", &k)
	})
}
