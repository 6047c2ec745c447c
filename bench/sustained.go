//go:build linux

package main

import "time"

// sustainedTime is long enough for several checkpoints of all that changes.
const sustainedTime = 2 * time.Minute

// sustainedPart writes for long and tells the worst second beside the average: what
// housekeeping costs those whom it meets.
func (b *bench) sustainedPart() error {
	key, scale := b.bursar.key, sustainedTime.Seconds()/b.cell.Seconds()
	if b.quick {
		scale = 4
	}
	for _, c := range []*cell{
		{name: "batches of 100", requests: []request{reportOf("/api/v1/usage", key, batchItems)}, units: batchItems, conns: 4},
		{name: "reserve+commit", requests: reserveAndCommit(key), conns: 16},
	} {
		c.server, c.scale = b.bursar, scale
		before, err := b.held()
		if err != nil {
			return err
		}
		r, err := b.measure(c)
		if err != nil {
			return err
		}
		after, err := b.held()
		if err != nil {
			return err
		}
		b.report.add("sustained "+c.name+", a second", "", goal{}, r.PerSec)
		b.report.add("sustained "+c.name+", worst second ÷ average", "", goal{}, r.WorstSecond/r.PerSec)
		b.report.add("sustained "+c.name+", p99", "ms", goal{}, r.P99/1e3)
		b.report.add("sustained "+c.name+", live heap per event", "bytes", goal{}, (after.heap-before.heap)/r.All)
		if c.units > 1 { // fewer change nothing in files that grow by leaps
			b.report.add("sustained "+c.name+", disk per event", "bytes", goal{}, (after.disk-before.disk)/r.All)
		}
	}
	return nil
}

// holdings is what the server has taken, in bytes.
type holdings struct{ heap, disk float64 }

func (b *bench) held() (h holdings, err error) {
	h.disk = diskUse(b.standardData())
	h.heap, err = b.bursar.liveHeap()
	return h, err
}
