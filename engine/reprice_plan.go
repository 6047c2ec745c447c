package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// maxRepriceGroups bounds the corrections of one customer that are planned at once.
const maxRepriceGroups = 250_000

// repricePlan is what a repricing has to do for one customer.
type repricePlan struct {
	state  *state // that it was made from
	frozen *state // what of that it needs, as it was
	head   uint64 // the log was read up to here
	groups []repriceGroup

	records, unmatched int
	was, is            bursar.Amount
}

// repriceKey is charges that are corrected together: those of a bucket, of one path and
// one combination of dimensions. at is the start of the bucket or, where a window of
// one of their limits begins within it, that: all of a group is in the same windows.
type repriceKey struct {
	at      bursar.Time
	feature uint32
	version int
	combo   string // encoded; the number may be to come
	path    string // encoded steps
}

type repriceGroup struct {
	repriceKey
	diff bursar.Amount            // what is missing to what the charges should be
	rows map[uint32]bursar.Amount // and of that on each limit: some may have come between the charges
}

func (g *repriceGroup) steps() []step { return decodeSteps(&decoder{b: []byte(g.path)}) }

// records is how many records the correction makes at most: itself, a combination, the
// overdraft, the draw, a low balance, and an alert for each limit.
func (g *repriceGroup) records() int { return 5 + len(g.rows) }

// plan reads a customer's log; nil when the customer never used what the card prices.
func (rp *repricer) plan(ctx context.Context, e *Engine, id string) (*repricePlan, error) {
	if err := e.recordTime(ctx, ReadOptions{}, id); err != nil {
		return nil, err
	}
	s := repriceScan{rp: rp, customer: id, holds: openHolds{}, features: map[uint32]*pricedBy{}, groups: map[repriceKey]*repriceGroup{}}
	_, err := e.readCustomer(ctx, ReadOptions{}, id, func(v *view) error {
		for feature, p := range rp.features {
			if cap := v.caps.ord(bursar.Capability{Kind: bursar.KindFeature, ID: feature}); cap != 0 {
				s.features[cap] = p
			}
		}
		if len(s.features) > 0 {
			s.plan = &repricePlan{state: v.state, frozen: v.state.freeze(), head: v.head.Seq}
		}
		return nil
	})
	if err != nil || s.plan == nil {
		return nil, err
	}
	s.cap = s.plan.frozen.caps.ord(bursar.Capability{Kind: bursar.KindCurrency, ID: rp.card.CurrencyID})
	if _, whole, err := e.logSince(ctx, id, s.plan.head, rp.from); err != nil {
		return nil, err
	} else if !whole {
		return nil, errTrimmed(id, rp.from)
	}
	// Usage is not later than its commit; holds that ended since were made at most so much
	// earlier; late usage and corrections may be anywhere after.
	after, _, err := e.logSince(ctx, id, s.plan.head, rp.from-bursar.MaxHoldLife)
	if err != nil {
		return nil, err
	}
	if err := e.scanLog(ctx, id, after, s.plan.head, rp.progress, s.row); err != nil {
		return nil, err
	}
	s.finish()
	return s.plan, nil
}

// freeze copies what deciding about charges reads, to do so without the customer's
// lock. The values are immutable: lists and maps of them are copied.
func (s *state) freeze() *state {
	f := newState()
	f.head, f.customer = s.head, s.customer
	f.caps = names[bursar.Capability]{slices.Clip(s.caps.list), maps.Clone(s.caps.ords)}
	f.combos = names[string]{slices.Clip(s.combos.list), maps.Clone(s.combos.ords)}
	f.entities, f.rows, f.rowIDs, f.counters = slices.Clone(s.entities), slices.Clone(s.rows), slices.Clip(s.rowIDs), slices.Clone(s.counters)
	f.totals = maps.Clone(s.totals)
	f.grants, f.pools = slices.Clone(s.grants), maps.Clone(s.pools)
	f.boosts, f.fired = maps.Clone(s.boosts), maps.Clone(s.fired)
	return f
}

