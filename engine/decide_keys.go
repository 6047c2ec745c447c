package engine

import "github.com/bursarhq/bursar"

// reportKeys judges the idempotency keys of the items of one report, in their order.
type reportKeys struct {
	seen    map[[16]byte]reportKey
	missing needs
}

// reportKey is the first item of a report with a key.
type reportKey struct {
	place   int
	content [8]byte
}

func newReportKeys(items int) *reportKeys {
	return &reportKeys{seen: make(map[[16]byte]reportKey, items)}
}

// look tells whether item number i is new, and else, when it was recorded before this
// report, where. A key that came with other content is added to p, at pointer.
func (k *reportKeys) look(d *decider, i int, key identity, text string, timestamp bursar.Time, pointer func() string, p *bursar.Problems) (twin *seen, fresh bool) {
	if !key.set {
		return nil, true
	}
	if other, ok := k.seen[key.hash]; ok {
		if other.content != key.content {
			p.Add(pointer(), bursar.CodeIdempotencyKeyReused, "the idempotency key %q is in this request with other content too", text)
		}
		return nil, false
	}
	k.seen[key.hash] = reportKey{i, key.content}
	e, err := d.known(key, oldestReceipt(timestamp, d.now))
	if n, ok := err.(*needs); ok {
		k.missing.keys = append(k.missing.keys, n.keys...)
		return nil, false
	}
	if e == nil {
		return nil, true
	}
	if e.content != key.content {
		err := reused(pointer(), text)
		p.Add(err.Fields[0].Pointer, err.Code, "%s", err.Message)
		return nil, false
	}
	return &seen{e.seq, e.index}, false
}

// first is the number of the first item with the key of item number i.
func (k *reportKeys) first(i int, key identity) int {
	if j, ok := k.seen[key.hash]; ok && key.set {
		return j.place
	}
	return i
}

// unknown asks for the facts that keys could not be judged without; nil when all were.
func (k *reportKeys) unknown() error {
	if len(k.missing.keys) > 0 {
		return &k.missing
	}
	return nil
}
