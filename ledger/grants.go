package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (v *View) applyGrant(r *record.GrantMade) error {
	if r.Ord != v.nextGrant() {
		return fmt.Errorf("%w: grant number %d", record.ErrRecord, r.Ord)
	}
	v.newGrants++
	if v.undoing {
		v.undo = append(v.undo, func() { v.newGrants-- })
	}
	g := &grant{Grant: r.Grant, cap: r.Cap, id: r.ID}
	g.ID = store.FormatID(r.ID)
	put(v, &v.grts, r.Ord, g)
	p := *v.pool(r.Cap)
	if g.Type == bursar.GrantOverdraft {
		p.overdraft = r.Ord
	} else {
		if r.Active {
			p.Limit, p.active, p.at = p.Limit.Add(g.Amount), p.active.Add(g.Amount), v.Now.Milli()
		}
		i, _ := slices.BinarySearchFunc(p.Live, g, func(o uint32, g *grant) int { return compareBurn(v.grant(o), g) })
		p.Live = slices.Insert(slices.Clone(p.Live), i, r.Ord)
	}
	put(v, &v.pls, r.Cap, &p)
	return nil
}

// changeGrant lets f change copies of a grant and its pool, and puts them in place.
func (v *View) changeGrant(ord uint32, f func(*grant, *pool)) error {
	old := v.grant(ord)
	if old == nil {
		return fmt.Errorf("%w: no grant number %d", record.ErrRecord, ord)
	}
	g, p := *old, *v.pool(old.cap)
	f(&g, &p)
	if g.ended() && !old.ended() {
		p.Live = slices.DeleteFunc(slices.Clone(p.Live), func(o uint32) bool { return o == ord })
		push(v, &v.newEnded, ord)
	}
	put(v, &v.grts, ord, &g)
	put(v, &v.pls, g.cap, &p)
	return nil
}

func endGrant(r *record.GrantEnded, g *grant, p *pool) {
	if g.Status == bursar.GrantActive {
		p.Limit, p.active, p.at = p.Limit.Sub(g.left()), p.active.Sub(g.Amount), r.At
	}
	g.Status, g.UpdatedAt = bursar.GrantExpired, r.At
	if r.Voided {
		at := r.At
		g.Status, g.VoidedAt = bursar.GrantVoided, &at
	}
}

// grantPart is a grant in a checkpoint.
type grantPart struct {
	Grant bursar.Grant      `json:"grant"`
	Cap   bursar.Capability `json:"capability"`
}

// takeOver lets a grant that has become active settle the overdraft.
func (d *Decider) takeOver(ord uint32, at bursar.Time) {
	g := d.grant(ord)
	p := d.pool(g.cap)
	if p.overdraft != 0 {
		if x := bursar.MinAmount(d.grant(p.overdraft).Consumed, g.Amount); x.Sign() > 0 {
			d.Emit(&record.Draw{Cap: g.cap, Reason: record.DrawTransfer, At: at, Moves: []record.Move{{Grant: p.overdraft, Amount: x.Neg()}, {Grant: ord, Amount: x}}})
		}
	}
	d.checkLow(g.cap, false)
}

// passTime records what time has done to a grant.
func (d *Decider) passTime(t timedGrant) {
	if t.begin {
		d.Emit(&record.GrantBegun{Ord: t.ord, At: t.at})
		d.takeOver(t.ord, t.at)
		return
	}
	g := d.grant(t.ord)
	left := g.left()
	d.Emit(&record.GrantEnded{Ord: t.ord, At: t.at, Voided: false, Lapsed: left})
	d.notify(bursar.EventCreditsExpired, catalogue.CreditData{CustomerID: d.Cust().ID, CurrencyID: g.CurrencyID, GrantID: g.ID, Amount: &left, Balance: d.pool(g.cap).left()})
	d.checkLow(g.cap, left.Sign() > 0)
}

type CreateGrant struct {
	Caller catalogue.Caller
	In     bursar.GrantInput
}

const maxPriority = 1000

func (o *CreateGrant) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, bursar.ErrorAt("/customerId", bursar.CodeCustomerNotFound, "there is no customer %q", o.In.CustomerID)
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	in := o.In
	var p bursar.Problems
	now := d.Now.Milli()
	if in.EffectiveAt = in.EffectiveAt.Milli(); in.EffectiveAt == 0 {
		in.EffectiveAt = now
	}
	in.ExpireAt = in.ExpireAt.Milli()
	d.checkGrant(&in, &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	in.Metadata = catalogue.PatchMetadata(nil, in.Metadata, "/metadata", &p)
	g := bursar.Grant{GrantInput: in, Status: bursar.GrantScheduled, CreatedAt: now, UpdatedAt: now}
	if err := p.Err(); err != nil {
		return nil, err
	}
	cap := d.CapFor(bursar.Capability{Kind: bursar.KindCurrency, ID: in.CurrencyID})
	r := &record.GrantMade{Ord: d.nextGrant(), Cap: cap, ID: catalogue.GlobalID(d.Now, d.Head.Seq, d.CommitID, 'g', len(d.Recs)), Active: in.EffectiveAt <= d.Now}
	if r.Active {
		g.Status = bursar.GrantActive
	}
	g.ID = store.FormatID(r.ID)
	r.Grant = g
	d.Emit(r)
	if r.Active {
		d.takeOver(r.Ord, d.Now)
	}
	d.notify(bursar.EventCreditsGranted, catalogue.CreditData{CustomerID: d.Cust().ID, CurrencyID: in.CurrencyID, GrantID: g.ID, Amount: &in.Amount, Balance: d.pool(cap).left()})
	out := d.grant(r.Ord).Grant
	d.audit(&o.Caller, "grant.created", "grant", g.ID, "", nil, grantAudit(out))
	return out, nil
}