// repriceScan gathers the groups of one customer.
type repriceScan struct {
	rp       *repricer
	customer string
	plan     *repricePlan
	cap      uint32               // the card's currency; 0 = never charged
	features map[uint32]*pricedBy // by number: what the card prices
	holds    openHolds
	groups   map[repriceKey]*repriceGroup
	byEntity map[uint32][]uint32 // limits of the currency
}

func (s *repriceScan) inside(at bursar.Time) bool { return s.rp.from <= at && at < s.rp.to }

func (s *repriceScan) row(row *logRow) error {
	acts := s.holds.actsOf(row)
	for i := range acts {
		a := &acts[i]
		if !s.inside(a.at) {
			continue
		}
		if a.ended && a.hold == nil {
			return errTrimmed(s.customer, s.rp.from-bursar.MaxHoldLife)
		}
		s.act(a, idAt(row.Head.Now, row.Head.Seq, a.record, row.ID))
	}
	for _, r := range row.recs {
		if c, ok := r.(*costRec); ok && c.correction && c.card == s.rp.card.ID && s.inside(c.at) && s.rp.instead[c.version] != 0 {
			s.plan.was = s.plan.was.Add(c.amount)
			g := s.group(repriceKey{c.at, c.feature, c.version, s.comboText(c.combo), pathText(c.path)})
			g.diff = g.diff.Sub(c.amount)
			for _, ch := range c.charges {
				g.rows[ch.row] = g.rows[ch.row].Sub(ch.delta)
			}
		}
	}
	if len(s.groups) > maxRepriceGroups {
		return bursar.ErrorAt("/to", bursar.CodeValidationFailed,
			"more than %d corrections of one customer at once: take a shorter interval", maxRepriceGroups)
	}
	return nil
}

// act compares what an act, whose record has an id, cost with what it should.
func (s *repriceScan) act(a *act, id [16]byte) {
	p := s.features[a.cap]
	if p == nil {
		return
	}
	version, was, rows := s.charged(p, a, id)
	by := s.rp.instead[version]
	if by == 0 {
		return
	}
	is, matched := was, false
	if cost, ok := costBy(p.versions[by-1], a); ok {
		// A refund may have been cut at what there was to pay back: the difference of the
		// prices counts, not that cut.
		old, _ := costBy(p.versions[version-1], a)
		is, matched = was.Add(cost.Sub(old)), true
	}
	if !matched && was.IsZero() && p.versions[version-1] == nil {
		return // neither version prices it
	}
	s.plan.records++
	if !matched {
		s.plan.unmatched++
	}
	s.plan.was, s.plan.is = s.plan.was.Add(was), s.plan.is.Add(is)
	if is == was {
		return
	}
	at := bucketStart(a.at)
	for _, row := range rows {
		if def := s.plan.frozen.rows[row.ord]; def != nil {
			at = max(at, def.sched.windowAt(a.at).start)
		}
	}
	g := s.group(repriceKey{at, a.cap, version, s.costText(a), pathText(a.path)})
	g.diff = g.diff.Add(is.Sub(was))
	for _, row := range rows {
		change := is.Sub(was)
		if row.cut { // it had less to give back
			change = bursar.MaxAmount(is, row.took).Sub(row.took)
		}
		g.rows[row.ord] = g.rows[row.ord].Add(change)
	}
}

// costBy is what an act costs by one version's rates; not ok when it has none for it.
func costBy(x *rateIndex, a *act) (cost bursar.Amount, ok bool) {
	if x == nil {
		return cost, false
	}
	rate := x.find(a.dims)
	if rate == nil {
		return cost, false
	}
	return rate.Cost(a.units)
}

// chargedRow is a limit that an act was charged on.
type chargedRow struct {
	ord  uint32
	took bursar.Amount
	cut  bool // it took less than the others: it would have gone below zero
}

