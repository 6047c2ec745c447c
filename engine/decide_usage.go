package engine

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// usageItem is one item of a report, with its place in the request.
type usageItem struct {
	index int
	in    bursar.UsageInput // dimensions ordered by key
	key   identity

	// found while the item is judged
	path     resolved
	rows     []uint32
	asks     []ask    // of a SET: what its change is
	level    level    // of a SET: what the leaf's level becomes
	stale    bool     // a SET older than the level
	unpriced []string // currencies without a rate for it
	warnings []string // but for that of a stale SET
	field    string   // of an event: the property that its meter reads
	// Of an event whose meter is a MAX or a UNIQUE: which, and the value that was met.
	aggregate string
	text      string
}

type reportUsage struct {
	base     string    // where in the request the items are; "" = the body is the only one
	op       operation // opUsage or opConsumption
	items    []usageItem
	unpriced []Unpriced
	levels   map[leafLevel]level // that the items so far would leave
}

// leafLevel names a level while its feature may not have a number yet.
type leafLevel struct {
	leaf    uint32
	feature string
}

func (o *reportUsage) at(it *usageItem, field string) string {
	if o.base == "" {
		return "/" + field
	}
	return fmt.Sprintf("%s/%d/%s", o.base, it.index, field)
}

// recorded is the reply for one item; a duplicate's place is told instead.
type recorded struct {
	result bursar.UsageResult
	seen   *seen
}

// decide judges all items before it records the first, so that a report is recorded
// whole or not at all.
func (o *reportUsage) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, o.noCustomer()
	}
	var p bursar.Problems
	o.unpriced, o.levels = nil, map[leafLevel]level{}
	twins := make([]*seen, len(o.items))
	keys := newReportKeys(len(o.items))
	for i := range o.items {
		it := &o.items[i]
		leaf := d.checkUsage(o, it, &p)
		pointer := func() string { return o.at(it, "idempotencyKey") }
		var fresh bool
		if twins[i], fresh = keys.look(d, i, it.key, it.in.IdempotencyKey, it.in.Timestamp, pointer, &p); fresh {
			o.setLevel(d, leaf, it)
		}
	}
	if err := keys.unknown(); err != nil {
		return nil, err
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	out := make([]recorded, len(o.items))
	for i := range o.items {
		if j := keys.first(i, o.items[i].key); j != i {
			out[i] = recorded{result: out[j].result, seen: out[j].seen}
			out[i].result.Duplicate = true
			continue
		}
		if twins[i] != nil {
			out[i] = recorded{seen: twins[i], result: bursar.UsageResult{Input: o.items[i].in, Duplicate: true, Warnings: o.items[i].warnings}}
			continue
		}
		out[i].result = d.recordUsage(&o.items[i], o.op)
		o.unpriced = append(o.unpriced, d.unpriced(&o.items[i].in, o.items[i].unpriced)...)
	}
	for i := range out { // duplicates show the balance that the request leaves
		if r := &out[i].result; r.Duplicate {
			asks := o.items[keys.first(i, o.items[i].key)].asks // a price is that of the first one's timestamp
			if out[i].seen != nil {
				asks = asks[:1] // what it cost is in the log
			}
			d.showUsage(r, asks)
			if r.Credit != nil {
				r.Credit.Consumed = &bursar.Amount{}
			}
		}
	}
	return out, nil
}

func (o *reportUsage) noCustomer() error {
	var p bursar.Problems
	for i := range o.items {
		p.Add(o.at(&o.items[i], "customerId"), bursar.CodeCustomerNotFound, "there is no customer %q", o.items[i].in.CustomerID)
	}
	return p.Err()
}

// showUsage fills in what the customer has used once the item is recorded.
func (d *decider) showUsage(r *bursar.UsageResult, asks []ask) {
	cap := d.capOrd(asks[0].c)
	r.CurrentUsage = d.total(cap).value
	if p := d.promoNow(cap); p != nil {
		c := d.current(p.row, d.def(p.row))
		if r.CurrentUsage = c.used; p.ResetPeriod != "" {
			r.PeriodStart, r.PeriodEnd = c.start, c.end
		}
	}
	r.Credit = d.credit(d.cat, asks)
}

