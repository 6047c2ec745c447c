package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// money is the part of a customer's state that is about credits, prices and alerts. Like
// the rest of the state its values are immutable.
type money struct {
	grants  []*grant // by ord
	pools   map[uint32]*pool
	boosts  map[uint32][]*boost // by row
	promos  map[uint32]*promo   // by feature
	fired   map[uint32]*fired   // by row
	uniques map[uniqueKey]*uniqueSet
	windows map[uint32][]bursar.Time // by row: windows that uniques has sets of
	// corrected is the seq of the last commit that re-pricing made; unlike the rest it is
	// only in the log, and 0 until one is seen.
	corrected uint64
	// timed is when the next grant becomes active or expires; 0 = none does.
	timed bursar.Time
}

func newMoney() money {
	return money{grants: make([]*grant, 1), pools: map[uint32]*pool{}, boosts: map[uint32][]*boost{}, promos: map[uint32]*promo{},
		fired: map[uint32]*fired{}, uniques: map[uniqueKey]*uniqueSet{}, windows: map[uint32][]bursar.Time{}}
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
		cmp.Compare(paid(a), paid(b)), cmp.Compare(a.EffectiveAt, b.EffectiveAt), compareID(a.id, b.id))
}

// pool is a customer's credits of one currency. limit − used is what is left.
type pool struct {
	limit, used bursar.Amount
	active      bursar.Amount // Σ amounts of active grants
	at          bursar.Time
	overdraft   uint32   // its grant; 0 = never needed
	live        []uint32 // scheduled and active grants, as they burn
	ended       []uint32 // the others, as they ended
	low         []int    // low-balance levels that have fired
}

func (p *pool) left() bursar.Amount { return p.limit.Sub(p.used) }

type boost struct {
	id               [16]byte
	amount           bursar.Amount
	created, expires bursar.Time
	ended            bursar.Time // 0 = not before expires
	reason           *string
	by               string
}

func (b *boost) activeAt(t bursar.Time) bool {
	return b.created <= t && t < b.expires && (b.ended == 0 || t < b.ended)
}

type promo struct {
	row uint32
	bursar.Promotion
}

// fired are the thresholds of a row that have fired in the window that began at start.
type fired struct {
	start  bursar.Time
	levels []int // ascending
}

// uniqueKey names a set of values: of a row's window, or, with row 0, of all that the
// customer ever used of a feature.
type uniqueKey struct {
	row, cap uint32
	start    bursar.Time
}

// heldCost is the frozen price of a hold in one currency.
type heldCost struct {
	cap     uint32
	card    string
	version int
	rate    bursar.Rate // Amount and Per only
	held    bursar.Amount
	// charged is what the hold's end cost; while it is open, and after a release, 0.
	charged bursar.Amount
}

func (c *heldCost) encode(e *encoder) {
	e.ord(c.cap)
	e.string(c.card)
	e.uint(uint64(c.version))
	e.amount(c.rate.Amount)
	e.uint(uint64(c.rate.Per))
	e.amount(c.held)
	e.amount(c.charged)
}

func (c *heldCost) decode(d *decoder) {
	c.cap, c.card, c.version = d.ord(), d.string(), int(d.uint())
	c.rate.Amount, c.rate.Per = d.amount(), int64(d.uint())
	c.held, c.charged = d.amount(), d.amount()
}

// setGrants keeps what follows from all grants.
func (s *state) setGrants() {
	s.timed = 0
	for _, p := range s.pools {
		for _, ord := range p.live {
			if t := s.grants[ord].timed(); t != 0 && (s.timed == 0 || t < s.timed) {
				s.timed = t
			}
		}
	}
}

// timedGrants lists what time has done to grants until now and is not recorded yet, in
// order: of an instant, beginnings first.
func (v *view) timedGrants() (out []timedGrant) {
	if len(v.grts) == 0 && (v.timed == 0 || v.timed > v.now) {
		return nil
	}
	add := func(ord uint32, at bursar.Time, begin bool) {
		if at != 0 && at <= v.now {
			out = append(out, timedGrant{at, ord, begin})
		}
	}
	for _, cap := range v.poolCaps() {
		for _, ord := range v.pool(cap).live {
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

// poolCaps are the currencies that have a pool, in order of their numbers.
func (v *view) poolCaps() []uint32 {
	caps := slices.Collect(maps.Keys(v.pools))
	for c := range v.pls {
		if v.pools[c] == nil {
			caps = append(caps, c)
		}
	}
	slices.Sort(caps)
	return caps
}

func (v *view) grant(ord uint32) *grant {
	if g, ok := v.grts[ord]; ok {
		return g
	}
	if int(ord) < len(v.grants) {
		return v.grants[ord]
	}
	return nil
}

func (v *view) nextGrant() uint32 { return uint32(len(v.grants) + v.newGrants) }

// pool is never nil.
func (v *view) pool(cap uint32) *pool {
	if p, ok := v.pls[cap]; ok {
		return p
	}
	if p := v.pools[cap]; p != nil {
		return p
	}
	return &pool{}
}

func (v *view) boostsOf(row uint32) []*boost {
	if b, ok := v.bsts[row]; ok {
		return b
	}
	return v.boosts[row]
}

func (v *view) promoOf(cap uint32) *promo {
	if p, ok := v.prms[cap]; ok {
		return p
	}
	return v.promos[cap]
}

func (v *view) firedOf(row uint32) *fired {
	if f, ok := v.frd[row]; ok {
		return f
	}
	return v.money.fired[row]
}

// limitNow is the limit of a row with the boosts of now.
func (v *view) limitNow(ord uint32, def *rowDef) bursar.Amount {
	limit := def.limit
	if len(v.boosts)+len(v.bsts) == 0 {
		return limit
	}
	for _, b := range v.boostsOf(ord) {
		if b.activeAt(v.now) {
			limit = limit.Add(b.amount)
		}
	}
	return limit
}
