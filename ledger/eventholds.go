package ledger

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (*ReserveEvent) failsEarly() {}

// SpendEvent is an event to make a hold for or to consume: for all that it uses, or not at all.
type SpendEvent struct {
	In      bursar.EventInput // dimensions ordered by key
	Key     record.Identity
	Content [8]byte // of the request
	Unruled [8]byte // of the request, as a reading of its usage without rules has it
	Call    Call
	Strict  bool // what names no entity is denied
	// SaidInput and SaidOutput tell that the request says how many tokens there may be, even if it
	// says none.
	SaidInput, SaidOutput bool
	// Bounded are kinds of output whose number the request does not say. tokens.output is then how
	// many tokens there can be of its own kind and of these together.
	Bounded []string

	learns bool // the amount of output is to be learned
}

// admittedEvent is an event that was granted: what it is decided on.
type admittedEvent struct {
	item    EventItem
	asks    []Ask // what it uses, each capability once; those of which it uses nothing are left out
	path    Resolved
	labels  []bursar.Dimension
	chains  [][]uint32
	learned *bursar.Learned
	before  *record.Hold // the hold that the call has already; then nothing else is set
	bursar.Decision
}

// admitEvent judges an event. It returns what the event may use, or its twin's place as the error.
func (d *Decider) admitEvent(o *SpendEvent, consumes bool) (*admittedEvent, error) {
	if a, err := d.newEvent(o, consumes); a != nil || err != nil {
		return a, err
	}
	return d.judgedEvent(o, o.In)
}

// newEvent finds out whether an event is new. If not, it returns the hold that its call has already,
// or its twin's place as the error.
func (d *Decider) newEvent(o *SpendEvent, consumes bool) (*admittedEvent, error) {
	c := d.Cust()
	if c == nil {
		return nil, ErrNoCustomer
	}
	e, err := d.known(o.Key, d.Now-record.KeyMemory)
	if err != nil {
		return nil, err
	}
	if e != nil {
		if e.content != o.Key.Content && (e.content != o.Unruled || o.Key.Content == ReservesContent(o.In.EventName)) {
			return nil, Reused("/idempotencyKey", o.In.IdempotencyKey)
		}
		return nil, &record.Place{Seq: e.Seq, Index: e.index}
	}
	if len(d.Cat.Meters[o.In.EventName]) == 0 {
		return nil, bursar.ErrorAt("/eventName", bursar.CodeUnknownMeter, "%s", d.missing(d.Cat, catalogue.OfMeter, o.In.EventName))
	}
	if h, err := d.reservedCall(&o.Call, consumes); h != nil || err != nil {
		return &admittedEvent{before: h}, err
	}
	if c.ArchivedAt != nil {
		return nil, bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived", c.ID)
	}
	if o.learns {
		d.enrolLearning(&o.In)
	}
	return nil, nil
}

