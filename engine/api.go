package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/bursarhq/bursar"
)

// PutEntityTypes creates or replaces entity types, restoring archived ones: all or
// none. Pointers of errors begin with /types/i.
func (e *Engine) PutEntityTypes(ctx context.Context, c Caller, in []EntityTypeInput) ([]bursar.EntityType, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) ([]bursar.EntityType, error) { return w.putEntityTypes(in) })
}

// ArchiveEntityTypes archives or unarchives: all or none. A type with live entities in
// any customer is EntityTypeInUse.
func (e *Engine) ArchiveEntityTypes(ctx context.Context, c Caller, ids []string, archive bool) error {
	_, err := catalogueDo(ctx, e, c, func(w *catalogueWrite) ([]string, error) { return ids, w.archiveEntityTypes(ids, archive) })
	return err
}

// CreateFeature takes every input member of f; the engine sets its times.
func (e *Engine) CreateFeature(ctx context.Context, c Caller, f bursar.Feature) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Feature, error) { return w.createFeature(f) })
}

// UpdateFeature changes what p has.
func (e *Engine) UpdateFeature(ctx context.Context, c Caller, id string, p FeaturePatch) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Feature, error) { return w.updateFeature(id, &p) })
}

// ArchiveFeature archives or unarchives; it is idempotent. An archived feature takes no
// new limits; old ones go on.
func (e *Engine) ArchiveFeature(ctx context.Context, c Caller, id string, archive bool) (bursar.Feature, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Feature, error) { return w.archiveFeature(id, archive) })
}

// CreateCurrency takes every input member of v; the engine sets its times.
func (e *Engine) CreateCurrency(ctx context.Context, c Caller, v bursar.Currency) (bursar.Currency, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Currency, error) { return w.createCurrency(v) })
}

// UpdateCurrency changes what p has.
func (e *Engine) UpdateCurrency(ctx context.Context, c Caller, id string, p CurrencyPatch) (bursar.Currency, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Currency, error) { return w.updateCurrency(id, &p) })
}

// ArchiveCurrency archives or unarchives; it is idempotent. A currency that live limits
// are about is CurrencyInUse.
func (e *Engine) ArchiveCurrency(ctx context.Context, c Caller, id string, archive bool) (bursar.Currency, error) {
	if archive { // grants may have expired that no commit has recorded
		users, err := e.store.Users(ctx, Use{"currency", id}, maxAssociated)
		if err != nil {
			return bursar.Currency{}, e.unavailable(err)
		}
		for _, customer := range users {
			e.tick(customer)
		}
	}
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Currency, error) { return w.archiveCurrency(id, archive) })
}

func catalogueDo[R any](ctx context.Context, e *Engine, c Caller, f func(*catalogueWrite) (R, error)) (r R, err error) {
	v, err := e.changeCatalogue(ctx, c, func(w *catalogueWrite) (any, error) { return f(w) })
	if err != nil {
		return r, err
	}
	return v.(R), nil
}

// Associated is a thing that uses a currency. Type is RateCard, Assignment or Grant.
type Associated struct{ ID, DisplayName, Type string }

// maxAssociated bounds the answer of CurrencyUsers.
const maxAssociated = 1000

