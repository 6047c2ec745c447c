package ledger

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Repricer is one run of Reprice.
type Repricer struct {
	Caller   catalogue.Caller
	Cat      *catalogue.Catalogue
	Card     *bursar.RateCard
	Features map[string]*catalogue.PricedBy // what the card prices
	instead  map[int]int                    // by version that is corrected: the version that counts in its place
	From, To bursar.Time                    // [from, to), whole buckets
	Apply    bool
	Progress func(done, total uint64) // told how much of the current customer's log is read; nil = nobody asks
	Out      Repricing
	rows     int // of the customers in out
}

func NewRepricer(cat *catalogue.Catalogue, c catalogue.Caller, in *RepriceInput, now bursar.Time) (*Repricer, error) {
	rp := &Repricer{Caller: c, Cat: cat, Card: cat.CardOf[in.CardID], Apply: in.Apply, From: in.From, To: in.To,
		Features: map[string]*catalogue.PricedBy{}, instead: map[int]int{}}
	if rp.Card == nil {
		return nil, cat.ErrNoCard(in.CardID)
	}
	if rp.To == 0 || rp.To > now {
		rp.To = now + 1 // now itself belongs to it
	}
	if rp.From >= rp.To {
		return nil, bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", rp.From, rp.To)
	}
	rp.Out = Repricing{CardID: in.CardID, Customers: []RepricedCustomer{}, Applied: in.Apply}
	earliest := rp.To
	for i := range slices.Backward(rp.Card.Versions) { // a version that corrects this one comes later: it was met before
		v := &rp.Card.Versions[i]
		if v.Corrects == 0 {
			continue
		}
		by := v.Version
		if last := rp.instead[by]; last != 0 {
			by = last
		}
		rp.instead[v.Corrects] = by
		if v.Corrects > rp.Out.Version {
			rp.Out.Version, rp.Out.By = v.Corrects, by
		}
		earliest = min(earliest, rp.Card.Versions[v.Corrects-1].EffectiveFrom)
	}
	if len(rp.instead) == 0 {
		return nil, bursar.Errorf(bursar.CodeValidationFailed, "no version of the rate card %q corrects another one; add a version with corrects first", in.CardID)
	}
	rp.From = bucketStart(max(rp.From, earliest)) // no version that is corrected was in force before that
	rp.To = bucketStart(rp.To + bucketWidth - 1)
	for feature, list := range cat.Prices {
		for i := range list {
			if list[i].Card == rp.Card {
				rp.Features[feature] = &list[i]
			}
		}
	}
	return rp, nil
}

// Resume lets rp go on from out, which an earlier run had found.
func (rp *Repricer) Resume(out *Repricing) {
	rp.Out = *out
	for i := range out.Customers {
		rp.rows += len(out.Customers[i].Rows)
	}
}

// Bounds of what a repricing shows: customers, and rows of all of them. Its sums are of all.
const (
	maxRepricedCustomers = 1_000
	maxRepricedRows      = 10_000
)

func bucketStart(t bursar.Time) bursar.Time { return bursar.Time(BucketOf(t)) * bucketWidth }

func (rp *Repricer) Report(id string, p *RepricePlan, effects *RepriceEffects) {
	rp.Out.Records += p.records
	rp.Out.Unmatched += p.unmatched
	rp.Out.Was, rp.Out.Is = rp.Out.Was.Add(p.was), rp.Out.Is.Add(p.is)
	if len(p.Groups) == 0 {
		return
	}
	rp.Out.Changed++
	rp.Out.Pool = rp.Out.Pool.Add(effects.pool)
	if len(rp.Out.Customers) == maxRepricedCustomers {
		return
	}
	c := RepricedCustomer{CustomerID: id, Was: p.was, Is: p.is, Pool: effects.pool}
	for _, r := range effects.Rows {
		if r.Was != r.Is {
			c.Rows = append(c.Rows, *r)
		}
	}
	slices.SortFunc(c.Rows, func(a, b RepricedRow) int {
		return cmp.Or(cmp.Compare(a.AssignmentID, b.AssignmentID), cmp.Compare(a.PeriodStart, b.PeriodStart))
	})
	if rp.rows += len(c.Rows); rp.rows <= maxRepricedRows {
		rp.Out.Customers = append(rp.Out.Customers, c)
	}
}

