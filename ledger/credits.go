package ledger

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// creditChanges are the changes of a batch to credits.
type creditChanges struct {
	grts      map[uint32]*grant
	newGrants int
	newEnded  []uint32
	pls       map[uint32]*pool
	correct   bool
}

func (v *View) applyDraw(r *record.Draw) error {
	for _, m := range r.Moves {
		err := v.changeGrant(m.Grant, func(g *grant, p *pool) {
			g.Consumed, g.UpdatedAt = g.Consumed.Add(m.Amount), r.At.Milli()
			p.Used, p.at = p.Used.Add(m.Amount), r.At.Milli()
			if g.ended() { // credits given back to an ended grant lapse, and cannot be used again
				p.Limit = p.Limit.Add(m.Amount)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeCredits moves the changes into the state.
func (v *View) mergeCredits(head store.Head) {
	s := v.State
	for range v.newGrants {
		s.Grants = append(s.Grants, v.grts[uint32(len(s.Grants))])
	}
	for ord, g := range v.grts {
		s.Grants[ord] = g
		s.Dirty.part(partGrant, ord, g)
	}
	s.addEnded(v.newEnded)
	for cap, p := range v.pls {
		s.Pools[cap] = p
		s.Dirty.part(partPool, cap, p)
	}
	if v.correct {
		s.corrected = head.Seq
	}
	if len(v.grts) > 0 {
		s.setGrants()
	}
}

type poolPart struct {
	Limit     bursar.Amount `json:"limit"`
	Used      bursar.Amount `json:"used"`
	Active    bursar.Amount `json:"active"`
	At        bursar.Time   `json:"at"`
	Overdraft uint32        `json:"overdraft"`
	Live      []uint32      `json:"live"`
	Ended     []uint32      `json:"ended"` // only sums, and checkpoints of older versions, have them
	Low       []int         `json:"low"`
}

// draw takes amount from a pool, or gives it back when it is negative. What no grant
// has, the overdraft takes.
func (d *Decider) draw(cap uint32, amount bursar.Amount, feature uint32, of int, reason record.DrawReason, at bursar.Time) {
	if amount.IsZero() {
		return
	}
	if d.whole != nil {
		d.whole.draw(cap, feature, of, amount)
		return
	}
	r := &record.Draw{Cap: cap, Feature: feature, Of: uint32(of), Reason: reason, At: at}
	if amount.Sign() > 0 {
		r.Moves = d.burn(cap, amount, at)
	} else {
		r.Moves = d.refund(cap, amount.Neg())
	}
	d.Emit(r)
	for _, m := range r.Moves {
		g := d.grant(m.Grant)
		if m.Amount.Sign() <= 0 || g.Type == bursar.GrantOverdraft {
			continue
		}
		d.tellGrant(g, m.Amount)
		if g.left().IsZero() {
			d.notify(bursar.EventGrantDepleted, catalogue.CreditData{CustomerID: d.Cust().ID, CurrencyID: g.CurrencyID, GrantID: g.ID, Balance: d.pool(cap).left()})
		}
	}
	d.checkLow(cap, amount.Sign() > 0)
}

func (d *Decider) burn(cap uint32, amount bursar.Amount, at bursar.Time) (moves []record.Move) {
	for _, ord := range d.pool(cap).Live {
		d.Visits++
		g := d.grant(ord)
		if x := bursar.MinAmount(g.left(), amount); g.Status == bursar.GrantActive && x.Sign() > 0 {
			moves = append(moves, record.Move{Grant: ord, Amount: x})
			if amount = amount.Sub(x); amount.IsZero() {
				return moves
			}
		}
	}
	return append(moves, record.Move{Grant: d.overdraftOf(cap, at), Amount: amount})
}

// overdraftOf is the number of a pool's overdraft grant. If it has none, one is made at that
// instant. Its id does not depend on the commit: readers show the same id before it is recorded.
func (d *Decider) overdraftOf(cap uint32, at bursar.Time) uint32 {
	if ord := d.pool(cap).overdraft; ord != 0 {
		return ord
	}
	now := at.Milli()
	var owner [16]byte
	sum := sha256.Sum256([]byte(d.Cust().ID))
	copy(owner[:], sum[:])
	r := &record.GrantMade{Ord: d.nextGrant(), Cap: cap, ID: catalogue.GlobalID(at, 0, owner, 'o', int(cap)), Active: true}
	r.Grant = bursar.Grant{GrantInput: bursar.GrantInput{CustomerID: d.Cust().ID, CurrencyID: d.Capability(cap).ID, DisplayName: "Overdraft",
		Type: bursar.GrantOverdraft, EffectiveAt: now, Cost: bursar.Money{Currency: "usd"}}, Status: bursar.GrantActive, CreatedAt: now, UpdatedAt: now}
	d.Emit(r)
	return r.Ord
}

func (d *Decider) refund(cap uint32, amount bursar.Amount) (moves []record.Move) {
	p := d.pool(cap)
	take := func(ord uint32, ok bool) {
		d.Visits++
		if x := bursar.MinAmount(d.grant(ord).Consumed, amount); ok && x.Sign() > 0 {
			moves = append(moves, record.Move{Grant: ord, Amount: x.Neg(), Ended: d.grant(ord).ended()})
			amount = amount.Sub(x)
		}
	}
	if p.overdraft != 0 {
		take(p.overdraft, true)
	}
	for _, ord := range slices.Backward(p.Live) {
		take(ord, d.grant(ord).Status == bursar.GrantActive)
	}
	for ord := d.nextGrant() - 1; ord > 0 && !amount.IsZero(); ord-- { // the newest of those that have ended
		g := d.grant(ord)
		take(ord, g.cap == cap && g.ended())
	}
	return moves
}

// Balance is a customer's pool as callers see it.
func (v *View) Balance(c bursar.Capability) bursar.Balance {
	cap := v.CapOrd(c)
	p, t := v.pool(cap), v.StandingTotal(cap)
	b := bursar.Balance{CurrencyID: c.ID, Used: t.Value, Limit: p.Limit, Held: t.Held, At: max(p.at, t.At)}
	if b.At == 0 {
		b.At = v.Cust().CreatedAt
	}
	for _, ord := range p.Live {
		if g := v.grant(ord); g.Status == bursar.GrantActive && g.left().Sign() > 0 && g.ExpireAt != 0 && (b.ExpiresAt == 0 || g.ExpireAt < b.ExpiresAt) {
			b.ExpiresAt = g.ExpireAt
		}
	}
	return b
}

// Credit is the balance, after usage, of the first prepaid currency that the usage cost; nil = it
// cost none.
func (v *View) Credit(cat *catalogue.Catalogue, asks []Ask) *bursar.Balance {
	for _, a := range asks {
		if a.C.Kind == bursar.KindCurrency && cat.Prepaid(a.C.ID) {
			b := v.Balance(a.C)
			amount := a.Amount
			b.Consumed = &amount
			return &b
		}
	}
	return nil
}

// credits are the part of a customer's state that is about grants and pools. Like the rest of
// the state its values are immutable.
type credits struct {
	Grants      []*grant // by ord
	overGrants  []uint32 // grants that have ended, in the order in which they ended as far as that is known
	endedMarked bool     // a checkpoint has, or will have, an endedMark
	Pools       map[uint32]*pool
	// corrected is the seq of the last commit that re-pricing made, of those applied since the
	// state was loaded; 0 = none. Checkpoints do not keep it.
	corrected uint64
	// timed is when the next grant becomes active or expires; 0 = none does.
	timed bursar.Time
	// poolsEnded is used while a checkpoint is read: the ended grants that pools of older versions list.
	poolsEnded []uint32
}

func newCredits() credits {
	return credits{Grants: make([]*grant, 1), Pools: map[uint32]*pool{}}
}

// pool is a customer's credits of one currency. limit − used is what is left.
type pool struct {
	Limit, Used bursar.Amount
	active      bursar.Amount // Σ amounts of active grants
	at          bursar.Time
	overdraft   uint32   // its grant; 0 = never needed
	Live        []uint32 // scheduled and active grants, as they burn
	Low         []int    // low-balance levels that have fired
}

func (p *pool) left() bursar.Amount { return p.Limit.Sub(p.Used) }

// poolCaps are the currencies that have a pool, in order of their numbers.
func (v *View) poolCaps() []uint32 {
	caps := slices.Collect(maps.Keys(v.Pools))
	for c := range v.pls {
		if v.Pools[c] == nil {
			caps = append(caps, c)
		}
	}
	slices.Sort(caps)
	return caps
}

// pool is never nil.
func (v *View) pool(cap uint32) *pool {
	if p, ok := v.pls[cap]; ok {
		return p
	}
	if p := v.Pools[cap]; p != nil {
		return p
	}
	return &pool{}
}

func (p *pool) part(ended []uint32) poolPart {
	return poolPart{p.Limit, p.Used, p.active, p.at, p.overdraft, p.Live, ended, p.Low}
}

// dumpPools writes each pool with its grants that have ended.
func (s *State) dumpPools(e *record.Encoder, inOrder bool) {
	list := s.overGrants
	if !inOrder {
		list = slices.Sorted(slices.Values(list))
	}
	ended := map[uint32][]uint32{}
	for _, ord := range list {
		g := s.Grants[ord]
		ended[g.cap] = append(ended[g.cap], ord)
	}
	for _, cap := range slices.Sorted(maps.Keys(s.Pools)) {
		b, _ := json.Marshal(s.Pools[cap].part(ended[cap])) // no type in it can fail
		e.Ord(cap)
		e.Bytes(b)
	}
}
