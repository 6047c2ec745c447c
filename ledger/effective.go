package ledger

import (
	"cmp"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Effective is where an entity stands with all that limits its usage of a capability: its
// own limits, those of everything above it and the customer's pools, as a check would
// find them now.
type Effective struct {
	// Status is blocked when nothing more would be granted. Else it is the status of the limit
	// that it is about. It is warning, too, when another hard limit leaves less and warns.
	Status string
	// Remaining is what would still be granted; nil = unlimited. To a token it is what the limits
	// that it sees leave.
	Remaining *bursar.Amount
	By        *EffectiveLimit // what blocks, else what leaves least; nil = nothing does
}

// EffectiveLimit is the limit or the pool that decides.
type EffectiveLimit struct {
	Source         bursar.BindingSource
	Capability     bursar.Capability
	AssignmentID   string // of an ENTITY, as all that follows
	EntityID       string
	DisplayName    *string
	ScopeEntityIDs []string
	Label          string
	Cadence        string
	Reason         string      // of FROZEN, which has no limit
	ResetsAt       bursar.Time // 0 = it does not
}

// BindingAbove is the source of a limit or a pool above a token's root. The token learns nothing
// of it but that it blocks.
const BindingAbove bursar.BindingSource = "ABOVE"

// Statuses of limits. An unlimited one has none of its own.
const (
	statusOK       = "ok"
	statusWarning  = "warning"
	statusExceeded = "exceeded"
	statusBlocked  = "blocked"
)

// smallest is the least that can be asked for.
var smallest = bursar.AmountFromWords(0, 1)

// outlook finds what is effective in one view.
type outlook struct {
	v    *View // as its reader sees it
	full *View // as it is
	cat  *catalogue.Catalogue
	asks map[bursar.Capability][]Ask
}

func newOutlook(v *View, cat *catalogue.Catalogue) *outlook {
	v.numbersUnmade()
	full := *v
	full.Root = 0
	return &outlook{v: v, full: &full, cat: cat, asks: map[bursar.Capability][]Ask{}}
}

// asksOf are the least that usage of c asks for: of itself and, where every rate that
// applies costs something, of the currencies that it is priced in.
func (o *outlook) asksOf(c bursar.Capability) []Ask {
	if asks, ok := o.asks[c]; ok {
		return asks
	}
	asks := []Ask{{C: c, Cap: o.full.CapOrd(c), Amount: smallest}}
	if f := o.cat.FeatureOf[c.ID]; c.Kind == bursar.KindFeature && f != nil {
		if f.Meter != nil && !catalogue.Summing(f.Meter) {
			asks[0].max = o.cat.Highest(c)
		} else {
			for _, p := range o.cat.Prices[c.ID] {
				if v := p.Card.At(o.full.Now); v != nil && alwaysCosts(v, c.ID) {
					cur := bursar.Capability{Kind: bursar.KindCurrency, ID: p.Card.CurrencyID}
					asks = append(asks, Ask{C: cur, Cap: o.full.CapOrd(cur), Amount: smallest})
				}
			}
		}
	}
	o.asks[c] = asks
	return asks
}

// alwaysCosts tells whether v has rates for a feature, and none of them is free.
func alwaysCosts(v *bursar.RateVersion, featureID string) bool {
	priced := false
	for i := range v.Rates {
		if v.Rates[i].FeatureID != featureID {
			continue
		}
		if priced = true; v.Rates[i].Amount.Sign() <= 0 {
			return false
		}
	}
	return priced
}

// found is what has been found on the way from an entity to the root.
type found struct {
	blocks *EffectiveLimit // the first that blocks
	least  *EffectiveLimit // the first of those that leave least
	left   bursar.Amount   // what least leaves
	warns  bool            // least warns
	row    uint32          // of least; 0 = a pool
}

// of is what is effective for usage of c by an entity. row is the limit that it is about, 0 = none,
// and scope are that limit's scope entities: the usage names them, too.
func (o *outlook) of(ent uint32, scope []uint32, c bursar.Capability, row uint32) *Effective {
	asks := o.asksOf(c)
	r := Resolved{given: true}
	r.join(o.full, ent)
	for _, s := range scope {
		r.join(o.full, s)
	}
	var f found
	if o.full.Cust().ArchivedAt != nil {
		f.blocks = o.masked(&EffectiveLimit{Source: bursar.BindingCustomer, Capability: c}, o.v.Root == 0)
	}
	if z := o.full.frozenOn(&r); z != nil && f.blocks == nil {
		f.blocks = o.frozen(z, c)
	}
	for i := range asks {
		o.pool(&f, &asks[i], i == 0)
	}
	for i := range r.Path {
		for j := range asks {
			o.full.rowsOf(&r, r.Path[i].Ent, asks[j].Cap, func(row uint32, def *record.Limit) { o.limit(&f, row, def, &asks[j], j == 0) })
		}
	}
	return f.effective(o.ownStatus(row), row)
}

func (o *outlook) ownStatus(row uint32) string {
	if def := o.full.Def(row); row != 0 && def != nil {
		return cmp.Or(o.full.statusOf(row, def), statusOK)
	}
	return statusOK
}

func (f *found) effective(own string, row uint32) *Effective {
	switch {
	case f.blocks != nil:
		return &Effective{Status: statusBlocked, Remaining: &bursar.Amount{}, By: f.blocks}
	case f.least == nil:
		return &Effective{Status: own}
	case own == statusOK && f.warns && f.row != row:
		own = statusWarning
	}
	left := f.left
	return &Effective{Status: own, Remaining: &left, By: f.least}
}

// note adds one limit or pool: how much it still leaves, and whether it blocks.
func (f *found) note(l *EffectiveLimit, left bursar.Amount, blocks, counts, warns bool, row uint32) {
	if blocks && f.blocks == nil {
		f.blocks = l
	}
	if counts && l.Source != BindingAbove && (f.least == nil || left.Less(f.left)) {
		f.least, f.left, f.warns, f.row = l, left, warns, row
	}
}

func (o *outlook) pool(f *found, a *Ask, counts bool) {
	g := o.full.gate(o.cat, a)
	if g.Unlimited || g.Soft {
		return
	}
	l := &EffectiveLimit{Source: bursar.BindingCredits, Capability: a.C}
	if a.C.Kind == bursar.KindFeature {
		l.Source, l.ResetsAt = bursar.BindingCustomer, g.ResetsAt
	}
	f.note(o.masked(l, o.v.Root == 0), a.leaves(g.UsageLimit, g.CurrentUsage, g.Reserved), shut(&g, a) != nil, counts, false, 0)
}

func (o *outlook) limit(f *found, row uint32, def *record.Limit, a *Ask, counts bool) {
	if def.Soft || !def.Limited {
		return
	}
	v := o.full
	c, limit := v.Standing(row, def), v.LimitNow(row, def)
	left := a.leaves(limit, c.Used, c.Held)
	blocks := limit.Less(a.onto(c.Used, c.Held))
	if !blocks && (!counts || f.least != nil && !left.Less(f.left)) {
		return // nothing to tell of it
	}
	l := &EffectiveLimit{Source: bursar.BindingEntity}
	seen := o.v.SeesRow(def)
	if seen {
		e := v.Ent(def.Ent)
		*l = EffectiveLimit{Source: bursar.BindingEntity, Capability: a.C, AssignmentID: store.FormatID(v.RowID(row)), EntityID: e.ID, DisplayName: e.Name,
			ScopeEntityIDs: v.scopeIDs(def), Label: def.Label, Cadence: def.Sched.Cadence.String(), ResetsAt: c.End}
	}
	status := v.statusOf(row, def)
	f.note(o.masked(l, seen), left, blocks, counts, status == statusWarning || status == statusExceeded, row)
}

// frozen is a freeze as what blocks.
func (o *outlook) frozen(z *bursar.Freeze, c bursar.Capability) *EffectiveLimit {
	l := &EffectiveLimit{Source: bursar.BindingFrozen, Capability: c, EntityID: z.EntityID, Reason: z.Reason}
	ent := o.full.EntOrd(z.EntityID)
	if ent != 0 {
		l.DisplayName = o.full.Ent(ent).Name
	}
	return o.masked(l, o.v.Root == 0 || ent != 0 && o.v.Sees(ent))
}

// masked hides what the reader may not see.
func (o *outlook) masked(l *EffectiveLimit, seen bool) *EffectiveLimit {
	if seen {
		return l
	}
	return &EffectiveLimit{Source: BindingAbove}
}

// statusOf is the status of a limit by itself: exceeded from its limit on, warning from
// its lowest threshold; "" when it is unlimited.
func (v *View) statusOf(row uint32, def *record.Limit) string {
	if !def.Limited {
		return ""
	}
	warn := warnAt
	if len(def.Thresholds) > 0 {
		warn = def.Thresholds[0]
	}
	switch u := Utilization(v.Standing(row, def).Used, v.LimitNow(row, def)); {
	case u >= 1:
		return statusExceeded
	case u >= float64(warn)/100:
		return statusWarning
	}
	return statusOK
}