// maxRepriceGroups bounds the corrections of one customer that are planned at once.
const maxRepriceGroups = 250_000

// RepricePlan is what a repricing has to do for one customer.
type RepricePlan struct {
	State    *State // that it was made from
	Snapshot *State // a copy of what the plan needs of it
	Head     uint64 // the log was read up to here
	Groups   []RepriceGroup

	records, unmatched int
	was, is            bursar.Amount
}

// RepriceScan gathers the groups of one customer.
type RepriceScan struct {
	Rp       *Repricer
	Customer string
	Plan     *RepricePlan
	Cap      uint32                         // the card's currency; 0 = never charged
	Features map[uint32]*catalogue.PricedBy // by number: what the card prices
	Holds    OpenHolds
	Groups   map[RepriceKey]*RepriceGroup
	byEntity map[uint32][]uint32 // limits of the currency
}

func (s *RepriceScan) inside(at bursar.Time) bool { return s.Rp.From <= at && at < s.Rp.To }

func (s *RepriceScan) Row(row *record.Row) error {
	acts := s.Holds.ActsOf(row)
	for i := range acts {
		a := &acts[i]
		if !s.inside(a.At) {
			continue
		}
		if a.Ended && a.Hold == nil {
			return ErrTrimmed(s.Customer, s.Rp.From-bursar.MaxHoldLife)
		}
		s.act(a, store.IDAt(row.Head.Now, row.Head.Seq, a.record, row.ID))
	}
	for _, r := range row.Recs {
		if c, ok := r.(*record.Cost); ok && c.Correction && c.Card == s.Rp.Card.ID && s.inside(c.At) && s.Rp.instead[c.Version] != 0 {
			s.Plan.was = s.Plan.was.Add(c.Amount)
			g := s.group(RepriceKey{c.At, c.Feature, c.Version, s.comboText(c.Combo), pathText(c.Path)})
			g.diff = g.diff.Sub(c.Amount)
			for _, ch := range c.Charges {
				g.rows[ch.Row] = g.rows[ch.Row].Sub(ch.Delta)
			}
		}
	}
	if len(s.Groups) > maxRepriceGroups {
		return bursar.ErrorAt("/to", bursar.CodeValidationFailed,
			"more than %d corrections of one customer at once: take a shorter interval", maxRepriceGroups)
	}
	return nil
}

