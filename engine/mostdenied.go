package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// A list of those that denied most stands for fifty times as long as it took to read, so that reading it
// takes a fiftieth of a processor at most; for a second at least, and for a minute at most.
const (
	mostDeniedShare = 50
	mostDeniedLeast = time.Second
	mostDeniedMost  = time.Minute
)

// MostDenied is how many requests a limit denied.
type MostDenied struct {
	CustomerID string
	Limit      DenialLimit
	Denied     uint64
	Last       bursar.Time
}

// mostDenied is the last list, which one reads anew while others are shown it.
type mostDenied struct {
	reading sync.Mutex // held by who reads it anew
	mu      sync.Mutex
	at      bursar.Time   // 0 = there is none
	stands  time.Duration // from then on
	list    []MostDenied
}

// get is the last list, and whether it still stands; at is 0 if there is none.
func (m *mostDenied) get(now bursar.Time) (list []MostDenied, at bursar.Time, stands bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.list, m.at, m.at != 0 && m.at <= now && now < m.at+bursar.Time(m.stands)
}

func (m *mostDenied) set(list []MostDenied, at bursar.Time, took time.Duration) {
	m.mu.Lock()
	m.list, m.at, m.stands = list, at, min(max(mostDeniedShare*took, mostDeniedLeast), mostDeniedMost)
	m.mu.Unlock()
}

// MostDenied are the limits that denied most in the hours since from, on all nodes, with the customer
// of each. One list stands for some time, a minute at most, for all who ask.
func (e *Engine) MostDenied(ctx context.Context, from bursar.Time, n int) ([]MostDenied, error) {
	m := &e.mostDenied
	now := e.now()
	list, at, stands := m.get(now)
	if !stands && at == 0 {
		m.reading.Lock()
	} else if stands || !m.reading.TryLock() {
		return list[:min(n, len(list))], nil
	}
	defer m.reading.Unlock()
	if list, _, stands = m.get(now); !stands {
		began := time.Now()
		fresh, err := e.readMostDenied(ctx, from-from%denialHour, n)
		if err != nil {
			return nil, err
		}
		m.set(fresh, now, time.Since(began))
		list = fresh
	}
	return list[:min(n, len(list))], nil
}

// readMostDenied reads without delaying what is written meanwhile: where there was a save, what it
// wrote may be left out.
func (e *Engine) readMostDenied(ctx context.Context, from bursar.Time, n int) (out []MostDenied, err error) {
	var list []store.DenialCount
	mine := e.denials.unwritten("", from, endOfTime)
	if e.denials.keeps {
		list, err = e.store.MostDenied(ctx, from, mine.unsure, 4*n) // what is not written yet may move some of them up
		if err != nil {
			return nil, e.unavailable(err)
		}
	}
	if e.denials.saves() == mine.saves {
		list = append(list, mine.more...)
	}
	type limitOf struct {
		customer, assignment, entity string
		source                       bursar.BindingSource
		capability                   bursar.Capability
	}
	sums := map[limitOf]*MostDenied{}
	for _, c := range slices.Concat(list, mine.whole) {
		l, err := limitOfText(c.Limit)
		if err != nil {
			e.o.Log.Error("a count of denials is damaged: what limit it is of cannot be read", "customerId", c.CustomerID, "err", err)
			continue
		}
		if l == nil {
			continue
		}
		of := limitOf{c.CustomerID, l.AssignmentID, l.EntityID, l.Source, l.Capability}
		sum := sums[of]
		if sum == nil {
			sum = &MostDenied{CustomerID: c.CustomerID}
			sums[of] = sum
		}
		if c.Last >= sum.Last {
			sum.Last, sum.Limit = c.Last, *l // with its newest label
		}
		sum.Denied += c.Denied
	}
	for _, sum := range sums {
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(a, b MostDenied) int {
		return cmp.Or(cmp.Compare(b.Denied, a.Denied), cmp.Compare(b.Last, a.Last), cmp.Compare(a.CustomerID, b.CustomerID),
			cmp.Compare(a.Limit.AssignmentID, b.Limit.AssignmentID), cmp.Compare(a.Limit.EntityID, b.Limit.EntityID),
			cmp.Compare(a.Limit.Source, b.Limit.Source), cmp.Compare(a.Limit.Capability.ID, b.Limit.Capability.ID))
	})
	return out[:min(n, len(out))], nil
}
