package ledger

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Coverage is how much of a customer is under no limit: which of its entities, and how much of
// what was used since From. It goes by the limits as they are now.
type Coverage struct {
	AsOf, From bursar.Time
	Types      []CoveredType
	Usage      []CoveredUsage
}

// CoveredType is the live entities of a type.
type CoveredType struct {
	TypeID     string
	Ungoverned bursar.Ungoverned // what becomes of use by them that nothing limits
	Entities   int
	Unlimited  int      // of them: those without any limit on or above them, but for limits with a scope
	Examples   []string // of the unlimited ones
}

// CoveredUsage is what was used of a capability.
type CoveredUsage struct {
	Capability bursar.Capability
	Used       bursar.Amount
	Ungoverned bursar.Amount // the part of Used that nothing would limit now
	Untold     bursar.Amount // the part of Used of which it is not known who was named
	Types      []CoveredShare
}

// CoveredShare is the part of a capability's usage that named entities of a type; "" = nobody.
type CoveredShare struct {
	TypeID           string
	Used, Ungoverned bursar.Amount
	Examples         []UngovernedEntity // those that used most of what is ungoverned
}

// UngovernedEntity is what an entity used under no limit.
type UngovernedEntity struct {
	EntityID   string
	Ungoverned bursar.Amount
}

// coveredExamples bounds the examples of each list.
const coveredExamples = 10

// CoverageRun finds a Coverage, in slices.
type CoverageRun struct {
	cat   *catalogue.Catalogue
	out   Coverage
	types map[uint32]*CoveredType
	under []byte // by entity: whether a limit is on it or above it, once that is known
	next  int
	caps  []bursar.Capability
	sums  map[store.SeriesKey]bursar.Amount // of a capability, by path or of the customer
	keys  []store.SeriesKey                 // the paths that are yet to be judged
	usage map[bursar.Capability]*usedUnder
}

// usedUnder is what was used of a capability, while it is added up.
type usedUnder struct {
	CoveredUsage
	asks   []Ask
	gated  bool
	shares map[string]*CoveredShare
	by     map[string]map[string]bursar.Amount // what is ungoverned, by type and entity
}

// Whether an entity is under a limit.
const (
	isUnder  = 1
	notUnder = 2
)

// NewCoverage prepares to find what is under no limit, of usage since from; 0 = of this month.
func NewCoverage(from bursar.Time) *CoverageRun {
	return &CoverageRun{out: Coverage{From: from}, types: map[uint32]*CoveredType{}, next: 1,
		sums: map[store.SeriesKey]bursar.Amount{}, usage: map[bursar.Capability]*usedUnder{}}
}

// EntitiesOn goes on to look at the entities, by the catalogue that it is first given.
func (c *CoverageRun) EntitiesOn(v *View, cat *catalogue.Catalogue) error {
	if c.cat == nil {
		c.cat = cat
		if err := c.begin(v); err != nil {
			return err
		}
	}
	for ; c.next < v.Entities.Len(); c.next++ {
		if v.Tired() {
			return ErrGoOn
		}
		v.Visits++
		ent := uint32(c.next)
		e := v.Ent(ent)
		if e.Archived != 0 {
			continue
		}
		t := c.types[e.Typ]
		if t == nil {
			id := v.typeID(e.Typ)
			t = &CoveredType{TypeID: id, Ungoverned: c.cat.Ungoverned(id), Examples: []string{}}
			c.types[e.Typ] = t
		}
		if t.Entities++; !c.isUnder(v, ent) {
			if t.Unlimited++; len(t.Examples) < coveredExamples {
				t.Examples = append(t.Examples, e.ID)
			}
		}
	}
	return nil
}

func (c *CoverageRun) begin(v *View) error {
	c.out.AsOf = v.Now
	if c.out.From == 0 {
		zone := "UTC"
		if z := v.Cust().Timezone; z != nil {
			zone = *z
		}
		loc, err := record.Location(zone)
		if err != nil {
			return err
		}
		month, err := bursar.ParseCadence("P1M")
		if err != nil {
			return err
		}
		start, _ := bursar.Schedule{Cadence: month, Location: loc}.Window(int64(v.Now))
		c.out.From = bursar.Time(start)
	}
	if c.out.From > v.Now {
		return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "startDate %s is after now, %s", c.out.From, v.Now)
	}
	c.caps = slices.Clone(v.Caps.List) // also those whose total is 0 because usage was taken back
	slices.SortFunc(c.caps, compareCapabilities)
	return nil
}

func compareCapabilities(a, b bursar.Capability) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

// isUnder tells whether a limit without a scope is on an entity or above it. What was found
// once is not looked at again.
func (c *CoverageRun) isUnder(v *View, ent uint32) bool {
	if n := v.Entities.Len(); len(c.under) < n {
		c.under = append(c.under, make([]byte, n-len(c.under))...)
	}
	is, way := byte(notUnder), make([]uint32, 0, bursar.MaxDepth)
	for e := ent; e != 0; e = v.above(e) {
		if c.under[e] != 0 {
			is = c.under[e]
			break
		}
		way = append(way, e)
		v.Visits++
		if limitedAlone(v, e) {
			is = isUnder
			break
		}
	}
	for _, e := range way {
		c.under[e] = is
	}
	return is == isUnder
}

// limitedAlone tells whether a limit of an entity counts whatever else is named.
func limitedAlone(v *View, ent uint32) (is bool) {
	if v.Ent(ent).Archived == 0 {
		v.eachRow(ent, 0, func(_ uint32, def *record.Limit) { is = is || len(def.Scope) == 0 })
	}
	return is
}

