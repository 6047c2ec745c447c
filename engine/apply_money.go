package engine

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// moneyChanges are the changes of a batch to what money has.
type moneyChanges struct {
	grts      map[uint32]*grant
	newGrants int
	pls       map[uint32]*pool
	bsts      map[uint32][]*boost
	prms      map[uint32]*promo // nil value = deleted
	frd       map[uint32]*fired
	unq       map[uniqueKey]*uniqueChange
	moved     map[uint32][2]bursar.Time // by row: its current window began at the first and does so at the second
	correct   bool
}

// uniqueChange is what a batch adds to a set.
type uniqueChange struct {
	added map[uint64]bool
	full  *uniqueSet // a copy with added, once the set does not count exactly
}

func (v *view) applyMoney(r record) error {
	switch r := r.(type) {
	case *costRec:
		return v.applyCost(r)
	case *drawRec:
		return v.applyDraw(r)
	case *holdCostRec:
		return v.applyHoldCost(r)
	case *grantRec:
		return v.applyGrant(r)
	case *grantBeginRec:
		return v.changeGrant(r.ord, func(g *grant, p *pool) {
			g.Status, g.UpdatedAt = bursar.GrantActive, r.at
			p.limit, p.active, p.at = p.limit.Add(g.Amount), p.active.Add(g.Amount), r.at
		})
	case *grantEndRec:
		return v.changeGrant(r.ord, func(g *grant, p *pool) { endGrant(r, g, p) })
	case *boostRec:
		b := r.boost
		list := append(slices.Clone(v.boostsOf(r.row)), &b)
		put(v, &v.bsts, r.row, list[max(0, len(list)-keptBoosts):])
	case *boostEndRec:
		list := slices.Clone(v.boostsOf(r.row))
		for i, b := range list {
			if b.id == r.id {
				n := *b
				n.ended = r.at
				list[i] = &n
			}
		}
		put(v, &v.bsts, r.row, list)
	case *promotionRec:
		p := &promo{r.row, r.promotion}
		if r.deleted {
			p = nil
		}
		put(v, &v.prms, r.cap, p)
	case *firedRec:
		f := r.fired
		put(v, &v.frd, r.row, &f)
	case *lowRec:
		p := *v.pool(r.cap)
		p.low = r.levels
		put(v, &v.pls, r.cap, &p)
	case *seenRec:
		for _, k := range r.sets {
			v.addUnique(k, r.value)
		}
	default:
		return fmt.Errorf("%w: kind %d in a customer's log", errRecord, r.kind())
	}
	return nil
}

func (v *view) applyCost(r *costRec) error {
	if err := v.charge(r.charges); err != nil {
		return err
	}
	at := v.now
	if r.held {
		at = r.at
	}
	v.addTotal(r.cap, r.total, bursar.Amount{}, at)
	v.track(r.cap, r.at, r.combo, r.path, r.amount, !r.correction)
	if r.correction {
		v.noteCorrection()
	}
	if !r.held {
		return nil
	}
	h := v.hold(r.hold)
	if h == nil {
		return fmt.Errorf("%w: cost of an unknown hold", errRecord)
	}
	n := *h
	n.costs = slices.Clone(h.costs)
	for i := range n.costs {
		if n.costs[i].cap == r.cap {
			n.costs[i].charged = r.amount
		}
	}
	put(v, &v.hlds, r.hold, &n)
	return nil
}

func (v *view) noteCorrection() {
	if v.undoing {
		old := v.correct
		v.undo = append(v.undo, func() { v.correct = old })
	}
	v.correct = true
}

func (v *view) applyHoldCost(r *holdCostRec) error {
	h := v.hold(r.id)
	if h == nil {
		return fmt.Errorf("%w: price of an unknown hold", errRecord)
	}
	n := *h
	n.costs = append(slices.Clone(h.costs), r.cost)
	put(v, &v.hlds, r.id, &n)
	if n.status == bursar.HoldOpen {
		v.changeHeld(v.heldRows(&n, r.cost.cap), r.cost.held)
		v.addTotal(r.cost.cap, bursar.Amount{}, r.cost.held, v.now)
	}
	return nil
}