// judgedEvent judges an event that was never before.
func (d *Decider) judgedEvent(o *SpendEvent, in bursar.EventInput) (*admittedEvent, error) {
	var p bursar.Problems
	a := d.enrolledEvent(o, in, &p)
	for i := range a.item.usages {
		a.item.usages[i].needsRate(&p)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	over := d.weighEvent(a, o)
	if !a.Granted {
		return nil, d.refused(&a.Decision, &a.path)
	}
	if err := cannotCount(a.asks, over); err != nil {
		return nil, err
	}
	d.granted()
	return a, nil
}

// enrolledEvent is meteredEvent once those whom the event names are enrolled. An event that uses
// nothing enrols nobody.
func (d *Decider) enrolledEvent(o *SpendEvent, in bursar.EventInput, p *bursar.Problems) *admittedEvent {
	var own bursar.Problems
	a := d.meteredEvent(o, in, &own)
	if len(a.item.usages) > 0 && d.enrol(a.labels) { // it counts on the newcomers' limits, too
		own = bursar.Problems{}
		a = d.meteredEvent(o, in, &own)
	}
	p.Join(&own)
	return a
}

// meteredEvent is what an event would use. It adds to p what is wrong with that.
func (d *Decider) meteredEvent(o *SpendEvent, in bursar.EventInput, p *bursar.Problems) *admittedEvent {
	a := &admittedEvent{item: EventItem{In: in, Key: o.Key, bounded: o.Bounded}, labels: labelsOf(in.Dimensions)}
	d.meterEvent(&a.item, "", 0, p)
	noneNegative(a.item.usages, "", p)
	return a
}

// weighEvent decides whether what the event uses may be used. over tells, for each
// of its asks, of limits that it does not count on; nil = all count on all.
func (d *Decider) weighEvent(a *admittedEvent, o *SpendEvent) (over []Applied) {
	a.asks, a.path = asksOfEvent(a.item.usages), d.Resolve(d.Cat, a.labels)
	a.path.strict = o.Strict
	a.path.nameNumbers(d.Cat, a.item.In.Dimensions)
	a.chains, over = d.chains(&a.path, a.asks)
	a.Decision = d.judgeEvent(d.Cat, o.In.EventName, &a.path, a.asks, a.chains)
	a.Warnings = a.item.warnings
	a.judgeFree(d)
	return over
}

// noneNegative adds to p the usages that are below 0: what is given back is neither held nor
// checked.
func noneNegative(usages []UsageItem, at string, p *bursar.Problems) {
	for i := range usages {
		if u := &usages[i]; u.In.Value.Sign() < 0 {
			p.Add(at+"/dimensions/"+catalogue.EscapePointer(u.field), bursar.CodeInvalidAmount, "%s is below 0: feature %q can take that back by an event alone", u.In.Value, u.In.FeatureID)
		}
	}
}

// needsRate adds to p a usage whose feature has a price, but no rate for its dimensions: it would go
// past every budget of money. A usage that is only bounded needs no rate, as there may be none of it.
func (u *UsageItem) needsRate(p *bursar.Problems) {
	if u.aggregate == "" && !u.bounded && !u.In.Value.IsZero() && len(u.unpriced) > 0 {
		err := catalogue.ErrNoRate(u.In.FeatureID, u.unpriced)
		p.Add(err.Fields[0].Pointer, err.Code, "%s", err.Message)
	}
}

// asksOfEvent is what usages want, by capability: features as their meters come, then the
// currencies. A MAX and a UNIQUE ask for nothing.
func asksOfEvent(usages []UsageItem) []Ask {
	var features, currencies []Ask
	for i := range usages {
		if usages[i].aggregate != "" {
			continue
		}
		for j, a := range usages[i].asks {
			if j == 0 {
				features = addAsk(features, a)
			} else {
				currencies = addAsk(currencies, a)
			}
		}
	}
	return append(features, byCurrency(currencies)...)
}

func byCurrency(currencies []Ask) []Ask {
	slices.SortFunc(currencies, func(a, b Ask) int { return strings.Compare(a.C.ID, b.C.ID) })
	return currencies
}

func addAsk(asks []Ask, a Ask) []Ask {
	if a.Amount.IsZero() {
		return asks
	}
	for i := range asks {
		if asks[i].C == a.C {
			asks[i].Amount = asks[i].Amount.Add(a.Amount)
			return asks
		}
	}
	return append(asks, a)
}

// judgeEvent decides whether all of asks may be used on the rows of chains, which are those
// of r. A denial is about the capability that denied.
func (v *View) judgeEvent(cat *catalogue.Catalogue, event string, r *Resolved, asks []Ask, chains [][]uint32) bursar.Decision {
	d := bursar.Decision{Granted: true, Chains: v.nodes(chains, asks)}
	if d.Frozen = v.frozenOn(r); d.Frozen != nil {
		d.Granted, d.Reason = false, d.Frozen.Code
	}
	v.judgeStrict(cat, r, &d)
	for i := range asks {
		g := v.gate(cat, &asks[i])
		if b := shut(&g, &asks[i]); b != nil && d.Granted {
			d.Granted, d.Reason, d.Binding = false, gateReason(asks[i].C), b
		}
	}
	if d.Granted {
		judgeNodes(&d)
	}
	d.Capability = bursar.Capability{Kind: bursar.KindFeature, ID: cat.Meters[event][0].ID}
	if d.Binding != nil {
		d.Capability = d.Binding.Node.Capability
	} else if len(asks) > 0 {
		d.Capability = asks[0].C
	}
	for i := range asks {
		if asks[i].C == d.Capability {
			d.Gate = v.gate(cat, &asks[i])
		} else if asks[i].C.Kind == bursar.KindCurrency {
			d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: asks[i].C.ID, Amount: asks[i].Amount}, Gate: v.gate(cat, &asks[i])})
		}
	}
	cat.Show(&d)
	if !d.Granted {
		d.Advice = v.adviceBefore(cat, asks, &d, chains, r.model)
	}
	return d
}

