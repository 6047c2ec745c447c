package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (v *View) addTotal(cap uint32, value, held bursar.Amount, at bursar.Time) {
	t := ours(v, v.tots, cap)
	if t == nil {
		now := v.Total(cap)
		t = &now
		put(v, &v.tots, cap, t)
	}
	t.Value, t.Held = t.Value.Add(value), t.Held.Add(held)
	if !value.IsZero() {
		t.At = max(t.At, at)
	}
}

func (v *View) applyUsage(r *record.Usage) error {
	v.remember(r.Key)
	if err := v.charge(r.Charges); err != nil {
		return err
	}
	at := v.Now
	if r.Op == record.OpHeldEvent && r.Delta.Sign() > 0 {
		at = r.At // as readers see it before it is recorded
	}
	v.addTotal(r.Cap, r.Total, bursar.Amount{}, at)
	if r.Set && !r.Stale {
		put(v, &v.lvls, record.LevelKey{Leaf: r.Leaf, Cap: r.Cap}, &record.Level{Value: r.Amount, At: r.Timestamp})
	}
	v.track(r.Cap, r.At, r.Combo, r.Path, r.Delta, true)
	return nil
}

func (*ReportUsage) failsEarly() {}

// UsageItem is one item of a report on its way to the log: what is asked, what was found of
// it, and what it did.
type UsageItem struct {
	In                 bursar.UsageInput // dimensions ordered by key
	bursar.UsageResult                   // once the report is decided; of a duplicate it lacks what is read at Before

	Index  int // place in the request
	Key    record.Identity
	Before *record.Place // where a duplicate was recorded

	// found while the item is judged
	path     Resolved
	rows     []uint32
	asks     []Ask         // of a SET: those of the change that it makes
	level    record.Level  // of a SET: what the leaf's level becomes
	stale    bool          // a SET older than the level
	unpriced []string      // currencies without a rate for it
	free     bool          // nothing limits it, however much it is
	warnings []string      // all but that of a stale SET
	priced   bursar.Time   // when its price is taken; 0 = at its timestamp
	took     bursar.Amount // once recorded: what the customer's total took
	field    string        // of an event: the property that its meter reads
	bounded  bool          // of an event: the most that there can be of one of the kinds that share the output
	// Of an event whose meter is a MAX or a UNIQUE: which, and the value that was met.
	aggregate string
	text      string
}

type ReportUsage struct {
	Base     string           // where in the request the items are; "" = the body is the only one
	Op       record.Operation // OpUsage or OpConsumption
	Items    []*UsageItem
	Unpriced []Unpriced
	levels   map[leafLevel]record.Level // that the items so far would leave
}

// leafLevel names a level while its feature may not have a number yet.
type leafLevel struct {
	leaf    uint32
	feature string
}

func (o *ReportUsage) at(it *UsageItem, field string) string {
	if o.Base == "" {
		return "/" + field
	}
	return fmt.Sprintf("%s/%d/%s", o.Base, it.Index, field)
}

// Decide judges all items before it records the first, so that a report is recorded
// whole or not at all. The reply is in the items.
func (o *ReportUsage) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, o.noCustomer()
	}
	var p bursar.Problems
	o.Unpriced, o.levels = nil, map[leafLevel]record.Level{}
	twins := make([]*record.Place, len(o.Items))
	keys := newReportKeys(len(o.Items))
	for i := range o.Items {
		it := o.Items[i]
		var bad, always bursar.Problems
		d.checkTime(it.In.Timestamp, func() string { return o.at(it, "createdAt") }, &always)
		pointer := func() string { return o.at(it, "idempotencyKey") }
		var fresh bool
		if twins[i], fresh = keys.judge(d, i, it.Key, it.In.IdempotencyKey, it.In.Timestamp, pointer, &always); fresh {
			d.enrol(it.In.Dimensions)
		}
		if leaf := d.checkUsage(o, it, &bad); fresh {
			o.setLevel(d, leaf, it)
		}
		if twins[i] == nil { // what was recorded before is not judged again
			p.Join(&bad)
		}
		p.Join(&always)
	}
	if err := keys.unknown(); err != nil {
		return nil, err
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	for i, it := range o.Items {
		it.Before = twins[i]
		if first := o.Items[keys.first(i, it.Key)]; first != it {
			it.UsageResult, it.Before = first.UsageResult, first.Before
			it.Duplicate = true
		} else if it.Before != nil {
			it.UsageResult = bursar.UsageResult{Duplicate: true, Warnings: it.warnings}
		} else {
			d.recordUsage(it, o.Op)
			o.Unpriced = append(o.Unpriced, d.unpriced(&it.In, it.unpriced)...)
		}
	}
	for i, it := range o.Items { // a duplicate shows the balance as the request leaves it
		if it.Duplicate {
			asks := o.Items[keys.first(i, it.Key)].asks // a price is that of the first one's timestamp
			if it.Before != nil {
				asks = asks[:1] // what it cost is in the log
			}
			d.showUsage(&it.UsageResult, asks)
			if it.Credit != nil {
				it.Credit.Consumed = &bursar.Amount{}
			}
		}
	}
	return nil, nil
}