func (d *Decider) checkGrant(in *bursar.GrantInput, p *bursar.Problems) {
	switch cur := d.Cat.CurrencyOf[in.CurrencyID]; {
	case cur == nil:
		p.Add("/currencyId", bursar.CodeCurrencyNotFound, "%s", d.missing(d.Cat, catalogue.OfCurrency, in.CurrencyID))
	case cur.ArchivedAt != nil:
		p.Add("/currencyId", bursar.CodeValidationFailed, "the currency %q is archived", in.CurrencyID)
	case !cur.Prepaid:
		p.Add("/currencyId", bursar.CodeValidationFailed, "the currency %q is not prepaid: it has no pool to grant credits to", in.CurrencyID)
	}
	if in.Amount.Sign() <= 0 || !in.Amount.InRange() {
		p.Add("/amount", bursar.CodeInvalidAmount, "a grant is above 0")
	}
	catalogue.CheckName("/displayName", in.DisplayName, p)
	catalogue.CheckText("/comment", in.Comment, p)
	if in.Type != bursar.GrantPaid && in.Type != bursar.GrantPromotional {
		p.Add("/grantType", bursar.CodeValidationFailed, "grantType is PAID or PROMOTIONAL")
	}
	if in.ExpireAt != 0 && in.ExpireAt <= max(in.EffectiveAt, d.Now) {
		p.Add("/expireAt", bursar.CodeValidationFailed, "expireAt must be after effectiveAt and after now, %s", max(in.EffectiveAt, d.Now))
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

type VoidGrant struct {
	Caller catalogue.Caller
	ID     [16]byte
}

func (o *VoidGrant) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, ErrNoGrant(store.FormatID(o.ID))
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	if ord := d.grantOf(o.ID); ord != 0 {
		g := d.grant(ord)
		if g.ended() || g.Type == bursar.GrantOverdraft {
			return nil, bursar.Errorf(bursar.CodeGrantNotVoidable, "the grant %s is %s, of type %s: only ACTIVE and SCHEDULED grants can be voided", g.ID, g.Status, g.Type)
		}
		before := grantAudit(g.Grant)
		lapsed := g.left()
		if g.Status == bursar.GrantScheduled {
			lapsed = bursar.Amount{} // it was never there
		}
		d.Emit(&record.GrantEnded{Ord: ord, At: d.Now.Milli(), Voided: true, Lapsed: lapsed})
		d.checkLow(g.cap, lapsed.Sign() > 0)
		out := d.grant(ord).Grant
		d.audit(&o.Caller, "grant.voided", "grant", out.ID, "", before, grantAudit(out))
		return out, nil
	}
	return nil, ErrNoGrant(store.FormatID(o.ID))
}

// grantOf is the number of a grant, which is looked for among those that have not ended
// first; 0 = there is none.
func (v *View) grantOf(id [16]byte) uint32 {
	for _, cap := range v.poolCaps() {
		for _, ord := range v.pool(cap).Live {
			if v.Visits++; v.grant(ord).id == id {
				return ord
			}
		}
	}
	for ord := uint32(1); ord < v.nextGrant(); ord++ {
		if v.Visits++; v.grant(ord).id == id {
			return ord
		}
	}
	return 0
}

func ErrNoGrant(id string) error {
	return bursar.Errorf(bursar.CodeGrantNotFound, "there is no grant %.64q", id)
}

// liveGrants counts the grants of a currency, in the state, that have not ended.
func (s *State) liveGrants(cap uint32) int {
	if p := s.Pools[cap]; p != nil {
		return len(p.Live)
	}
	return 0
}

type grant struct {
	bursar.Grant // Status is as recorded
	cap          uint32
	id           [16]byte
}

func (g *grant) left() bursar.Amount { return g.Amount.Sub(g.Consumed) }

func (g *grant) ended() bool {
	return g.Status == bursar.GrantExpired || g.Status == bursar.GrantVoided
}

// timed is when g changes by time alone, at the earliest; 0 = never.
func (g *grant) timed() bursar.Time {
	switch {
	case g.Status == bursar.GrantScheduled:
		return g.EffectiveAt
	case g.Status == bursar.GrantActive:
		return g.ExpireAt
	}
	return 0
}

// compareBurn orders grants as they burn. The overdraft is not among those compared.
func compareBurn(a, b *grant) int {
	never := func(t bursar.Time) bursar.Time {
		if t == 0 {
			return 1<<63 - 1
		}
		return t
	}
	paid := func(g *grant) int {
		if g.Type == bursar.GrantPaid {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(never(a.ExpireAt), never(b.ExpireAt)),
		cmp.Compare(paid(a), paid(b)), cmp.Compare(a.EffectiveAt, b.EffectiveAt), record.CompareID(a.id, b.id))
}

// setGrants keeps what follows from all grants.
func (s *State) setGrants() {
	s.timed = 0
	for _, p := range s.Pools {
		for _, ord := range p.Live {
			if t := s.Grants[ord].timed(); t != 0 && (s.timed == 0 || t < s.timed) {
				s.timed = t
			}
		}
	}
}

// timedGrants lists what time has done to grants until now and no commit has recorded. It is in
// order of time; of one instant beginnings come first.
func (v *View) timedGrants() (out []timedGrant) {
	if len(v.grts) == 0 && (v.timed == 0 || v.timed > v.Now) {
		return nil
	}
	add := func(ord uint32, at bursar.Time, begin bool) {
		if at != 0 && at <= v.Now {
			out = append(out, timedGrant{at, ord, begin})
		}
	}
	for _, cap := range v.poolCaps() {
		for _, ord := range v.pool(cap).Live {
			g := v.grant(ord)
			if g.Status == bursar.GrantScheduled {
				add(ord, g.EffectiveAt, true)
			}
			add(ord, g.ExpireAt, false)
		}
	}
	slices.SortFunc(out, func(a, b timedGrant) int {
		if a.begin != b.begin && a.at == b.at {
			if a.begin {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.ord, b.ord))
	})
	return out
}

type timedGrant struct {
	at    bursar.Time
	ord   uint32
	begin bool
}

func (v *View) grant(ord uint32) *grant {
	if g, ok := v.grts[ord]; ok {
		return g
	}
	if int(ord) < len(v.Grants) {
		return v.Grants[ord]
	}
	return nil
}

func (v *View) nextGrant() uint32 { return uint32(len(v.Grants) + v.newGrants) }

// GrantList is a page of the grants, those that have ended too.
func (v *View) GrantList(q *GrantQuery) (p Page[bursar.Grant]) {
	var all []bursar.Grant
	for ord := uint32(1); ord < v.nextGrant(); ord++ {
		g := v.grant(ord)
		if (q.CurrencyID == "" || g.CurrencyID == q.CurrencyID) && g.CreatedAt >= q.CreatedFrom && (q.CreatedTo == 0 || g.CreatedAt < q.CreatedTo) {
			all = append(all, g.Grant)
		}
	}
	slices.SortFunc(all, func(a, b bursar.Grant) int { return strings.Compare(a.ID, b.ID) })
	if q.Before != nil {
		all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID >= q.Before.ID })
		all = all[max(0, len(all)-q.Limit-1):]
	}
	if q.After != nil {
		all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID <= q.After.ID })
	}
	p.Items = append([]bursar.Grant{}, all[:min(len(all), q.Limit+1)]...)
	p.Cut(q.Limit, q.After != nil, q.Before != nil)
	return p
}