// adviceBefore is the advice of a denial of an event, which is not counted.
func (v *View) adviceBefore(cat *catalogue.Catalogue, asks []Ask, d *bursar.Decision, chains [][]uint32, model string) bursar.Advice {
	var t tightestLimit
	for i := range asks {
		g := v.gate(cat, &asks[i])
		t.meetGate(&g, &asks[i])
	}
	t.meetChains(d.Chains)
	return v.advise(&t, d.Chains, chains, model)
}

// afterEvent is the state of the limits once asks have been granted. tightest is the limit that has
// room for the fewest further events like this.
func (v *View) afterEvent(cat *catalogue.Catalogue, asks []Ask, chains [][]uint32, model string) (d bursar.Decision, tightest *bursar.Binding) {
	d = bursar.Decision{Granted: true, Chains: v.nodes(chains, nil)}
	grantAll(d.Chains, asks)
	var t tightestLimit
	for i := range asks {
		g := v.gate(cat, &asks[i])
		t.meetGate(&g, &asks[i])
	}
	t.meetChains(d.Chains)
	d.Advice = v.advise(&t, d.Chains, chains, model)
	return d, t.binding()
}

// ReserveEvent holds all that an event is expected to use.
type ReserveEvent struct {
	SpendEvent
	Ttl    int // seconds
	Settle bool
	Learn  Learn
}

func (o *ReserveEvent) Decide(d *Decider) (any, error) {
	a, err := d.admitLearned(&o.SpendEvent, o.Learn)
	if err != nil {
		return nil, err
	}
	if a.before != nil {
		if o.Key.Set { // so an event with this key ends the reservation, too
			d.Emit(&record.CallNamed{Key: o.Key, Held: true, Hold: a.before.ID, Request: o.Content})
		}
		return d.EventReservedAgain(&o.SpendEvent, a.before), nil
	}
	rec := &record.EventHeld{Event: record.HeldEvent{Name: o.In.EventName, Content: o.Content, Props: a.item.In.Dimensions}}
	for i := range a.item.usages {
		if u := &a.item.usages[i]; u.aggregate == "" && !u.In.Value.IsZero() {
			rec.Event.Parts = append(rec.Event.Parts, d.heldPart(u))
		}
	}
	if len(rec.Event.Parts) == 0 {
		first := bursar.Capability{Kind: bursar.KindFeature, ID: d.Cat.Meters[o.In.EventName][0].ID}
		rec.Event.Parts = []record.HeldPart{{Cap: d.CapFor(first)}}
	}
	combo := d.holdCombo(a.labels, pricedParts(rec.Event.Parts))
	d.notePath(a.path.Path)
	chains := d.makeChains(a.chains)
	rec.HoldOpened = record.HoldOpened{ID: d.NextID(), Cap: rec.Event.Parts[0].Cap, Amount: rec.Event.Parts[0].Amount, Created: d.Now,
		Expires: d.Now + bursar.Time(o.Ttl)*1e9, Settle: o.Settle, Key: o.Key, Dims: a.labels, Combo: combo, Path: a.path.Path, Chains: chains}
	d.Emit(rec)
	d.nameCall(&o.Call, d.Hold(rec.ID))
	out := d.ReservationOut(d.Cat, d.Hold(rec.ID))
	out.Decision.Warnings = append(a.Warnings, o.nothingHeld(a.item.In.Dimensions, a.item.usages)...)
	out.Event.Learned = a.learned
	return out, nil
}

func (d *Decider) heldPart(u *UsageItem) record.HeldPart {
	p := record.HeldPart{Cap: d.CapFor(u.In.Capability()), Amount: u.In.Value}
	for i := range u.asks[1:] {
		a := &u.asks[i+1]
		p.Costs = append(p.Costs, record.HeldCost{Cap: d.CapFor(a.C), Card: a.price.Card.ID, Version: a.price.Version,
			Rate: bursar.Rate{Amount: a.price.Rate.Amount, Per: a.price.Rate.Per}, Held: a.Amount})
	}
	return p
}