func (o *ReportUsage) noCustomer() error {
	var p bursar.Problems
	for _, it := range o.Items {
		p.Add(o.at(it, "customerId"), bursar.CodeCustomerNotFound, "there is no customer %q", it.In.CustomerID)
	}
	return p.Err()
}

// showUsage fills in what the customer has used once the item is recorded.
func (d *Decider) showUsage(r *bursar.UsageResult, asks []Ask) {
	cap := d.CapOrd(asks[0].C)
	r.CurrentUsage = d.Total(cap).Value
	if p := d.promoNow(cap); p != nil {
		c := d.Current(p.row, d.Def(p.row))
		if r.CurrentUsage = c.Used; p.ResetPeriod != "" {
			r.PeriodStart, r.PeriodEnd = c.Start, c.End
		}
	}
	r.Credit = d.Credit(d.Cat, asks)
}

// checkUsage adds to p what is wrong with an item, and finds what it charges. It
// returns the leaf of a SET.
func (d *Decider) checkUsage(o *ReportUsage, it *UsageItem, p *bursar.Problems) (leaf uint32) {
	it.asks, it.unpriced, it.warnings = []Ask{{C: it.In.Capability(), Cap: d.CapOrd(it.In.Capability())}}, nil, nil
	if !d.checkTarget(o, it, p) {
		return 0
	}
	it.path = d.Resolve(d.Cat, it.In.Dimensions)
	amount := it.In.Value
	if it.In.Behavior == bursar.Set {
		var ok bool
		if leaf, ok = d.leaf(&it.path); !ok {
			p.Add(o.at(it, "dimensions"), bursar.CodeValidationFailed, severalLeaves)
		}
		amount = d.change(o, leaf, it)
	}
	if err := d.chargeable(it, amount); err != nil {
		field := "dimensions"
		if err.Code == bursar.CodeInvalidAmount {
			field = "value"
		}
		p.Add(o.at(it, field), err.Code, "%s", err.Message)
	}
	return leaf
}

// checkTime adds to p that a timestamp is out of range. It does so for what was recorded before,
// too: a key of that time may be forgotten.
func (d *Decider) checkTime(t bursar.Time, at func() string, p *bursar.Problems) {
	if t != 0 && (t > d.Now+maxAhead || t < d.Now-bursar.Time(d.Horizon)) {
		p.Add(at(), bursar.CodeTimestampOutOfRange, "the timestamp is %s; it may lie at most %v back and 5 minutes ahead of %s", t, d.Horizon, d.Now)
	}
}

// change is by how much a SET changes its level, after the items before it.
func (d *Decider) change(o *ReportUsage, leaf uint32, it *UsageItem) (by bursar.Amount) {
	at := d.Now
	if it.In.Timestamp != 0 {
		at = min(it.In.Timestamp, d.Now)
	}
	it.level, by, it.stale = o.level(d, leaf, it).Set(it.In.Value, at)
	return by
}

// level is that of an item's leaf after the items before it.
func (o *ReportUsage) level(d *Decider, leaf uint32, it *UsageItem) record.Level {
	if l, ok := o.levels[leafLevel{leaf, it.In.FeatureID}]; ok {
		return l
	}
	return d.level(record.LevelKey{Leaf: leaf, Cap: d.CapOrd(it.In.Capability())})
}