func (v *view) applyGrant(r *grantRec) error {
	if r.ord != v.nextGrant() {
		return fmt.Errorf("%w: grant number %d", errRecord, r.ord)
	}
	v.newGrants++
	if v.undoing {
		v.undo = append(v.undo, func() { v.newGrants-- })
	}
	g := &grant{Grant: r.grant, cap: r.cap, id: r.id}
	g.ID = formatID(r.id)
	put(v, &v.grts, r.ord, g)
	p := *v.pool(r.cap)
	if g.Type == bursar.GrantOverdraft {
		p.overdraft = r.ord
	} else {
		if r.active {
			p.limit, p.active, p.at = p.limit.Add(g.Amount), p.active.Add(g.Amount), v.now.Milli()
		}
		i, _ := slices.BinarySearchFunc(p.live, g, func(o uint32, g *grant) int { return compareBurn(v.grant(o), g) })
		p.live = slices.Insert(slices.Clone(p.live), i, r.ord)
	}
	put(v, &v.pls, r.cap, &p)
	return nil
}

// changeGrant puts copies of a grant and its pool in place that f has changed.
func (v *view) changeGrant(ord uint32, f func(*grant, *pool)) error {
	old := v.grant(ord)
	if old == nil {
		return fmt.Errorf("%w: no grant number %d", errRecord, ord)
	}
	g, p := *old, *v.pool(old.cap)
	f(&g, &p)
	if g.ended() && !old.ended() {
		p.live = slices.DeleteFunc(slices.Clone(p.live), func(o uint32) bool { return o == ord })
		p.ended = append(p.ended[:len(p.ended):len(p.ended)], ord)
	}
	put(v, &v.grts, ord, &g)
	put(v, &v.pls, g.cap, &p)
	return nil
}

func endGrant(r *grantEndRec, g *grant, p *pool) {
	if g.Status == bursar.GrantActive {
		p.limit, p.active, p.at = p.limit.Sub(g.left()), p.active.Sub(g.Amount), r.at
	}
	g.Status, g.UpdatedAt = bursar.GrantExpired, r.at
	if r.voided {
		at := r.at
		g.Status, g.VoidedAt = bursar.GrantVoided, &at
	}
}