// pricedParts are the features of parts that cost something.
func pricedParts(parts []record.HeldPart) (features []uint32) {
	for i := range parts {
		if len(parts[i].Costs) > 0 {
			features = append(features, parts[i].Cap)
		}
	}
	return features
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// usedBy is what recorded usages used of each capability; costs are the part that is money.
func (d *Decider) usedBy(usages []UsageItem) (used []bursar.CapabilityAmount, costs []bursar.Cost) {
	var features, currencies []Ask
	for i := range usages {
		u := &usages[i]
		features = addAsk(features, Ask{C: u.In.Capability(), Amount: u.took})
		for _, c := range u.Costs {
			currencies = addAsk(currencies, Ask{C: bursar.Capability{Kind: bursar.KindCurrency, ID: c.CurrencyID}, Amount: c.Amount})
		}
	}
	for _, a := range byCurrency(currencies) {
		costs = append(costs, bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount})
	}
	return amountsOf(append(features, currencies...)), costs
}

func amountsOf(asks []Ask) []bursar.CapabilityAmount {
	out := make([]bursar.CapabilityAmount, len(asks))
	for i, a := range asks {
		out[i] = bursar.CapabilityAmount{Capability: a.C, Amount: a.Amount}
	}
	return out
}

// heldAsks is what a hold holds of each capability, as asksOfEvent orders it.
func (v *View) heldAsks(h *record.Hold) []Ask {
	return v.asksByCap(h.EachHeld)
}

// usedAsks is what was used of each capability, in the same order.
func (v *View) usedAsks(u *record.EventUse) []Ask {
	return v.asksByCap(func(f func(uint32, bursar.Amount)) {
		for _, p := range u.Parts {
			f(p.Cap, p.Amount)
			for _, c := range p.Costs {
				f(c.Cap, c.Amount)
			}
		}
	})
}

func (v *View) asksByCap(each func(func(cap uint32, a bursar.Amount))) []Ask {
	var features, currencies []Ask
	each(func(cap uint32, a bursar.Amount) {
		x := Ask{C: v.Capability(cap), Cap: cap, Amount: a}
		if x.C.Kind == bursar.KindFeature {
			features = addAsk(features, x)
		} else {
			currencies = addAsk(currencies, x)
		}
	})
	return append(features, byCurrency(currencies)...)
}

// eventOut shows what a hold of an event has and other holds have not.
func (v *View) eventOut(cat *catalogue.Catalogue, h *record.Hold, live [][]uint32, out *bursar.Reservation) {
	x := h.Event
	asks := v.heldAsks(h)
	e := &bursar.ReservedEvent{Name: x.Name, Properties: x.Props, Held: amountsOf(asks)}
	out.Capability, out.Amount = bursar.Capability{}, bursar.Amount{}
	if x.Used != nil {
		e.Properties, e.Estimated = x.Used.Props, x.Used.Estimated
		asks = v.usedAsks(x.Used)
		e.Used = amountsOf(asks)
	}
	if x.Used != nil || h.Status == bursar.HoldOpen {
		for _, a := range asks {
			if a.C.Kind == bursar.KindCurrency {
				out.Costs = append(out.Costs, bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount})
			}
		}
	}
	e.Properties = v.seenDims(cat, e.Properties)
	after, tightest := v.afterEvent(cat, asks, live, modelOf(h.Dims))
	out.Decision, e.Tightest = &after, tightest
	out.Event = e
}

// EventReservedAgain answers a reservation of an event whose twin is h, with the warnings
// that it would have now.
func (d *Decider) EventReservedAgain(o *SpendEvent, h *record.Hold) bursar.Reservation {
	res := d.ReservationOut(d.Cat, h)
	res.Duplicate = true
	it := d.eventNow(&o.In, o.Bounded)
	res.Decision.Warnings = append(it.warnings, o.nothingHeld(it.In.Dimensions, it.usages)...)
	return res
}

// eventNow is an event with the usage and the warnings that it would have if it came now.
func (d *Decider) eventNow(in *bursar.EventInput, bounded []string) *EventItem {
	it := EventItem{In: *in, bounded: bounded}
	d.meterEvent(&it, "", 0, new(bursar.Problems))
	return &it
}

// alertReached shows that a row reached thresholds.
func (v *View) alertReached(ord uint32, def *record.Limit, thresholds []int) bursar.AlertReached {
	return bursar.AlertReached{AssignmentID: store.FormatID(v.RowID(ord)), EntityID: v.Ent(def.Ent).ID, Capability: v.Capability(def.Cap),
		Label: def.Label, Thresholds: thresholds}
}
