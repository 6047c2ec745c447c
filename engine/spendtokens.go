package engine

import (
	"context"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// spendStaleness is how old a node's copy of a customer may be when it looks whether what a
// spend token is counted on is there: as old as the catalogue that says who was revoked.
const spendStaleness = time.Second

// SpendsOn tells how much of what a spend token is counted on is not there, see [ledger.View.SpendsOn].
func (e *Engine) SpendsOn(ctx context.Context, customer string, p *catalogue.SpendPath) (missing int, err error) {
	read := func(o ledger.ReadOptions) error {
		_, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) (err error) {
			missing, err = v.SpendsOn(e.cat.Load(), p)
			return err
		})
		return err
	}
	if err = read(ledger.ReadOptions{MaxStaleness: spendStaleness}); err != nil {
		err = read(ledger.ReadOptions{})
	}
	return missing, err
}

// EnterSpend makes what a spend token is counted on, where that is not there.
func (e *Engine) EnterSpend(ctx context.Context, c catalogue.Caller, customer string, p catalogue.SpendPath) error {
	c.Key, c.IfMatch, c.Spends = nil, "", nil // those of the request that comes after
	_, _, err := govern[bool](ctx, e, &c, customer, &ledger.EnterSpend{Caller: c, Path: p})
	return err
}

// CreateSpendToken records that a token was made, and makes the entity type of spend tokens where
// that is missing. pins are the token's entities. The token is listed before the reply is kept for repeats.
func (e *Engine) CreateSpendToken(ctx context.Context, c catalogue.Caller, t bursar.SpendToken, pins []bursar.Dimension) (_ bursar.SpendToken, version uint64, err error) {
	if e.Catalogue().EntityType(bursar.SpendTokenType) == nil {
		if err := e.makeSpendType(ctx, c); err != nil {
			return t, 0, err
		}
	}
	unkeyed := c
	unkeyed.Key = nil
	t, err = once(ctx, e, c, func() (made bursar.SpendToken, err error) {
		if err := roomForSpendToken(e.Catalogue(), e.now()); err != nil {
			return t, err
		}
		made, version, err = govern[bursar.SpendToken](ctx, e, &unkeyed, t.CustomerID, &ledger.NoteSpendToken{Caller: unkeyed, Token: t, Pins: pins})
		if err != nil {
			return t, err
		}
		return changeAside(context.WithoutCancel(ctx), e, catalogue.Caller{RequestID: c.RequestID}, func(w *catalogue.Write) (bursar.SpendToken, error) {
			if err := roomForSpendToken(w.Catalogue, w.Now); err != nil {
				return made, err
			}
			return made, w.Put("spendToken", &made)
		})
	})
	return t, version, err
}

func roomForSpendToken(cat *catalogue.Catalogue, now bursar.Time) error {
	live := 0
	for _, old := range cat.SpendOf {
		if old.RevokedAt == nil && old.ExpiresAt > now {
			live++
		}
	}
	if live >= bursar.MaxSpendTokens {
		return bursar.Errorf(bursar.CodeTooManyLimits, "there are %d spend tokens, as many as there may be: revoke some, or have holders narrow theirs", live)
	}
	return nil
}

// makeSpendType makes the entity type of what tokens are counted on.
func (e *Engine) makeSpendType(ctx context.Context, c catalogue.Caller) error {
	c.Key, c.IfMatch = nil, ""
	_, err := catalogueDo(ctx, e, c, func(w *catalogue.Write) ([]bursar.EntityType, error) {
		if w.EntityType(bursar.SpendTokenType) != nil { // another request was first
			return nil, nil
		}
		return w.PutEntityTypes([]catalogue.EntityTypeInput{{ID: bursar.SpendTokenType, DisplayName: "Spend token", AttributionKeys: []string{bursar.SpendTokenKey}}})
	})
	if err != nil {
		return bursar.Errorf(bursar.CodeValidationFailed, "the entity type %q, on which spend tokens are counted, cannot be made: %v", bursar.SpendTokenType, err)
	}
	return nil
}

// RevokeSpendToken ends a token and all that were made from it, at once on this node and
// within a second on others; it is idempotent. one is the token where the server does not
// know it, because its holder made it.
func (e *Engine) RevokeSpendToken(ctx context.Context, c catalogue.Caller, customer, id string, one *bursar.SpendToken) (t bursar.SpendToken, version uint64, err error) {
	t, err = changeAside(ctx, e, catalogue.Caller{RequestID: c.RequestID}, func(w *catalogue.Write) (bursar.SpendToken, error) {
		old := w.SpendToken(id)
		if old == nil {
			old = one
		}
		if old == nil || old.CustomerID != customer {
			return t, bursar.Errorf(bursar.CodeSpendTokenNotFound, "there is no spend token %.64q", id)
		}
		if old.RevokedAt != nil {
			return *old, nil
		}
		now, ended := w.Now.Milli(), *old
		ended.RevokedAt = &now
		return ended, w.Put("spendToken", &ended)
	})
	if err != nil {
		return t, 0, err
	}
	if err := e.leaveSpend(ctx, &c, t.CustomerID, id); err != nil {
		return t, 0, err
	}
	return govern[bursar.SpendToken](ctx, e, &c, customer, &ledger.EndSpendToken{Caller: c, Token: t})
}

// leaveSpend archives what a token that is over was counted on.
func (e *Engine) leaveSpend(ctx context.Context, by *catalogue.Caller, customer, id string) error {
	c := *by
	c.Key, c.IfMatch = nil, ""
	for more := true; more && !e.closing.Load(); {
		var err error
		if more, _, err = govern[bool](ctx, e, &c, customer, &ledger.LeaveSpend{Caller: c, ID: id}); err != nil {
			return err
		}
	}
	return nil
}

// leaveSpent archives the entities of spend tokens that are over. It remembers in memory which are done,
// so after a restart it looks at every listed token again.
func (e *Engine) leaveSpent() {
	if !e.leaving.CompareAndSwap(false, true) {
		return
	}
	e.loops.Go(func() {
		defer e.leaving.Store(false)
		now := e.now()
		cat := e.Catalogue()
		for id := range e.left {
			if cat.SpendToken(id) == nil {
				delete(e.left, id)
			}
		}
		for _, t := range cat.SpendTokens() {
			if e.left[t.ID] || t.ExpiresAt > now && t.RevokedAt == nil || e.closing.Load() {
				continue
			}
			if err := e.leaveSpend(context.Background(), system, t.CustomerID, t.ID); err != nil {
				e.o.Log.Warn("archiving what a spend token was counted on failed; it will be tried again", "customerId", t.CustomerID, "token", t.ID, "err", err)
				continue
			}
			e.left[t.ID] = true
		}
	})
}
