package sim

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// mGrant is one grant; of an overdraft, consumed is the deficit.
type mGrant struct {
	bursar.Grant // Consumed is not kept here
	consumed     num
}

func (g *mGrant) left() num       { return numOf(g.Amount).sub(g.consumed) }
func (g *mGrant) overdraft() bool { return g.Type == bursar.GrantOverdraft }

// figures are a pool's: what was granted and did not lapse, and of that what counts now.
type figures struct{ limit, used, held, active num }

func (f figures) left() num { return f.limit.sub(f.used) }

func (c *mCust) pool(currency string) figures {
	f := figures{held: c.total(currencyOf(currency)).held}
	for _, g := range c.grants {
		if g.CurrencyID != currency {
			continue
		}
		f.used = f.used.add(g.consumed)
		switch {
		case g.overdraft() || g.Status == bursar.GrantScheduled:
		case g.Status == bursar.GrantActive:
			f.limit, f.active = f.limit.add(numOf(g.Amount)), f.active.add(numOf(g.Amount))
		default:
			f.limit = f.limit.add(g.consumed)
		}
	}
	return f
}

// burnOrder lists the active grants of a currency as they are drawn on.
func (c *mCust) burnOrder(currency string) []*mGrant {
	var list []*mGrant
	for _, g := range c.grants {
		if g.CurrencyID == currency && g.Status == bursar.GrantActive && !g.overdraft() {
			list = append(list, g)
		}
	}
	slices.SortStableFunc(list, func(a, b *mGrant) int {
		if a.Priority != b.Priority {
			return a.Priority - b.Priority
		}
		if a.ExpireAt != b.ExpireAt {
			if a.ExpireAt == 0 || b.ExpireAt == 0 {
				return cmp.Compare(b.ExpireAt, a.ExpireAt)
			}
			return cmp.Compare(a.ExpireAt, b.ExpireAt)
		}
		if a.Type != b.Type {
			if a.Type == bursar.GrantPromotional {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.EffectiveAt, b.EffectiveAt)
	})
	return list
}

func (c *mCust) overdraft(currency string) *mGrant {
	for _, g := range c.grants {
		if g.CurrencyID == currency && g.overdraft() {
			return g
		}
	}
	return nil
}

// draw takes what the customer's total of a currency took out of its pool, or puts it
// back.
func (c *mCust) draw(currency string, d num, now bursar.Time) {
	if !c.m.currencies[currency].Prepaid || d.sign() == 0 {
		return
	}
	c.poolAt[currency] = now
	if d.sign() < 0 {
		c.refund(currency, d.neg(), now)
		return
	}
	for _, g := range c.burnOrder(currency) {
		x := lesser(d, g.left())
		if x.sign() <= 0 {
			continue
		}
		g.consumed, d = g.consumed.add(x), d.sub(x)
		g.UpdatedAt = now.Milli()
		if g.left().sign() == 0 {
			c.spent = append(c.spent, g)
		}
	}
	if d.sign() > 0 {
		o := c.overdraft(currency)
		if o == nil {
			o = &mGrant{Grant: bursar.Grant{ID: c.m.newID("g"), Status: bursar.GrantActive, CreatedAt: now.Milli()}}
			o.CustomerID, o.CurrencyID, o.DisplayName, o.Type = c.info.ID, currency, "Overdraft", bursar.GrantOverdraft
			o.EffectiveAt, o.Cost.Currency = now.Milli(), "usd"
			c.grants = append(c.grants, o)
		}
		o.consumed = o.consumed.add(d)
		o.UpdatedAt = now.Milli()
	}
	left := c.pool(currency).left().amount()
	for _, g := range c.spent {
		c.tell(bursar.EventGrantDepleted, map[string]any{"currencyId": currency, "grantId": g.ID, "balance": left})
	}
	c.spent = nil
	c.sinking(currency)
}

// refund gives back in the reverse order; what has lapsed gets its own last.
func (c *mCust) refund(currency string, d num, now bursar.Time) {
	order := c.burnOrder(currency)
	slices.Reverse(order)
	var ended []*mGrant
	for _, g := range c.grants {
		if g.CurrencyID == currency && (g.Status == bursar.GrantExpired || g.Status == bursar.GrantVoided) {
			ended = append(ended, g)
		}
	}
	slices.Reverse(ended) // the latest created first
	if o := c.overdraft(currency); o != nil {
		order = append([]*mGrant{o}, order...)
	}
	for _, g := range append(order, ended...) {
		x := lesser(d, g.consumed)
		if x.sign() <= 0 {
			continue
		}
		g.consumed, d = g.consumed.sub(x), d.sub(x)
		g.UpdatedAt = now.Milli()
	}
	c.rising(currency)
}

func (f figures) below(percent int) bool {
	if f.active.sign() == 0 {
		return percent == 0 && f.left().sign() <= 0
	}
	return f.left().times(100).cmp(f.active.times(int64(percent))) <= 0
}

// sinking tells the levels that are newly reached. What an expiry of empty grants has
// lifted the balance above is armed again, too.
func (c *mCust) sinking(currency string) {
	c.rising(currency)
	f := c.pool(currency)
	var levels []int
	for _, l := range []int{0, 10, 20} {
		if f.below(l) && !c.low[lowKey{currency, l}] {
			levels = append(levels, l)
			c.low[lowKey{currency, l}] = true
		}
	}
	if len(levels) > 0 {
		c.tell(bursar.EventCreditsLow, map[string]any{"currencyId": currency, "levels": levels, "balance": f.left().amount()})
	}
}

// rising arms the levels again that are no longer reached.
func (c *mCust) rising(currency string) {
	f := c.pool(currency)
	for _, l := range []int{0, 10, 20} {
		if !f.below(l) && (l == 0 || f.active.sign() > 0) {
			delete(c.low, lowKey{currency, l})
		}
	}
}

type lowKey struct {
	currency string
	level    int
}

// activate settles the overdraft first.
func (c *mCust) activate(g *mGrant, now bursar.Time) {
	g.Status = bursar.GrantActive
	c.poolAt[g.CurrencyID], g.UpdatedAt = now, now.Milli()
	if o := c.overdraft(g.CurrencyID); o != nil {
		x := lesser(o.consumed, numOf(g.Amount))
		o.consumed, g.consumed = o.consumed.sub(x), g.consumed.add(x)
		if x.sign() > 0 {
			o.UpdatedAt = now.Milli()
		}
	}
	c.rising(g.CurrencyID)
}

func (m *model) createGrant(in bursar.GrantInput) (bursar.Grant, *fail) {
	c, now := m.customer(in.CustomerID)
	if c == nil {
		return bursar.Grant{}, failedAt("/customerId", bursar.CodeCustomerNotFound)
	}
	if c.info.ArchivedAt != nil {
		return bursar.Grant{}, failed(bursar.CodeCustomerIsArchived)
	}
	var p problems
	if x := m.currencies[in.CurrencyID]; x == nil {
		p.at("/currencyId", bursar.CodeCurrencyNotFound)
	} else if x.ArchivedAt != nil || !x.Prepaid {
		p.at("/currencyId", bursar.CodeValidationFailed)
	}
	if in.Amount.Sign() <= 0 {
		p.at("/amount", bursar.CodeInvalidAmount)
	}
	if in.Priority < 0 || in.Priority > 1000 {
		p.at("/priority", bursar.CodeValidationFailed)
	}
	in.EffectiveAt, in.ExpireAt = in.EffectiveAt.Milli(), in.ExpireAt.Milli()
	if in.EffectiveAt == 0 {
		in.EffectiveAt = now.Milli()
	}
	if in.ExpireAt != 0 && (in.ExpireAt <= in.EffectiveAt || in.ExpireAt <= now) {
		p.at("/expireAt", bursar.CodeValidationFailed)
	}
	if f := p.err(); f != nil {
		return bursar.Grant{}, f
	}
	g := &mGrant{Grant: bursar.Grant{GrantInput: in, ID: m.newID("g"), Status: bursar.GrantScheduled, CreatedAt: now.Milli(), UpdatedAt: now.Milli()}}
	g.Metadata = mergeMetadata(nil, in.Metadata)
	c.grants = append(c.grants, g)
	if in.EffectiveAt <= now {
		c.activate(g, now)
	}
	c.log.wrote(now)
	c.tell(bursar.EventCreditsGranted, map[string]any{"currencyId": g.CurrencyID, "grantId": g.ID, "amount": g.Amount, "balance": c.pool(g.CurrencyID).left().amount()})
	return g.show(), nil
}

func (g *mGrant) show() bursar.Grant {
	x := g.Grant
	x.Consumed = g.consumed.amount()
	return x
}

// lapse ends a grant: what is left of it is lost.
func (c *mCust) lapse(g *mGrant, how bursar.GrantStatus, now bursar.Time) (lost num) {
	if g.Status == bursar.GrantActive {
		lost = g.left()
		c.poolAt[g.CurrencyID] = now
	}
	g.Status, g.UpdatedAt = how, now.Milli()
	return lost
}

// lapsed: where nothing was left, nothing sinks.
func (c *mCust) lapsed(g *mGrant, lost num) {
	if lost.sign() > 0 {
		c.sinking(g.CurrencyID)
	} else {
		c.rising(g.CurrencyID)
	}
}

func (m *model) voidGrant(id string) (bursar.Grant, *fail) {
	for _, key := range sortedKeys(m.customers) {
		for _, g := range m.customers[key].grants {
			if g.ID != id {
				continue
			}
			c, now, f := m.writable(key)
			if f != nil {
				return bursar.Grant{}, f
			}
			if g.overdraft() || g.Status != bursar.GrantActive && g.Status != bursar.GrantScheduled {
				return bursar.Grant{}, failed(bursar.CodeGrantNotVoidable)
			}
			lost := c.lapse(g, bursar.GrantVoided, now)
			at := now.Milli()
			g.VoidedAt, g.UpdatedAt = &at, at
			c.lapsed(g, lost)
			c.log.wrote(now)
			return g.show(), nil
		}
	}
	return bursar.Grant{}, failed(bursar.CodeGrantNotFound)
}

func (m *model) listGrants(q ledger.GrantQuery) (ledger.Page[bursar.Grant], *fail) {
	c, _ := m.customer(q.CustomerID)
	if c == nil {
		return ledger.Page[bursar.Grant]{}, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Grant
	for _, g := range c.grants {
		if q.CurrencyID == "" || g.CurrencyID == q.CurrencyID {
			list = append(list, g.show())
		}
	}
	return pageOf(list, func(g bursar.Grant) ledger.ListPos { return ledger.ListPos{ID: g.ID} }, byID(q.ListPage)), nil
}

// credit is the balance as a reply shows it.
func (c *mCust) credit(currency string, consumed *num) *bursar.Balance {
	f := c.pool(currency)
	t := c.total(currencyOf(currency))
	b := &bursar.Balance{CurrencyID: currency, Used: t.used.amount(), Limit: f.limit.amount(), Held: t.held.amount(), At: c.poolAt[currency]}
	if b.At == 0 {
		b.At = c.info.CreatedAt
	}
	for _, g := range c.burnOrder(currency) {
		if g.left().sign() > 0 && g.ExpireAt != 0 && (b.ExpiresAt == 0 || g.ExpireAt < b.ExpiresAt) {
			b.ExpiresAt = g.ExpireAt
		}
	}
	if consumed != nil {
		b.Consumed = consumed.ptr()
	}
	return b
}

// changed is when a total last moved.
func (c *mCust) changed(k bursar.Capability) bursar.Time {
	if t := c.total(k); t.at != 0 {
		return t.at
	}
	return c.info.CreatedAt
}

func compareText(a, b string) int { return strings.Compare(a, b) }
