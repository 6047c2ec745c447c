package engine

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// maxUnlinked bounds how many uses of a feature or currency a generation of unlinkedEvents remembers.
const maxUnlinked = 20_000

// unlinkedEvents remembers when this process last recorded an event that ended no reservation, by customer,
// dimensions and each feature or currency that it used: the latest maxUnlinked of them at least. By that a
// commit of a plain amount that may count a call for the second time is found, well enough for a
// warning. The zero value is ready.
type unlinkedEvents struct {
	mu       sync.Mutex
	new, old map[uint64]bursar.Time
}

// note remembers the events of items that results say were recorded and ended no reservation.
func (m *unlinkedEvents) note(items []ledger.EventItem, results []bursar.EventResult, now bursar.Time) {
	var keys []uint64
	for i := range items {
		if r := &results[i]; !r.Duplicate && r.ReservationID == "" {
			labels := labelsKey(items[i].In.CustomerID, items[i].In.Dimensions)
			for _, u := range r.Used {
				keys = append(keys, unlinkedKey(labels, u.Capability))
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if len(m.new) >= maxUnlinked || m.new == nil {
			m.old, m.new = m.new, map[uint64]bursar.Time{}
		}
		m.new[k] = now
	}
}

// since tells whether such an event of a customer, with these dimensions and use of c, came at t or later.
func (m *unlinkedEvents) since(t bursar.Time, customer string, dims []bursar.Dimension, c bursar.Capability) bool {
	k := unlinkedKey(labelsKey(customer, dims), c)
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.new[k]
	if !ok {
		at, ok = m.old[k]
	}
	return ok && at >= t
}

var unlinkedSeed = maphash.MakeSeed()

// labelsKey goes by the dimensions that are labels: numbers are measures.
func labelsKey(customer string, dims []bursar.Dimension) uint64 {
	labels := slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool { return d.Kind == bursar.DimNumber })
	e := record.Encoder{B: make([]byte, 0, 128)}
	e.String(customer)
	e.Dims(record.SortDims(labels))
	return maphash.Bytes(unlinkedSeed, e.B)
}

func unlinkedKey(labels uint64, c bursar.Capability) uint64 {
	return maphash.Comparable(unlinkedSeed, struct {
		labels uint64
		c      bursar.Capability
	}{labels, c})
}
