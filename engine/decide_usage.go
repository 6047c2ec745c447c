package engine

import (
	"fmt"

	"github.com/bursarhq/bursar"
)

// usageItem is one item of a report, with its place in the request.
type usageItem struct {
	index int
	in    bursar.UsageInput // dimensions ordered by key
	key   identity

	// found while the item is judged
	path resolved
	rows []uint32
}

func (it *usageItem) capability() bursar.Capability {
	return bursar.Capability{Kind: bursar.KindFeature, ID: it.in.FeatureID}
}

type reportUsage struct{ items []usageItem }

// recorded is the reply for one item; a duplicate's place is told instead.
type recorded struct {
	result bursar.UsageResult
	seen   *seen
}

// decide judges all items before it records the first, so that a report is recorded
// whole or not at all.
func (o *reportUsage) decide(d *decider) (any, error) {
	if d.cust() == nil {
		var p bursar.Problems
		for i := range o.items {
			p.Add(fmt.Sprintf("/usages/%d/customerId", o.items[i].index), bursar.CodeCustomerNotFound, "there is no customer %q", o.items[i].in.CustomerID)
		}
		return nil, p.Err()
	}
	var p bursar.Problems
	twins := make([]*seen, len(o.items))
	first := make(map[[16]byte]int, len(o.items))
	var missing needs
	for i := range o.items {
		it := &o.items[i]
		d.checkUsage(it, &p)
		if !it.key.set {
			continue
		}
		if j, ok := first[it.key.hash]; ok {
			if o.items[j].key.content != it.key.content {
				p.Add(fmt.Sprintf("/usages/%d/idempotencyKey", it.index), bursar.CodeIdempotencyKeyReused,
					"the idempotency key %q is in this request with other content too", it.in.IdempotencyKey)
			}
			continue
		}
		first[it.key.hash] = i
		e, err := d.known(it.key, oldestReceipt(it.in.Timestamp, d.now))
		if n, ok := err.(*needs); ok {
			missing.keys = append(missing.keys, n.keys...)
			continue
		}
		if e == nil {
			continue
		}
		if e.content != it.key.content {
			err := reused(fmt.Sprintf("/usages/%d/idempotencyKey", it.index), it.in.IdempotencyKey)
			p.Add(err.Fields[0].Pointer, err.Code, "%s", err.Message)
			continue
		}
		twins[i] = &seen{e.seq, e.index}
	}
	if len(missing.keys) > 0 {
		return nil, &missing
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	out := make([]recorded, len(o.items))
	for i := range o.items {
		if j, ok := first[o.items[i].key.hash]; ok && o.items[i].key.set && j != i {
			out[i] = recorded{result: out[j].result, seen: out[j].seen}
			out[i].result.Duplicate = true
			continue
		}
		if twins[i] != nil {
			out[i] = recorded{seen: twins[i], result: bursar.UsageResult{Input: o.items[i].in, Duplicate: true}}
			continue
		}
		out[i].result = d.recordUsage(&o.items[i])
	}
	for i := range out { // duplicates show the balance that the request leaves
		if out[i].result.Duplicate {
			out[i].result.CurrentUsage = d.total(d.capOrd(o.items[i].capability())).value
		}
	}
	return out, nil
}

// checkUsage adds to p what is wrong with an item.
func (d *decider) checkUsage(it *usageItem, p *bursar.Problems) {
	at := func(field string) string { return fmt.Sprintf("/usages/%d/%s", it.index, field) }
	f := d.cat.features[it.in.FeatureID]
	switch {
	case f == nil:
		p.Add(at("featureId"), bursar.CodeFeatureNotFound, "there is no feature %q", it.in.FeatureID)
		return
	case f.Meter != nil:
		p.Add(at("featureId"), bursar.CodeFeatureHasMeter, "the feature %q has a meter: it is fed by events, not by usage reports", it.in.FeatureID)
	}
	if it.in.Value.Sign() < 0 && !f.Fluctuating() {
		p.Add(at("value"), bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values; %q is INCREMENTAL", it.in.FeatureID)
	}
	if t := it.in.Timestamp; t != 0 && (t > d.now+maxAhead || t < d.now-bursar.Time(d.horizon)) {
		p.Add(at("createdAt"), bursar.CodeTimestampOutOfRange,
			"the timestamp is %s; it may lie at most %v back and 5 minutes ahead of %s", t, d.horizon, d.now)
	}
	it.path = d.resolve(d.cat, it.in.Dimensions)
	if it.in.Behavior == bursar.Set {
		if _, ok := d.leaf(&it.path); !ok {
			p.Add(at("dimensions"), bursar.CodeValidationFailed, "SET needs one entity below all others that the dimensions name; here are several")
		}
	}
	var err error
	if it.rows, err = d.rowsOn(&it.path, d.capOrd(it.capability())); err != nil {
		p.Add(at("dimensions"), bursar.CodeValidationFailed, "%s", err.(*bursar.Error).Message)
	}
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

func (d *decider) recordUsage(it *usageItem) bursar.UsageResult {
	in := &it.in
	cap := d.capFor(it.capability())
	r := &it.path
	rec := &usageRec{op: opUsage, cap: cap, amount: in.Value, timestamp: in.Timestamp, key: it.key,
		dims: in.Dimensions, combo: d.comboFor(in.Dimensions), path: r.path, delta: in.Value}
	if rec.timestamp == 0 {
		rec.timestamp = d.now
	}
	rec.at = min(rec.timestamp, d.now)
	res := bursar.UsageResult{Input: *in, Timestamp: rec.timestamp, CreatedAt: d.now}
	for _, k := range r.missing {
		res.Warnings = append(res.Warnings, "DIMENSION_NOT_RESOLVED:"+k)
	}
	if in.Behavior == bursar.Set {
		rec.set, rec.at = true, d.now
		rec.leaf, _ = d.leaf(r)
		old := d.level(levelKey{rec.leaf, cap})
		if rec.delta = in.Value.Sub(old.value); rec.timestamp < old.at {
			rec.stale, rec.delta = true, bursar.Amount{}
			res.Warnings = append(res.Warnings, "STALE_SET")
		}
	}
	rec.charges = d.charges(it.rows, rec.at, rec.delta, rec.set)
	rec.total = d.clampTotal(cap, rec.delta)
	res.ID = formatID(d.nextID())
	d.emit(rec)
	res.CurrentUsage = d.total(cap).value
	return res
}

func (v *view) clampTotal(cap uint32, delta bursar.Amount) bursar.Amount {
	if delta.Sign() >= 0 {
		return delta
	}
	return bursar.MaxAmount(delta, v.total(cap).value.Neg())
}
