package engine

import (
	"crypto/sha256"
	"slices"

	"github.com/bursarhq/bursar"
)

// draw takes amount from a pool, or gives it back when it is negative. What no grant
// has, the overdraft takes.
func (d *decider) draw(cap uint32, amount bursar.Amount, feature uint32, of int, reason drawReason, at bursar.Time) {
	if amount.IsZero() {
		return
	}
	r := &drawRec{cap: cap, feature: feature, of: uint32(of), reason: reason, at: at}
	if amount.Sign() > 0 {
		r.moves = d.burn(cap, amount, at)
	} else {
		r.moves = d.refund(cap, amount.Neg())
	}
	d.emit(r)
	for _, m := range r.moves {
		if g := d.grant(m.grant); m.amount.Sign() > 0 && g.Type != bursar.GrantOverdraft && g.left().IsZero() {
			d.notify(bursar.EventGrantDepleted, creditData{CustomerID: d.cust().ID, CurrencyID: g.CurrencyID, GrantID: g.ID, Balance: d.pool(cap).left()})
		}
	}
	d.checkLow(cap, amount.Sign() > 0)
}

func (d *decider) burn(cap uint32, amount bursar.Amount, at bursar.Time) (moves []move) {
	for _, ord := range d.pool(cap).live {
		g := d.grant(ord)
		if x := bursar.MinAmount(g.left(), amount); g.Status == bursar.GrantActive && x.Sign() > 0 {
			moves = append(moves, move{grant: ord, amount: x})
			if amount = amount.Sub(x); amount.IsZero() {
				return moves
			}
		}
	}
	return append(moves, move{grant: d.overdraftOf(cap, at), amount: amount})
}

// overdraftOf is the number of a pool's overdraft grant, made at that instant if it has
// none. Its id is the same for whoever reads before it is recorded.
func (d *decider) overdraftOf(cap uint32, at bursar.Time) uint32 {
	if ord := d.pool(cap).overdraft; ord != 0 {
		return ord
	}
	now := at.Milli()
	var owner [16]byte
	sum := sha256.Sum256([]byte(d.cust().ID))
	copy(owner[:], sum[:])
	r := &grantRec{ord: d.nextGrant(), cap: cap, id: globalID(at, 0, owner, 'o', int(cap)), active: true}
	r.grant = bursar.Grant{GrantInput: bursar.GrantInput{CustomerID: d.cust().ID, CurrencyID: d.capability(cap).ID, DisplayName: "Overdraft",
		Type: bursar.GrantOverdraft, EffectiveAt: now, Cost: bursar.Money{Currency: "usd"}}, Status: bursar.GrantActive, CreatedAt: now, UpdatedAt: now}
	d.emit(r)
	return r.ord
}

func (d *decider) refund(cap uint32, amount bursar.Amount) (moves []move) {
	p := d.pool(cap)
	take := func(ord uint32, ok bool) {
		if x := bursar.MinAmount(d.grant(ord).Consumed, amount); ok && x.Sign() > 0 {
			moves = append(moves, move{ord, x.Neg(), d.grant(ord).ended()})
			amount = amount.Sub(x)
		}
	}
	if p.overdraft != 0 {
		take(p.overdraft, true)
	}
	for _, ord := range slices.Backward(p.live) {
		take(ord, d.grant(ord).Status == bursar.GrantActive)
	}
	ended := slices.Clone(p.ended)
	slices.SortFunc(ended, func(a, b uint32) int { return int(b) - int(a) })
	for _, ord := range ended {
		take(ord, true)
	}
	return moves
}

// takeOver lets a grant that has become active settle the overdraft.
func (d *decider) takeOver(ord uint32, at bursar.Time) {
	g := d.grant(ord)
	p := d.pool(g.cap)
	if p.overdraft != 0 {
		if x := bursar.MinAmount(d.grant(p.overdraft).Consumed, g.Amount); x.Sign() > 0 {
			d.emit(&drawRec{cap: g.cap, reason: drawTransfer, at: at, moves: []move{{grant: p.overdraft, amount: x.Neg()}, {grant: ord, amount: x}}})
		}
	}
	d.checkLow(g.cap, false)
}

// passTime records what time has done to a grant.
func (d *decider) passTime(t timedGrant) {
	if t.begin {
		d.emit(&grantBeginRec{t.ord, t.at})
		d.takeOver(t.ord, t.at)
		return
	}
	g := d.grant(t.ord)
	left := g.left()
	d.emit(&grantEndRec{t.ord, t.at, false, left})
	d.notify(bursar.EventCreditsExpired, creditData{CustomerID: d.cust().ID, CurrencyID: g.CurrencyID, GrantID: g.ID, Amount: &left, Balance: d.pool(g.cap).left()})
	d.checkLow(g.cap, left.Sign() > 0)
}

type createGrant struct {
	caller Caller
	in     bursar.GrantInput
}

const maxPriority = 1000

func (o *createGrant) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, bursar.ErrorAt("/customerId", bursar.CodeCustomerNotFound, "there is no customer %q", o.in.CustomerID)
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	in := o.in
	var p bursar.Problems
	now := d.now.Milli()
	if in.EffectiveAt = in.EffectiveAt.Milli(); in.EffectiveAt == 0 {
		in.EffectiveAt = now
	}
	in.ExpireAt = in.ExpireAt.Milli()
	d.checkGrant(&in, &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	in.Metadata = patchMetadata(nil, in.Metadata, "/metadata", &p)
	g := bursar.Grant{GrantInput: in, Status: bursar.GrantScheduled, CreatedAt: now, UpdatedAt: now}
	if err := p.Err(); err != nil {
		return nil, err
	}
	cap := d.capFor(bursar.Capability{Kind: bursar.KindCurrency, ID: in.CurrencyID})
	r := &grantRec{ord: d.nextGrant(), cap: cap, id: globalID(d.now, d.head.Seq, d.commit, 'g', len(d.recs)), active: in.EffectiveAt <= d.now}
	if r.active {
		g.Status = bursar.GrantActive
	}
	g.ID = formatID(r.id)
	r.grant = g
	d.emit(r)
	if r.active {
		d.takeOver(r.ord, d.now)
	}
	d.notify(bursar.EventCreditsGranted, creditData{CustomerID: d.cust().ID, CurrencyID: in.CurrencyID, GrantID: g.ID, Amount: &in.Amount, Balance: d.pool(cap).left()})
	out := d.grant(r.ord).Grant
	d.audit(&o.caller, "grant.created", "grant", g.ID, "", nil, grantAudit(out))
	return out, nil
}