// CurrencyUsers lists what uses a currency, at most 1,000 things.
func (e *Engine) CurrencyUsers(ctx context.Context, id string) ([]Associated, error) {
	if e.Catalogue().Currency(id) == nil {
		return nil, errNoCurrency(id)
	}
	users, err := e.store.Users(ctx, Use{"currency", id}, maxAssociated)
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
		_, err := e.readCustomer(ctx, ReadOptions{}, customer, func(v *view) error {
			cap := v.capOrd(bursar.Capability{Kind: bursar.KindCurrency, ID: id})
			for ord, def := range v.rows {
				if def != nil && def.cap == cap && cap != 0 && len(out) < maxAssociated {
					out = append(out, Associated{formatID(v.rowIDs[ord]), customer + " / " + v.ent(def.ent).id, "Assignment"})
				}
			}
			for _, ord := range v.pool(cap).live {
				if g := v.grant(ord); len(out) < maxAssociated {
					out = append(out, Associated{g.ID, customer + " / " + g.DisplayName, "Grant"})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CreateAPIKey makes a key and returns it with its text, "bsk_<id>_<secret>", which is
// not kept anywhere.
func (e *Engine) CreateAPIKey(ctx context.Context, c Caller, name string, scope bursar.KeyScope, expiresAt *bursar.Time) (bursar.APIKey, string, error) {
	id, text, hash, err := newKey()
	if err != nil {
		return bursar.APIKey{}, "", err
	}
	k, err := catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.APIKey, error) {
		var p bursar.Problems
		checkName("/name", name, &p)
		if scope != bursar.ScopeFull && scope != bursar.ScopeRuntime && scope != bursar.ScopeRead {
			p.Add("/scope", bursar.CodeValidationFailed, "a scope is full, runtime or read")
		}
		if expiresAt != nil && *expiresAt <= w.now {
			p.Add("/expiresAt", bursar.CodeValidationFailed, "expiresAt lies in the past")
		}
		k := bursar.APIKey{ID: id, Name: name, Scope: scope, Prefix: "bsk_" + id, Hash: hash, CreatedAt: w.now.Milli(), ExpiresAt: expiresAt}
		if err := p.Err(); err != nil {
			return k, err
		}
		return k, w.put("apiKey", &k)
	})
	if err != nil {
		text = ""
	}
	return k, text, err
}

// FirstAPIKey makes a key of full scope if no live one is there, and returns its text;
// else "". Of nodes that call it at once, one makes a key.
func (e *Engine) FirstAPIKey(ctx context.Context, c Caller, name string) (string, error) {
	id, text, hash, err := newKey()
	if err != nil {
		return "", err
	}
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (string, error) {
		if w.fullKeys("") > 0 {
			return "", nil
		}
		return text, w.put("apiKey", &bursar.APIKey{ID: id, Name: name, Scope: bursar.ScopeFull, Prefix: "bsk_" + id, Hash: hash, CreatedAt: w.now.Milli()})
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

// fullKeys counts the live keys of full scope, without the one of that id.
func (w *catalogueWrite) fullKeys(but string) (n int) {
	for _, k := range w.keys {
		if k.ID != but && k.Scope == bursar.ScopeFull && k.Live(w.now) {
			n++
		}
	}
	return n
}

// RevokeAPIKey ends a key; it is idempotent. The last live key of full scope is
// LastFullKey.
func (e *Engine) RevokeAPIKey(ctx context.Context, c Caller, id string) (bursar.APIKey, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.APIKey, error) {
		old := w.keys[id]
		if old == nil {
			return bursar.APIKey{}, bursar.Errorf(bursar.CodeAPIKeyNotFound, "there is no API key %.64q", id)
		}
		if old.RevokedAt != nil {
			return *old, nil
		}
		if old.Scope == bursar.ScopeFull && w.fullKeys(id) == 0 {
			return *old, bursar.Errorf(bursar.CodeLastFullKey, "this is the last key of full scope; create another one first")
		}
		k := *old
		now := w.now.Milli()
		k.RevokedAt = &now
		return k, w.put("apiKey", &k)
	})
}

// CreateCustomer provisions a customer. The number is the version of the customer
// that the reply is true at, here and below.
func (e *Engine) CreateCustomer(ctx context.Context, c Caller, id string, in bursar.CustomerInput) (bursar.Customer, uint64, error) {
	if err := bursar.CheckCustomerID(id); err != nil {
		return bursar.Customer{}, 0, bursar.ErrorAt("/id", bursar.CodeValidationFailed, "%v", err)
	}
	return govern[bursar.Customer](ctx, e, &c, id, &createCustomer{c, id, in})
}

// UpdateCustomer changes what in has.
func (e *Engine) UpdateCustomer(ctx context.Context, c Caller, id string, in bursar.CustomerInput) (bursar.Customer, uint64, error) {
	return govern[bursar.Customer](ctx, e, &c, id, &updateCustomer{c, in})
}

// ArchiveCustomer archives or unarchives; it is idempotent.
func (e *Engine) ArchiveCustomer(ctx context.Context, c Caller, id string, archive bool) (bursar.Customer, uint64, error) {
	return govern[bursar.Customer](ctx, e, &c, id, &archiveCustomer{c, archive})
}

// Customer reads one customer, archived or not.
func (e *Engine) Customer(ctx context.Context, o ReadOptions, id string) (out bursar.Customer, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, id, func(v *view) error {
		out = *v.cust()
		return nil
	})
	return out, version, err
}

// Customers lists customers.
func (e *Engine) Customers(ctx context.Context, q CustomerQuery) (p Page[bursar.Customer], err error) {
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Customers(ctx, q); err != nil {
		return p, e.unavailable(err)
	}
	p.cut(want, q.After != nil, q.Before != nil)
	return p, nil
}

// cut drops the extra row that was read to learn whether there are more.
func (p *Page[T]) cut(limit int, after, before bool) {
	more := len(p.Items) > limit
	if before {
		if more {
			p.Items = p.Items[1:]
		}
		p.HasPrev, p.HasNext = more, true
		return
	}
	if more {
		p.Items = p.Items[:limit]
	}
	p.HasNext, p.HasPrev = more, after
}

// PutEntities creates or updates entities, all or none. Pointers of errors begin with
// /entities/i.
func (e *Engine) PutEntities(ctx context.Context, c Caller, customer string, in []bursar.EntityInput) ([]bursar.Entity, uint64, error) {
	return govern[[]bursar.Entity](ctx, e, &c, customer, &putEntities{caller: c, in: in})
}

// PatchEntity updates one entity that exists and does not restore it.
func (e *Engine) PatchEntity(ctx context.Context, c Caller, customer string, in bursar.EntityInput) (out bursar.Entity, version uint64, err error) {
	in.IfMatch = c.IfMatch
	list, version, err := govern[[]bursar.Entity](ctx, e, &c, customer, &putEntities{caller: c, in: []bursar.EntityInput{in}, patch: true})
	if err == nil {
		out = list[0]
	}
	return out, version, err
}

// Entity reads one entity, archived or not.
func (e *Engine) Entity(ctx context.Context, o ReadOptions, customer, id string) (out bursar.Entity, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		ord := v.entOrd(id)
		if ord == 0 {
			return errNoEntity(id)
		}
		out = v.entityOut(ord)
		return nil
	})
	return out, version, err
}

// PutAssignments creates or updates assignments, all or none. Pointers of errors begin
// with /assignments/i.
func (e *Engine) PutAssignments(ctx context.Context, c Caller, customer string, in []bursar.AssignmentInput) ([]bursar.Assignment, uint64, error) {
	return govern[[]bursar.Assignment](ctx, e, &c, customer, &putAssignments{caller: c, in: in})
}

// DeleteAssignment removes an assignment with its counter and returns what it was.
func (e *Engine) DeleteAssignment(ctx context.Context, c Caller, customer, id string) (bursar.Assignment, uint64, error) {
	return govern[bursar.Assignment](ctx, e, &c, customer, &deleteAssignment{c, id})
}

// Assignment reads one assignment.
func (e *Engine) Assignment(ctx context.Context, o ReadOptions, customer, id string) (out bursar.Assignment, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		ord := v.findRowID(id)
		if ord == 0 {
			return errNoAssignment(id)
		}
		out = v.assignmentOut(ord)
		return nil
	})
	return out, version, err
}