// Sources are what was used in that time: of each capability by the customer and by path.
func (c *CoverageRun) Sources() (list []*SeriesSource) {
	for _, x := range c.caps {
		s := &SeriesSource{}
		for _, of := range []uint32{0, UsesByPath} {
			s.Queries = append(s.Queries, store.SeriesQuery{EntityOrd: of, Capability: x, From: BucketOf(c.out.From), To: BucketOf(c.out.AsOf) + 1})
		}
		list = append(list, s)
	}
	return list
}

// Add takes in buckets.
func (c *CoverageRun) Add(rows []store.SeriesRow) {
	for i := range rows {
		r := &rows[i]
		k := store.SeriesKey{Capability: r.Capability, EntityOrd: r.EntityOrd, ChildOrd: r.ChildOrd}
		if k.EntityOrd == 0 && k.ChildOrd != namedNone {
			k.ChildOrd = 0
		}
		c.sums[k] = c.sums[k].Add(r.Amount)
	}
}

// Gathered ends the taking in of buckets.
func (c *CoverageRun) Gathered() { c.keys = slices.Collect(maps.Keys(c.sums)) }

// UsageOn goes on to judge what was used.
func (c *CoverageRun) UsageOn(v *View) error {
	for len(c.keys) > 0 {
		if v.Tired() {
			return ErrGoOn
		}
		v.Visits++
		k := c.keys[len(c.keys)-1]
		c.keys = c.keys[:len(c.keys)-1]
		u := c.usage[k.Capability]
		if u == nil {
			u = &usedUnder{CoveredUsage: CoveredUsage{Capability: k.Capability}, asks: c.asksOf(v, k.Capability),
				shares: map[string]*CoveredShare{}, by: map[string]map[string]bursar.Amount{}}
			u.gated = v.gated(c.cat, u.asks)
			c.usage[k.Capability] = u
		}
		sum := c.sums[k]
		if k.EntityOrd == 0 {
			u.Used = u.Used.Add(sum)
		}
		if k.EntityOrd == 0 && k.ChildOrd != namedNone {
			u.Untold = u.Untold.Add(sum) // the branch below takes away what is told apart by path
			continue
		}
		r := Resolved{given: true}
		if k.EntityOrd != 0 {
			u.Untold = u.Untold.Sub(sum)
			r.Path = v.path(k.ChildOrd)
		}
		free := !u.gated
		for i := range u.asks {
			v.Visits += 1 + RowLook*len(r.Path)
			free = free && len(v.RowsOn(&r, u.asks[i].Cap).Rows) == 0
		}
		u.add(v, v.lowest(r.Path), sum, free)
	}
	return nil
}

// asksOf are asks, without amounts, of a capability and of the currencies that it has a price in.
func (c *CoverageRun) asksOf(v *View, x bursar.Capability) []Ask {
	asks := []Ask{{C: x, Cap: v.CapOrd(x)}}
	f := c.cat.FeatureOf[x.ID]
	if x.Kind != bursar.KindFeature || f == nil || f.Meter != nil && !catalogue.Summing(f.Meter) {
		return asks
	}
	for _, p := range c.cat.Prices[x.ID] {
		if now := p.Card.At(v.Now); now != nil && slices.ContainsFunc(now.Rates, func(r bursar.Rate) bool { return r.FeatureID == x.ID }) {
			cur := bursar.Capability{Kind: bursar.KindCurrency, ID: p.Card.CurrencyID}
			asks = append(asks, Ask{C: cur, Cap: v.CapOrd(cur)})
		}
	}
	return asks
}

// add adds usage, by the lowest entities that it named. free tells that nothing limits it.
func (u *usedUnder) add(v *View, ents []uint32, sum bursar.Amount, free bool) {
	if free {
		u.Ungoverned = u.Ungoverned.Add(sum)
	}
	counted := map[string]bool{}
	for _, ent := range ents {
		typ := ""
		if ent != 0 {
			typ = v.typeID(v.Ent(ent).Typ)
		}
		s := u.shares[typ]
		if s == nil {
			s = &CoveredShare{TypeID: typ, Examples: []UngovernedEntity{}}
			u.shares[typ], u.by[typ] = s, map[string]bursar.Amount{}
		}
		if !counted[typ] {
			counted[typ] = true
			s.Used = s.Used.Add(sum)
			if free {
				s.Ungoverned = s.Ungoverned.Add(sum)
			}
		}
		if free && ent != 0 {
			id := v.Ent(ent).ID
			u.by[typ][id] = u.by[typ][id].Add(sum)
		}
	}
}

// End is what was found.
func (c *CoverageRun) End() Coverage {
	c.out.Types, c.out.Usage = []CoveredType{}, []CoveredUsage{}
	for _, t := range c.types {
		c.out.Types = append(c.out.Types, *t)
	}
	slices.SortFunc(c.out.Types, func(a, b CoveredType) int { return cmp.Compare(a.TypeID, b.TypeID) })
	for _, u := range c.usage {
		u.Types = []CoveredShare{}
		for _, typ := range record.SortedKeys(u.shares) {
			s := u.shares[typ]
			for id, sum := range u.by[typ] {
				s.Examples = append(s.Examples, UngovernedEntity{id, sum})
			}
			slices.SortFunc(s.Examples, func(a, b UngovernedEntity) int {
				return cmp.Or(b.Ungoverned.Cmp(a.Ungoverned), cmp.Compare(a.EntityID, b.EntityID))
			})
			s.Examples = s.Examples[:min(len(s.Examples), coveredExamples)]
			u.Types = append(u.Types, *s)
		}
		c.out.Usage = append(c.out.Usage, u.CoveredUsage)
	}
	slices.SortFunc(c.out.Usage, func(a, b CoveredUsage) int { return compareCapabilities(a.Capability, b.Capability) })
	return c.out
}