func (d *decider) checkGrant(in *bursar.GrantInput, p *bursar.Problems) {
	switch cur := d.cat.currencies[in.CurrencyID]; {
	case cur == nil:
		p.Add("/currencyId", bursar.CodeCurrencyNotFound, "there is no currency %q", in.CurrencyID)
	case cur.ArchivedAt != nil:
		p.Add("/currencyId", bursar.CodeValidationFailed, "the currency %q is archived", in.CurrencyID)
	case !cur.Prepaid:
		p.Add("/currencyId", bursar.CodeValidationFailed, "the currency %q is not prepaid: it has no pool to grant credits to", in.CurrencyID)
	}
	if in.Amount.Sign() <= 0 || !in.Amount.InRange() {
		p.Add("/amount", bursar.CodeInvalidAmount, "a grant is above 0")
	}
	checkName("/displayName", in.DisplayName, p)
	checkText("/comment", in.Comment, p)
	if in.Type != bursar.GrantPaid && in.Type != bursar.GrantPromotional {
		p.Add("/grantType", bursar.CodeValidationFailed, "grantType is PAID or PROMOTIONAL")
	}
	if in.ExpireAt != 0 && in.ExpireAt <= max(in.EffectiveAt, d.now) {
		p.Add("/expireAt", bursar.CodeValidationFailed, "expireAt must be after effectiveAt and after now, %s", max(in.EffectiveAt, d.now))
	}
	if in.Priority < 0 || in.Priority > maxPriority {
		p.Add("/priority", bursar.CodeValidationFailed, "a priority is 0 to %d; lower burns first", maxPriority)
	}
	if in.Cost.Amount.Sign() < 0 {
		p.Add("/cost/amount", bursar.CodeInvalidAmount, "a cost is 0 or more")
	}
}

// orNull is how an audit entry shows an instant that may be none.
func orNull(t bursar.Time) *bursar.Time {
	if t == 0 {
		return nil
	}
	return &t
}

func grantAudit(g bursar.Grant) map[string]any {
	return map[string]any{"currencyId": g.CurrencyID, "amount": g.Amount, "displayName": g.DisplayName, "grantType": g.Type,
		"effectiveAt": g.EffectiveAt, "expireAt": orNull(g.ExpireAt), "priority": g.Priority, "status": g.Status}
}

type voidGrant struct {
	caller Caller
	id     [16]byte
}

func (o *voidGrant) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, errNoGrant(formatID(o.id))
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	for ord := uint32(1); ord < d.nextGrant(); ord++ {
		g := d.grant(ord)
		if g.id != o.id {
			continue
		}
		if g.ended() || g.Type == bursar.GrantOverdraft {
			return nil, bursar.Errorf(bursar.CodeGrantNotVoidable, "the grant %s is %s, of type %s: only ACTIVE and SCHEDULED grants can be voided", g.ID, g.Status, g.Type)
		}
		before := grantAudit(g.Grant)
		lapsed := g.left()
		if g.Status == bursar.GrantScheduled {
			lapsed = bursar.Amount{} // it was never there
		}
		d.emit(&grantEndRec{ord, d.now.Milli(), true, lapsed})
		d.checkLow(g.cap, lapsed.Sign() > 0)
		out := d.grant(ord).Grant
		d.audit(&o.caller, "grant.voided", "grant", out.ID, "", before, grantAudit(out))
		return out, nil
	}
	return nil, errNoGrant(formatID(o.id))
}

func errNoGrant(id string) error {
	return bursar.Errorf(bursar.CodeGrantNotFound, "there is no grant %.64q", id)
}

// balance is a customer's pool as callers see it.
func (v *view) balance(c bursar.Capability) bursar.Balance {
	cap := v.capOrd(c)
	p, t := v.pool(cap), v.standingTotal(cap)
	b := bursar.Balance{CurrencyID: c.ID, Used: t.value, Limit: p.limit, Held: t.held, At: max(p.at, t.at)}
	if b.At == 0 {
		b.At = v.cust().CreatedAt
	}
	for _, ord := range p.live {
		if g := v.grant(ord); g.Status == bursar.GrantActive && g.left().Sign() > 0 && g.ExpireAt != 0 && (b.ExpiresAt == 0 || g.ExpireAt < b.ExpiresAt) {
			b.ExpiresAt = g.ExpireAt
		}
	}
	return b
}

// liveGrants counts the grants of a currency, in the state, that have not ended.
func (s *state) liveGrants(cap uint32) int {
	if p := s.pools[cap]; p != nil {
		return len(p.live)
	}
	return 0
}

// credit is the balance that usage leaves in the first prepaid currency that it cost.
func (v *view) credit(cat *Catalogue, asks []ask) *bursar.Balance {
	for _, a := range asks {
		if a.c.Kind == bursar.KindCurrency && cat.prepaid(a.c.ID) {
			b := v.balance(a.c)
			amount := a.amount
			b.Consumed = &amount
			return &b
		}
	}
	return nil
}