// Grants that have ended are kept for listings, and to take in credits that usage gives back. A
// decision looks through them only if more is given back than the live grants gave. A checkpoint
// has no list of them, as each grant says whether it has ended.

// endedMark is a part of a checkpoint that says only that grants have ended. It keeps older versions
// from reading the checkpoint: they expect such grants in a list of their pool.
type endedMark struct{}

// addEnded takes in that grants have ended.
func (s *State) addEnded(ords []uint32) {
	s.overGrants = append(s.overGrants, ords...)
	s.markEnded()
}

func (s *State) markEnded() {
	if len(s.overGrants) > 0 && !s.endedMarked {
		s.endedMarked = true
		s.Dirty.part(partEnded, 0, endedMark{})
	}
}

// endedRestored finds the grants that have ended. Those that pools of older versions list come
// first, in the order of the lists.
func (s *State) endedRestored() {
	listed := make(map[uint32]bool, len(s.Grants))
	add := func(ord uint32) {
		if int(ord) < len(s.Grants) && !listed[ord] && s.Grants[ord] != nil && s.Grants[ord].ended() {
			listed[ord] = true
			s.overGrants = append(s.overGrants, ord)
		}
	}
	for _, ord := range s.poolsEnded {
		add(ord)
	}
	s.poolsEnded = nil
	for ord := range s.Grants {
		add(uint32(ord))
	}
	s.markEnded()
}