// checkUsage adds to p what is wrong with an item, and finds what it charges. It
// returns the leaf of a SET.
func (d *decider) checkUsage(o *reportUsage, it *usageItem, p *bursar.Problems) (leaf uint32) {
	if !d.checkTarget(o, it, p) {
		return 0
	}
	if t := it.in.Timestamp; t != 0 && (t > d.now+maxAhead || t < d.now-bursar.Time(d.horizon)) {
		p.Add(o.at(it, "createdAt"), bursar.CodeTimestampOutOfRange,
			"the timestamp is %s; it may lie at most %v back and 5 minutes ahead of %s", t, d.horizon, d.now)
	}
	it.path = d.resolve(d.cat, it.in.Dimensions)
	amount := it.in.Value
	if it.in.Behavior == bursar.Set {
		var ok bool
		if leaf, ok = d.leaf(&it.path); !ok {
			p.Add(o.at(it, "dimensions"), bursar.CodeValidationFailed, "SET needs one entity below all others that the dimensions name; here are several")
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

// change is by how much a SET changes its level, after the items before it.
func (d *decider) change(o *reportUsage, leaf uint32, it *usageItem) bursar.Amount {
	old := o.level(d, leaf, it)
	it.level = level{bursar.MaxAmount(it.in.Value, bursar.Amount{}), d.now}
	if it.in.Timestamp != 0 {
		it.level.at = min(it.in.Timestamp, d.now)
	}
	if it.stale = it.level.at < old.at; it.stale {
		it.level = old
		return bursar.Amount{}
	}
	return it.level.value.Sub(old.value)
}

// level is that of an item's leaf after the items before it.
func (o *reportUsage) level(d *decider, leaf uint32, it *usageItem) level {
	if l, ok := o.levels[leafLevel{leaf, it.in.FeatureID}]; ok {
		return l
	}
	return d.level(levelKey{leaf, d.capOrd(it.in.Capability())})
}

// setLevel notes what an item that is recorded leaves to the items after it.
func (o *reportUsage) setLevel(d *decider, leaf uint32, it *usageItem) {
	switch {
	case it.in.Behavior == bursar.Set:
		o.levels[leafLevel{leaf, it.in.FeatureID}] = it.level
	case d.levelled(it.in.Capability()):
		for _, l := range d.lowest(it.path.path) {
			o.levels[leafLevel{l, it.in.FeatureID}] = o.level(d, l, it).moved(it.in.Value)
		}
	}
}

// checkTarget adds to p what is wrong with what an item is usage of, and with how much.
func (d *decider) checkTarget(o *reportUsage, it *usageItem, p *bursar.Problems) bool {
	if o.op == opConsumption {
		if d.cat.currencies[it.in.CurrencyID] == nil {
			p.Add(o.at(it, "currencyId"), bursar.CodeCurrencyNotFound, "there is no currency %q", it.in.CurrencyID)
			return false
		}
		if it.in.Value.Sign() <= 0 {
			p.Add(o.at(it, "amount"), bursar.CodeInvalidAmount, "a consumption is above 0")
		}
		return true
	}
	f := d.cat.features[it.in.FeatureID]
	switch {
	case f == nil:
		p.Add(o.at(it, "featureId"), bursar.CodeFeatureNotFound, "there is no feature %q", it.in.FeatureID)
		return false
	case f.Meter != nil:
		p.Add(o.at(it, "featureId"), bursar.CodeFeatureHasMeter, "the feature %q has a meter: it is fed by events, not by usage reports", it.in.FeatureID)
	}
	if it.in.Value.Sign() < 0 && !f.Fluctuating() {
		p.Add(o.at(it, "value"), bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", it.in.FeatureID)
	}
	return true
}

// chargeable finds the rows, the costs and the warnings of amount, of an item whose path is
// resolved. A negative amount costs what it takes of the feature's total.
func (d *decider) chargeable(it *usageItem, amount bursar.Amount) *bursar.Error {
	at := d.now
	if it.in.Timestamp != 0 {
		at = min(it.in.Timestamp, d.now)
	}
	var err error
	back := d.clampTotal(d.capOrd(it.in.Capability()), amount)
	if it.asks, it.unpriced, err = d.asksFor(d.cat, it.in.Capability(), back, it.in.Dimensions, at); err != nil {
		return err.(*bursar.Error)
	}
	it.asks[0].amount = amount
	a := d.rowsOn(&it.path, it.asks[0].cap)
	limited, unpriced, cut := len(a.rows) > 0, it.unpriced, warnCut(it.asks[0].c, a.cut, nil)
	it.rows = d.withPromo(a.rows, it.asks[0].cap)
	for _, x := range it.asks[1:] {
		on := d.rowsOn(&it.path, x.cap)
		limited, cut = limited || len(on.rows) > 0, warnCut(x.c, on.cut, cut)
	}
	if it.aggregate == "" && amount.IsZero() { // what uses nothing needs neither price nor limit
		limited, unpriced = true, nil
	}
	it.warnings = append(d.warnings(d.cat, &it.path, it.asks, unpriced, limited), cut...)
	return nil
}

// withPromo adds the customer's own row of a capability.
func (v *view) withPromo(rows []uint32, cap uint32) []uint32 {
	if p := v.promoOf(cap); p != nil {
		rows = append(rows, p.row)
	}
	return rows
}

// leaf is the matched entity that is below all other matched ones; 0 when none is
// matched, and not ok when several are.
func (v *view) leaf(r *resolved) (leaf uint32, ok bool) {
	for _, l := range r.leaves {
		if leaf == 0 || v.depth(l) > v.depth(leaf) {
			leaf = l
		}
	}
	for _, l := range r.leaves {
		e := leaf
		for e != 0 && e != l {
			e = v.ent(e).parent
		}
		if e == 0 {
			return 0, false
		}
	}
	return leaf, true
}

func (d *decider) recordUsage(it *usageItem, o operation) bursar.UsageResult {
	in := &it.in
	cap := d.capFor(in.Capability())
	r := &it.path
	rec := &usageRec{op: o, cap: cap, amount: in.Value, timestamp: in.Timestamp, key: it.key,
		dims: in.Dimensions, combo: d.comboFor(in.Dimensions), path: r.path, delta: in.Value}
	if rec.timestamp == 0 {
		rec.timestamp = d.now
	}
	rec.at = min(rec.timestamp, d.now)
	res := bursar.UsageResult{Input: *in, Timestamp: rec.timestamp, CreatedAt: d.now}
	res.Warnings = it.warnings
	if in.Behavior == bursar.Set {
		rec.set, rec.stale, rec.delta, rec.at = true, it.stale, it.asks[0].amount, d.now
		if rec.leaf, _ = d.leaf(r); rec.stale {
			res.Warnings = append(slices.Clip(res.Warnings), bursar.WarnStaleSet)
		}
	}
	d.notePath(r.path)
	var met *seenRec
	switch it.aggregate {
	case "MAX":
		d.chargeHighest(it.rows, in.Value, rec)
	case "UNIQUE":
		met = d.chargeDistinct(it.rows, hashValue(it.text), rec)
	default:
		rec.charges = d.charges(it.rows, rec.at, rec.delta, rec.set)
		if rec.total = d.clampTotal(cap, rec.delta); rec.delta.Sign() < 0 {
			repriceAsks(it.asks, rec.total)
		}
	}
	res.ID = formatID(d.nextID())
	of := len(d.recs)
	d.emit(rec)
	if met != nil {
		d.emit(met)
	}
	d.noteLevel(it, rec)
	d.alertCharges(rec.charges)
	if in.CurrencyID != "" && d.cat.prepaid(in.CurrencyID) {
		d.draw(cap, rec.total, 0, of, drawConsumed, d.now)
	}
	d.chargeCosts(it.asks, of, cap, r, in.Dimensions, rec.at, rec.set)
	res.Costs = costsOf(it.asks)
	d.showUsage(&res, it.asks)
	return res
}

// noteLevel records the level that an item leaves, where its record does not say it.
func (d *decider) noteLevel(it *usageItem, rec *usageRec) {
	switch {
	case !rec.set:
		d.moveLevels(rec.cap, rec.path, rec.delta)
	case !rec.stale && it.level != level{rec.amount, rec.timestamp}:
		d.emit(&levelRec{levelKey{rec.leaf, rec.cap}, it.level})
	}
}

// repriceAsks makes asks those of the amount that is paid back: what was used of it. One
// that would cost 10^15 or more, since an earlier item of the request used that much, pays
// back what was checked.
func repriceAsks(asks []ask, amount bursar.Amount) {
	asks[0].amount = amount
	for i := range asks[1:] {
		a := &asks[i+1]
		if cost, ok := a.price.rate.Cost(amount); ok {
			a.amount = cost
		}
	}
}

// chargeCosts records what usage, recorded by record number of of this commit, costs:
// on the currencies' rows of its path and from their pools.
func (d *decider) chargeCosts(asks []ask, of int, feature uint32, path *resolved, dims []bursar.Dimension, at bursar.Time, now bool) {
	for i := range asks[1:] {
		a := &asks[i+1]
		if a.amount = d.clampTotal(d.capOrd(a.c), a.amount); a.amount.IsZero() {
			continue // a currency, too, pays back at most what was used of it
		}
		cap := d.capFor(a.c)
		rec := &costRec{cap: cap, feature: feature, of: uint32(of), card: a.price.card.ID, version: a.price.version,
			units: asks[0].amount, amount: a.amount, at: at, combo: d.costCombo(d.plain(dims), asks[0].c.ID), path: path.path}
		rec.charges = d.charges(d.rowsOn(path, cap).rows, at, a.amount, now)
		rec.total = a.amount
		d.emit(rec)
		d.alertCharges(rec.charges)
		if d.cat.prepaid(a.c.ID) {
			d.draw(cap, rec.total, feature, of, drawConsumed, d.now)
		}
	}
}

func (v *view) clampTotal(cap uint32, delta bursar.Amount) bursar.Amount {
	if delta.Sign() >= 0 {
		return delta
	}
	return bursar.MaxAmount(delta, v.total(cap).value.Neg())
}