// setLevel notes the level that an item, once recorded, leaves to the items after it.
func (o *ReportUsage) setLevel(d *Decider, leaf uint32, it *UsageItem) {
	switch {
	case it.In.Behavior == bursar.Set:
		o.levels[leafLevel{leaf, it.In.FeatureID}] = it.level
	case d.levelled(it.In.Capability()):
		for _, l := range d.lowest(it.path.Path) {
			o.levels[leafLevel{l, it.In.FeatureID}] = o.level(d, l, it).Moved(it.In.Value)
		}
	}
}

// checkTarget adds to p what is wrong with what an item is usage of, and with how much.
func (d *Decider) checkTarget(o *ReportUsage, it *UsageItem, p *bursar.Problems) bool {
	if o.Op == record.OpConsumption {
		if d.Cat.CurrencyOf[it.In.CurrencyID] == nil {
			p.Add(o.at(it, "currencyId"), bursar.CodeCurrencyNotFound, "%s", d.missing(d.Cat, catalogue.OfCurrency, it.In.CurrencyID))
			return false
		}
		if it.In.Value.Sign() <= 0 {
			p.Add(o.at(it, "amount"), bursar.CodeInvalidAmount, "a consumption is above 0")
		}
		return true
	}
	f := d.Cat.FeatureOf[it.In.FeatureID]
	switch {
	case f == nil:
		p.Add(o.at(it, "featureId"), bursar.CodeFeatureNotFound, "%s", d.missing(d.Cat, catalogue.OfFeature, it.In.FeatureID))
		return false
	case f.Meter != nil:
		p.Add(o.at(it, "featureId"), bursar.CodeFeatureHasMeter, "the feature %q has a meter: it is fed by events, not by usage reports", it.In.FeatureID)
	}
	if it.In.Value.Sign() < 0 && !f.Fluctuating() {
		p.Add(o.at(it, "value"), bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", it.In.FeatureID)
	}
	return true
}

// chargeable finds the rows, the costs and the warnings of an amount, for an item whose path is
// resolved. A negative amount costs what it takes off the feature's total. An error tells of a
// cost that cannot be counted; the item has all the rest even then.
func (d *Decider) chargeable(it *UsageItem, amount bursar.Amount) *bursar.Error {
	at := d.pricedAt(it)
	var err error
	back := d.clampTotal(d.CapOrd(it.In.Capability()), amount)
	it.asks, it.unpriced, err = d.AsksFor(d.Cat, it.In.Capability(), back, it.In.Dimensions, at)
	it.asks[0].Amount = amount
	a := d.RowsOn(&it.path, it.asks[0].Cap)
	limited, unpriced, cut := len(a.Rows) > 0, it.unpriced, warnCut(it.asks[0].C, a.cut, nil)
	it.rows = d.withPromo(a.Rows, it.asks[0].Cap)
	if made := it.path.made; made != 0 {
		it.rows = slices.DeleteFunc(it.rows, func(row uint32) bool { return d.Def(row).Created > made })
	}
	for _, x := range it.asks[1:] {
		on := d.RowsOn(&it.path, x.Cap)
		limited, cut = limited || len(on.Rows) > 0, warnCut(x.C, on.cut, cut)
	}
	it.free = !limited && !d.gated(d.Cat, it.asks)
	if it.aggregate == "" && amount.IsZero() { // what uses nothing needs neither price nor limit
		limited, unpriced = true, nil
	}
	it.warnings = append(d.Warnings(d.Cat, &it.path, it.asks, unpriced, limited, nil), cut...)
	if err != nil {
		return err.(*bursar.Error)
	}
	return nil
}

// pricedAt is the instant whose prices an item has.
func (d *Decider) pricedAt(it *UsageItem) bursar.Time {
	switch {
	case it.priced != 0:
		return it.priced
	case it.In.Timestamp != 0:
		return min(it.In.Timestamp, d.Now)
	}
	return d.Now
}

// leaf is the matched entity that is below all other matched ones; 0 when none is
// matched, and not ok when several are.
func (v *View) leaf(r *Resolved) (leaf uint32, ok bool) {
	for _, l := range r.Leaves {
		if leaf == 0 || v.depth(l) > v.depth(leaf) {
			leaf = l
		}
	}
	for _, l := range r.Leaves {
		e := leaf
		for e != 0 && e != l {
			e = v.Ent(e).Parent
		}
		if e == 0 {
			return 0, false
		}
	}
	return leaf, true
}

// recordUsage records an item that was found good, and notes in it what it did.
func (d *Decider) recordUsage(it *UsageItem, o record.Operation) {
	in := &it.In
	cap := d.CapFor(in.Capability())
	r := &it.path
	rec := &record.Usage{Op: o, Cap: cap, Amount: in.Value, Timestamp: in.Timestamp, Key: it.Key,
		Dims: in.Dimensions, Combo: d.ComboFor(in.Dimensions), Path: r.Path, Delta: in.Value}
	if rec.Timestamp == 0 {
		rec.Timestamp = d.Now
	}
	rec.At = min(rec.Timestamp, d.Now)
	if it.priced != 0 {
		rec.Timestamp = it.priced
	}
	it.UsageResult = bursar.UsageResult{Timestamp: rec.Timestamp, CreatedAt: d.Now, Warnings: it.warnings}
	if in.Behavior == bursar.Set {
		rec.Set, rec.Stale, rec.Delta, rec.At = true, it.stale, it.asks[0].Amount, d.Now
		if rec.Leaf, _ = d.leaf(r); rec.Stale {
			it.Warnings = append(slices.Clip(it.Warnings), bursar.WarnStaleSet)
		}
	}
	d.notePath(r.Path)
	var met *record.ValueCounted
	switch it.aggregate {
	case "MAX":
		d.chargeHighest(it.rows, in.Value, rec)
	case "UNIQUE":
		met = d.chargeDistinct(it.rows, hashValue(it.text), rec)
	case "":
		rec.Charges = d.Charges(it.rows, rec.At, rec.Delta, rec.Set)
		if rec.Total = d.clampTotal(cap, rec.Delta); rec.Delta.Sign() < 0 {
			repriceAsks(it.asks, rec.Total)
		}
	default:
		d.Fault = fmt.Errorf("no rule says what a %s charges", it.aggregate)
	}
	it.ID, it.took = store.FormatID(d.NextID()), rec.Total
	of := len(d.Recs)
	d.Emit(rec)
	if met != nil {
		d.Emit(met)
	}
	d.noteLevel(it, rec)
	d.alertCharges(rec.Charges)
	if in.CurrencyID != "" && d.Cat.Prepaid(in.CurrencyID) {
		d.draw(cap, rec.Total, 0, of, record.DrawConsumed, d.Now)
	}
	d.chargeCosts(it.asks, of, cap, r, in.Dimensions, rec.At, rec.Set)
	it.Costs = costsOf(it.asks)
	d.showUsage(&it.UsageResult, it.asks)
}

// noteLevel records the level that an item leaves, where its record does not say it.
func (d *Decider) noteLevel(it *UsageItem, rec *record.Usage) {
	switch {
	case !rec.Set:
		d.moveLevels(rec.Cap, rec.Path, rec.Delta)
	case !rec.Stale && it.level != record.Level{Value: rec.Amount, At: rec.Timestamp}:
		d.Emit(&record.LevelSet{Key: record.LevelKey{Leaf: rec.Leaf, Cap: rec.Cap}, Level: it.level})
	}
}

func (v *View) clampTotal(cap uint32, delta bursar.Amount) bursar.Amount {
	if delta.Sign() >= 0 {
		return delta
	}
	return bursar.MaxAmount(delta, v.Total(cap).Value.Neg())
}

func (o *ReportUsage) Size() int { return len(o.Items) }

// Total is all that a customer used and holds of a capability.
type Total struct {
	Value, Held bursar.Amount
	At          bursar.Time
}

// figures tells that something was used or is held. Nothing takes that back.
func (t *Total) figures() bool { return t.At != 0 || !t.Held.IsZero() }
