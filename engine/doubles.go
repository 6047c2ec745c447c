package engine

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// maxAlone bounds the events that a generation of aloneEvents remembers.
const maxAlone = 20_000

// aloneEvents remembers when an event that ended no reservation was last recorded, by customer and
// dimensions: what this process recorded, the latest 20,000 of them at least. With that a commit of a
// plain amount can be told from one that counts a call for the second time, well enough for a
// warning. The zero value is ready.
type aloneEvents struct {
	mu       sync.Mutex
	seed     maphash.Seed
	new, old map[uint64]bursar.Time
}

// note remembers the events of items that results say were recorded and ended no reservation.
func (a *aloneEvents) note(items []ledger.EventItem, results []bursar.EventResult, now bursar.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range items {
		if r := &results[i]; r.Duplicate || r.ReservationID != "" || len(r.Used) == 0 {
			continue
		}
		if len(a.new) >= maxAlone || a.new == nil {
			if a.new == nil {
				a.seed = maphash.MakeSeed()
			}
			a.old, a.new = a.new, map[uint64]bursar.Time{}
		}
		a.new[a.key(items[i].In.CustomerID, items[i].In.Dimensions)] = now
	}
}

// since tells whether such an event of a customer, with these dimensions, came at t or later.
func (a *aloneEvents) since(t bursar.Time, customer string, dims []bursar.Dimension) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.new == nil {
		return false
	}
	k := a.key(customer, dims)
	at, ok := a.new[k]
	if !ok {
		at, ok = a.old[k]
	}
	return ok && at >= t
}

// key goes by the dimensions that are labels: numbers are measures.
func (a *aloneEvents) key(customer string, dims []bursar.Dimension) uint64 {
	labels := slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool { return d.Kind == bursar.DimNumber })
	e := record.Encoder{B: make([]byte, 0, 128)}
	e.String(customer)
	e.Dims(record.SortDims(labels))
	return maphash.Bytes(a.seed, e.B)
}