// act compares what an act, whose record has an id, cost with what it should.
func (s *RepriceScan) act(a *Act, id [16]byte) {
	p := s.Features[a.cap]
	if p == nil {
		return
	}
	version, was, rows := s.charged(p, a, id)
	by := s.Rp.instead[version]
	if by == 0 {
		return
	}
	is, matched := was, false
	if cost, ok := costBy(p.Versions[by-1], a); ok {
		// A refund may have been cut, as it paid back at most what had been used. So the
		// difference of the prices counts, not that of what was paid back.
		old, _ := costBy(p.Versions[version-1], a)
		is, matched = was.Add(cost.Sub(old)), true
		if a.estimated && bursar.MaxAmount(was, was.Neg()).Less(bursar.MaxAmount(old, old.Neg())) {
			is = was // a dearer kind cost in its place, so the difference is that one's
		}
	}
	if !matched && was.IsZero() && p.Versions[version-1] == nil {
		return // neither version prices it
	}
	s.Plan.records++
	if !matched {
		s.Plan.unmatched++
	}
	s.Plan.was, s.Plan.is = s.Plan.was.Add(was), s.Plan.is.Add(is)
	if is == was {
		return
	}
	at, v := bucketStart(a.At), View{State: s.Plan.Snapshot}
	for _, row := range rows {
		if def := v.Def(row.ord); def != nil {
			at = max(at, def.Sched.WindowAt(a.At).Start)
		}
	}
	g := s.group(RepriceKey{at, a.cap, version, s.costText(a), pathText(a.path)})
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
func costBy(x *catalogue.RateIndex, a *Act) (cost bursar.Amount, ok bool) {
	if x == nil {
		return cost, false
	}
	rate := x.Find(a.dims)
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
func (s *RepriceScan) charged(p *catalogue.PricedBy, a *Act, id [16]byte) (version int, was bursar.Amount, rows []chargedRow) {
	for _, c := range a.costs {
		if c.Card == s.Rp.Card.ID {
			return c.Version, c.Amount, chargedRows(c)
		}
	}
	if h := a.Hold; h != nil {
		for i := range h.Costs {
			if h.Costs[i].Card == s.Rp.Card.ID {
				v := View{State: s.Plan.Snapshot}
				return h.Costs[i].Version, was, freeRows(v.heldRows(h, s.Cap))
			}
		}
		return 0, was, nil
	}
	if v := s.Rp.Card.At(a.priced); v != nil { // also if it left the feature out
		return v.Version, was, freeRows(s.rowsOn(a.path, id))
	}
	return 0, was, nil
}

// rowsOn lists the limits of the currency that are on a path and are older than a record:
// IDs are in order of creation.
func (s *RepriceScan) rowsOn(path []record.Hop, rec [16]byte) (rows []uint32) {
	if s.Cap == 0 {
		return nil
	}
	if s.byEntity == nil {
		s.byEntity = map[uint32][]uint32{}
		for row := range uint32(s.Plan.Snapshot.Rows.Len()) {
			if def := s.Plan.Snapshot.Rows.At(row); def != nil && def.Cap == s.Cap {
				s.byEntity[def.Ent] = append(s.byEntity[def.Ent], row)
			}
		}
	}
	r := Resolved{Path: path}
	for _, p := range path {
		for _, ord := range s.byEntity[p.Ent] {
			if record.ComparePlaces(s.Plan.Snapshot.RowIDs.At(ord), rec) < 0 && r.covers(s.Plan.Snapshot.Rows.At(ord).Scope) {
				rows = append(rows, ord)
			}
		}
	}
	return rows
}

func chargedRows(c *record.Cost) []chargedRow {
	rows := make([]chargedRow, len(c.Charges))
	for i, ch := range c.Charges {
		rows[i] = chargedRow{ch.Row, ch.Delta, ch.Slot != record.SlotNone && ch.Delta != c.Amount}
	}
	return rows
}

// freeRows are the limits that an act without a cost was on.
func freeRows(ords []uint32) []chargedRow {
	rows := make([]chargedRow, len(ords))
	for i, ord := range ords {
		rows[i].ord = ord
	}
	return rows
}

func (s *RepriceScan) group(k RepriceKey) *RepriceGroup {
	g := s.Groups[k]
	if g == nil {
		g = &RepriceGroup{RepriceKey: k, rows: map[uint32]bursar.Amount{}}
		s.Groups[k] = g
	}
	return g
}

func (s *RepriceScan) comboText(combo uint32) string {
	if combo == 0 {
		return ""
	}
	return s.Plan.Snapshot.combos.At(combo)
}

// costText is the combination under which series have the cost of an act, or would have it: the
// dimensions of the usage, and the feature. It follows from the log alone, and not from how many
// combinations have numbers, so that another run finds the same.
func (s *RepriceScan) costText(a *Act) string {
	for _, c := range a.costs {
		if c.Card == s.Rp.Card.ID {
			return s.comboText(c.Combo)
		}
	}
	feature := bursar.Dimension{Key: featureKey, Value: s.Plan.Snapshot.Caps.At(a.cap).ID}
	all := []bursar.Dimension{feature}
	if a.combo != 0 {
		for _, x := range record.DecodeCombo(s.comboText(a.combo)) {
			if x.Key != featureKey {
				all = append(all, x)
			}
		}
	}
	return record.EncodeCombo(record.SortDims(all))
}

// Finish orders the groups and drops those without a difference. It also drops those of a
// bucket whose differences cancel out: such a bucket was corrected before a limit's schedule
// changed, in other parts, and is right as a whole.
func (s *RepriceScan) Finish() {
	net := make(map[RepriceKey]bursar.Amount, len(s.Groups))
	for k, g := range s.Groups {
		k.at = bucketStart(k.at)
		net[k] = net[k].Add(g.diff)
	}
	for k, g := range s.Groups {
		k.at = bucketStart(k.at)
		if !g.diff.IsZero() && !net[k].IsZero() {
			s.Plan.Groups = append(s.Plan.Groups, *g)
		}
	}
	slices.SortFunc(s.Plan.Groups, func(a, b RepriceGroup) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.feature, b.feature), cmp.Compare(a.version, b.version),
			strings.Compare(a.combo, b.combo), strings.Compare(a.path, b.path))
	})
}