func (v *view) applyDraw(r *drawRec) error {
	for _, m := range r.moves {
		err := v.changeGrant(m.grant, func(g *grant, p *pool) {
			g.Consumed, g.UpdatedAt = g.Consumed.Add(m.amount), r.at.Milli()
			p.used, p.at = p.used.Add(m.amount), r.at.Milli()
			if g.ended() { // these credits have lapsed: they are not there to be used again
				p.limit = p.limit.Add(m.amount)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keptBoosts bounds the boosts of a row that are remembered, maxBoosts the active ones.
const (
	keptBoosts = 100
	maxBoosts  = 20
)

// uniqueHas tells whether a set has a value, the batch's additions among them.
func (v *view) uniqueHas(k uniqueKey, value uint64) bool {
	if c := v.unq[k]; c != nil {
		if c.full != nil {
			return c.full.has(value)
		}
		if c.added[value] {
			return true
		}
	}
	s := v.baseSet(k)
	return s != nil && s.has(value)
}

// baseSet is the set of a key before the batch's additions; nil = there is none.
func (v *view) baseSet(k uniqueKey) *uniqueSet {
	if m, ok := v.moved[k.row]; ok && m[1] == k.start {
		k.start = m[0]
	}
	return v.uniques[k]
}

// uniqueGrowth is by how much a value would raise the count of a set.
func (v *view) uniqueGrowth(k uniqueKey, value uint64) uint64 {
	if v.uniqueHas(k, value) {
		return 0
	}
	c, s := v.unq[k], v.baseSet(k)
	if c != nil && c.full != nil {
		return c.full.clone().add(value)
	}
	n := uint64(0)
	if c != nil {
		n = uint64(len(c.added))
	}
	if s == nil || s.count()+n < maxExact {
		return 1
	}
	return v.uniqueCopy(k).add(value)
}

// uniqueCopy is a set of its own with all that k has.
func (v *view) uniqueCopy(k uniqueKey) *uniqueSet {
	s := newUniqueSet()
	if old := v.baseSet(k); old != nil {
		s = old.clone()
	}
	if c := v.unq[k]; c != nil {
		for _, x := range sortedValues(c.added) {
			s.add(x)
		}
	}
	return s
}

func (v *view) addUnique(k uniqueKey, value uint64) {
	c := v.unq[k]
	if c == nil {
		c = &uniqueChange{added: map[uint64]bool{}}
		put(v, &v.unq, k, c)
	}
	n := uint64(len(c.added))
	if s := v.baseSet(k); s != nil {
		n += s.count()
	}
	if c.full == nil && n >= maxExact {
		c.full = v.uniqueCopy(k)
	}
	if c.full != nil {
		c.full.add(value)
		return
	}
	c.added[value] = true
}

func sortedValues(m map[uint64]bool) []uint64 {
	out := make([]uint64, 0, len(m))
	for x := range m {
		out = append(out, x)
	}
	slices.Sort(out)
	return out
}

// mergeMoney moves the changes into the state.
func (v *view) mergeMoney(head Head) {
	s := v.state
	for range v.newGrants {
		s.grants = append(s.grants, v.grts[uint32(len(s.grants))])
	}
	for ord, g := range v.grts {
		s.grants[ord] = g
		s.dirty.part(partGrant, ord, g)
	}
	for cap, p := range v.pls {
		s.pools[cap] = p
		s.dirty.part(partPool, cap, p)
	}
	for row, b := range v.bsts {
		if v.def(row) != nil {
			s.boosts[row] = b
			s.dirty.part(partBoosts, row, b)
		}
	}
	for cap, p := range v.prms {
		if p == nil {
			delete(s.promos, cap)
		} else {
			s.promos[cap] = p
		}
		s.dirty.part(partPromo, cap, p)
	}
	for row, f := range v.frd {
		if v.def(row) != nil {
			s.fired[row] = f
			s.dirty.part(partFired, row, f)
		}
	}
	for row, def := range v.defs {
		if def == nil {
			s.dropRowParts(row)
		}
	}
	v.mergeUniques()
	if v.correct {
		s.corrected = head.Seq
	}
	if len(v.grts) > 0 {
		s.setGrants()
	}
}

// dropRowParts forgets what a deleted row had.
func (s *state) dropRowParts(row uint32) {
	if _, ok := s.boosts[row]; ok {
		delete(s.boosts, row)
		s.dirty.part(partBoosts, row, []*boost(nil))
	}
	if _, ok := s.fired[row]; ok {
		delete(s.fired, row)
		s.dirty.part(partFired, row, (*fired)(nil))
	}
	for _, start := range s.windows[row] {
		s.dropUnique(uniqueKey{row: row, start: start})
	}
	delete(s.windows, row)
}

func (s *state) dropUnique(k uniqueKey) {
	delete(s.uniques, k)
	s.dirty.uniques[k] = nil
}

func (s *state) setUnique(k uniqueKey, set *uniqueSet) {
	s.uniques[k] = set
	s.dirty.uniques[k] = set
}

func (v *view) mergeUniques() {
	s := v.state
	for row, m := range v.moved {
		from, to := uniqueKey{row: row, start: m[0]}, uniqueKey{row: row, start: m[1]}
		set := s.uniques[from]
		for _, start := range s.windows[row] {
			s.dropUnique(uniqueKey{row: row, start: start})
		}
		delete(s.windows, row)
		if set != nil {
			s.setUnique(to, set)
			s.windows[row] = []bursar.Time{to.start}
		}
	}
	for k, c := range v.unq {
		if k.row != 0 && v.def(k.row) == nil || len(c.added) == 0 && c.full == nil {
			continue
		}
		set := c.full
		if set == nil {
			if set = newUniqueSet(); s.uniques[k] != nil {
				set = s.uniques[k].clone()
			}
			for x := range c.added {
				set.add(x)
			}
		}
		s.setUnique(k, set)
		if k.row != 0 && !slices.Contains(s.windows[k.row], k.start) {
			s.keepWindows(k)
		}
	}
}

// keepWindows notes that the row has a set of the window k.start, and forgets those of
// windows that are over for longer than the previous one.
func (s *state) keepWindows(k uniqueKey) {
	kept := []bursar.Time{k.start}
	oldest := k.start
	if int(k.row) < len(s.counters) && s.counters[k.row] != nil {
		oldest = s.counters[k.row].prevStart
	}
	for _, start := range s.windows[k.row] {
		if start >= oldest {
			kept = append(kept, start)
		} else {
			s.dropUnique(uniqueKey{row: k.row, start: start})
		}
	}
	slices.Sort(kept)
	s.windows[k.row] = kept
}

// moveFired carries what a row's current window knows of itself, beside its counter, to
// the window that takes its place when the schedule changes.
func (v *view) moveFired(row uint32, from, to bursar.Time) {
	if f := v.firedOf(row); f != nil {
		moved := &fired{start: to}
		if f.start == from {
			moved.levels = f.levels
		}
		put(v, &v.frd, row, moved)
	}
	if c := v.unq[uniqueKey{row: row, start: from}]; c != nil && from != to {
		put(v, &v.unq, uniqueKey{row: row, start: to}, c)
		put(v, &v.unq, uniqueKey{row: row, start: from}, &uniqueChange{})
	}
	if m, ok := v.moved[row]; ok {
		from = m[0]
	}
	put(v, &v.moved, row, [2]bursar.Time{from, to})
}