// charged is by which version of the card an act was priced (0 = by none), what it cost
// and on which limits. An act that cost nothing left no charge: then the version is
// that which was in force, and the limits are those that it would have been on.
func (s *repriceScan) charged(p *pricedBy, a *act, id [16]byte) (version int, was bursar.Amount, rows []chargedRow) {
	for _, c := range a.costs {
		if c.card == s.rp.card.ID {
			return c.version, c.amount, chargedRows(c)
		}
	}
	if h := a.hold; h != nil {
		for i := range h.costs {
			if h.costs[i].card == s.rp.card.ID {
				v := view{state: s.plan.frozen}
				return h.costs[i].version, was, freeRows(v.heldRows(h, s.cap))
			}
		}
		return 0, was, nil
	}
	if v := s.rp.card.At(a.priced); v != nil { // whether it has a rate or left the feature out
		return v.Version, was, freeRows(s.rowsOn(a.path, id))
	}
	return 0, was, nil
}

// rowsOn lists the limits of the currency that are on a path and are older than a record:
// IDs are in order of creation.
func (s *repriceScan) rowsOn(path []step, record [16]byte) (rows []uint32) {
	if s.cap == 0 {
		return nil
	}
	if s.byEntity == nil {
		s.byEntity = map[uint32][]uint32{}
		for ord, def := range s.plan.frozen.rows {
			if def != nil && def.cap == s.cap {
				s.byEntity[def.ent] = append(s.byEntity[def.ent], uint32(ord))
			}
		}
	}
	r := resolved{path: path}
	for _, p := range path {
		for _, ord := range s.byEntity[p.ent] {
			if comparePlaces(s.plan.frozen.rowIDs[ord], record) < 0 && r.covers(s.plan.frozen.rows[ord].scope) {
				rows = append(rows, ord)
			}
		}
	}
	return rows
}

func chargedRows(c *costRec) []chargedRow {
	rows := make([]chargedRow, len(c.charges))
	for i, ch := range c.charges {
		rows[i] = chargedRow{ch.row, ch.delta, ch.slot != slotNone && ch.delta != c.amount}
	}
	return rows
}

// freeRows are limits that an act was on and that it cost nothing.
func freeRows(ords []uint32) []chargedRow {
	rows := make([]chargedRow, len(ords))
	for i, ord := range ords {
		rows[i].ord = ord
	}
	return rows
}

func (s *repriceScan) group(k repriceKey) *repriceGroup {
	g := s.groups[k]
	if g == nil {
		g = &repriceGroup{repriceKey: k, rows: map[uint32]bursar.Amount{}}
		s.groups[k] = g
	}
	return g
}

func (s *repriceScan) comboText(combo uint32) string {
	if combo == 0 {
		return ""
	}
	return s.plan.frozen.combos.at(combo)
}

// costText is the combination that the cost of an act is, or would be, in the series
// under: that of the usage with the feature. It follows from the log alone, not from how
// many combinations there are, so that it is the same the next time.
func (s *repriceScan) costText(a *act) string {
	for _, c := range a.costs {
		if c.card == s.rp.card.ID {
			return s.comboText(c.combo)
		}
	}
	feature := bursar.Dimension{Key: featureKey, Value: s.plan.frozen.caps.at(a.cap).ID}
	all := []bursar.Dimension{feature}
	if a.combo != 0 {
		for _, x := range decodeCombo(s.comboText(a.combo)) {
			if x.Key != featureKey {
				all = append(all, x)
			}
		}
	}
	return encodeCombo(sortDims(all))
}

// finish puts the groups in order and leaves out what is right already: groups without
// a difference, and buckets whose differences add up to none. (The parts of a bucket
// that a window divided may be others than when it was corrected, if a limit's schedule
// has changed since.)
func (s *repriceScan) finish() {
	net := make(map[repriceKey]bursar.Amount, len(s.groups))
	for k, g := range s.groups {
		k.at = bucketStart(k.at)
		net[k] = net[k].Add(g.diff)
	}
	for k, g := range s.groups {
		k.at = bucketStart(k.at)
		if !g.diff.IsZero() && !net[k].IsZero() {
			s.plan.groups = append(s.plan.groups, *g)
		}
	}
	slices.SortFunc(s.plan.groups, func(a, b repriceGroup) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.feature, b.feature), cmp.Compare(a.version, b.version),
			strings.Compare(a.combo, b.combo), strings.Compare(a.path, b.path))
	})
}
