package engine

import (
	"cmp"

	"github.com/bursarhq/bursar"
)

// Effective is where an entity stands with all that limits its usage of a capability: its
// own limits, those of everything above it and the customer's pools, as a check would
// find them now.
type Effective struct {
	// Status is blocked when nothing more would be granted; else that of the limit that it
	// is about or, where another hard limit leaves less, warning if that one warns.
	Status string
	// Remaining is what would still be granted; nil = unlimited. A token is told of what it
	// sees.
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
	ResetsAt       bursar.Time // 0 = it does not
}

// BindingAbove is the source of what a token may not see: a limit or a pool above its
// root, of which it learns nothing but that it blocks.
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
	v    *view // as its reader sees it
	full *view // as it is
	cat  *Catalogue
	asks map[bursar.Capability][]ask
}

func newOutlook(v *view, cat *Catalogue) *outlook {
	full := *v
	full.root = 0
	return &outlook{v: v, full: &full, cat: cat, asks: map[bursar.Capability][]ask{}}
}

// asksOf are the least that usage of c asks for: of itself and, where every rate that
// applies costs something, of the currencies that it is priced in.
func (o *outlook) asksOf(c bursar.Capability) []ask {
	if asks, ok := o.asks[c]; ok {
		return asks
	}
	asks := []ask{{c: c, cap: o.full.capOrd(c), amount: smallest}}
	if f := o.cat.features[c.ID]; c.Kind == bursar.KindFeature && f != nil {
		if f.Meter != nil && !summing(f.Meter) {
			asks[0].max = f.Meter.Aggregation.Function == "MAX"
		} else {
			for _, p := range o.cat.prices[c.ID] {
				if v := p.card.At(o.full.now); v != nil && alwaysCosts(v, c.ID) {
					cur := bursar.Capability{Kind: bursar.KindCurrency, ID: p.card.CurrencyID}
					asks = append(asks, ask{c: cur, cap: o.full.capOrd(cur), amount: smallest})
				}
			}
		}
	}
	o.asks[c] = asks
	return asks
}

// alwaysCosts tells whether v prices a feature and has no free rate of it.
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
	left   bursar.Amount   // by least
	warns  bool            // least does
	row    uint32          // of least; 0 = a pool
}

// of is what is effective for usage of c by an entity and, for a limit with scope
// entities, by those too. row is the limit that it is about, 0 = none.
func (o *outlook) of(ent uint32, scope []uint32, c bursar.Capability, row uint32) *Effective {
	asks := o.asksOf(c)
	r := resolved{given: true}
	r.join(o.full, ent)
	for _, s := range scope {
		r.join(o.full, s)
	}
	var f found
	if o.full.cust().ArchivedAt != nil {
		f.blocks = o.seen(&EffectiveLimit{Source: bursar.BindingCustomer, Capability: c}, o.v.root == 0)
	}
	for i := range asks {
		o.pool(&f, &asks[i], i == 0)
	}
	for i := range r.path {
		for j := range asks {
			o.full.rowsOf(&r, r.path[i].ent, asks[j].cap, func(ord uint32, def *rowDef) { o.limit(&f, ord, def, &asks[j], j == 0) })
		}
	}
	return f.effective(o.ownStatus(row), row)
}

func (o *outlook) ownStatus(row uint32) string {
	if def := o.full.def(row); row != 0 && def != nil {
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

// note adds one limit or pool: by how much it still leaves, and whether it blocks.
func (f *found) note(l *EffectiveLimit, left bursar.Amount, blocks, counts, warns bool, row uint32) {
	if blocks && f.blocks == nil {
		f.blocks = l
	}
	if counts && l.Source != BindingAbove && (f.least == nil || left.Less(f.left)) {
		f.least, f.left, f.warns, f.row = l, left, warns, row
	}
}

func (o *outlook) pool(f *found, a *ask, counts bool) {
	g := o.full.gate(o.cat, a)
	if g.Unlimited || g.Soft {
		return
	}
	l := &EffectiveLimit{Source: bursar.BindingCredits, Capability: a.c}
	if a.c.Kind == bursar.KindFeature {
		l.Source, l.ResetsAt = bursar.BindingCustomer, g.ResetsAt
	}
	f.note(o.seen(l, o.v.root == 0), a.leaves(g.UsageLimit, g.CurrentUsage, g.Reserved), shut(&g, a) != nil, counts, false, 0)
}

func (o *outlook) limit(f *found, ord uint32, def *rowDef, a *ask, counts bool) {
	if def.soft || !def.limited {
		return
	}
	v := o.full
	c, limit := v.current(ord, def), v.limitNow(ord, def)
	left := a.leaves(limit, c.used, c.held)
	blocks := limit.Less(a.onto(c.used, c.held))
	if !blocks && (!counts || f.least != nil && !left.Less(f.left)) {
		return // nothing to tell of it
	}
	l := &EffectiveLimit{Source: bursar.BindingEntity}
	seen := o.v.seesRow(def)
	if seen {
		e := v.ent(def.ent)
		*l = EffectiveLimit{Source: bursar.BindingEntity, Capability: a.c, AssignmentID: formatID(v.rowID(ord)), EntityID: e.id, DisplayName: e.name,
			ScopeEntityIDs: v.scopeIDs(def), Label: def.label, Cadence: def.sched.Cadence.String(), ResetsAt: c.end}
	}
	status := v.statusOf(ord, def)
	f.note(o.seen(l, seen), left, blocks, counts, status == statusWarning || status == statusExceeded, ord)
}

// seen hides what the reader may not see.
func (o *outlook) seen(l *EffectiveLimit, seen bool) *EffectiveLimit {
	if seen {
		return l
	}
	return &EffectiveLimit{Source: BindingAbove}
}

// leaves is what a limit still lets through.
func (a *ask) leaves(limit, used, held bursar.Amount) bursar.Amount {
	if a.max {
		used = bursar.Amount{}
	}
	return bursar.MaxAmount(bursar.Amount{}, limit.Sub(used).Sub(held))
}

// statusOf is the status of a limit by itself: exceeded from its limit on, warning from
// its lowest threshold; "" when it is unlimited.
func (v *view) statusOf(ord uint32, def *rowDef) string {
	if !def.limited {
		return ""
	}
	warn := warnAt
	if len(def.thresholds) > 0 {
		warn = def.thresholds[0]
	}
	switch u := utilization(v.current(ord, def).used, v.limitNow(ord, def)); {
	case u >= 1:
		return statusExceeded
	case u >= float64(warn)/100:
		return statusWarning
	}
	return statusOK
}
