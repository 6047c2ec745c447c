package httpapi

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/google/uuid"
)

// observed is what this node has decided since it started: the number of decisions, and the recent
// denials. Noting a grant takes two atomic additions, noting a denial a lock as well. What is
// remembered is bounded. What is kept for longer, of all nodes, the engine has.
type observed struct {
	since   bursar.Time
	granted atomic.Uint64
	denied  atomic.Uint64
	minutes [minuteSlots]minute

	mu      sync.Mutex
	denials map[string][]*denial // by customer, oldest first
	oldest  []*denial            // of all customers, oldest first; with those that their customer forgot
	bytes   int                  // about what they take
	numbers uint64               // of the newest
}

// Limits of what is remembered.
const (
	minuteSlots  = 64 // of which 60 are shown
	minutesShown = 60

	maxCustomerDenials = 100
	maxDenials         = 10_000
	maxDenialBytes     = 32 << 20
)

// minute counts one minute; a slot is used again after minuteSlots of them.
type minute struct {
	number                 atomic.Int64
	granted, denied, usage atomic.Uint64
	turn                   sync.Mutex
}

func newObserved(now bursar.Time) *observed {
	o := &observed{since: now, denials: map[string][]*denial{}}
	for i := range o.minutes {
		o.minutes[i].number.Store(-1)
	}
	return o
}

func minuteOf(t bursar.Time) int64 { return int64(t) / int64(time.Minute) }

// at is the slot of now's minute.
func (o *observed) at(now bursar.Time) *minute {
	n := minuteOf(now)
	m := &o.minutes[n%minuteSlots]
	if m.number.Load() != n {
		m.turn.Lock()
		if m.number.Load() != n {
			m.granted.Store(0)
			m.denied.Store(0)
			m.usage.Store(0)
			m.number.Store(n)
		}
		m.turn.Unlock()
	}
	return m
}

// decided counts one decision.
func (o *observed) decided(now bursar.Time, granted bool) {
	if granted {
		o.granted.Add(1)
		o.at(now).granted.Add(1)
		return
	}
	o.denied.Add(1)
	o.at(now).denied.Add(1)
}

// used counts items of usage that were recorded.
func (o *observed) used(now bursar.Time, n int) { o.at(now).usage.Add(uint64(n)) }

// denial is one denial as it was answered.
type denial struct {
	engine.Denial
	number    uint64 // grows from denial to denial
	inBranch  string
	forgotten bool // by its customer
}

// deny remembers a denial. Those for which there was nothing to look at have nothing to show.
func (o *observed) deny(d *denial) {
	if id, err := uuid.NewV7(); err == nil {
		d.ID = id.String()
	}
	d.inBranch = d.branch()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.numbers++
	d.number = o.numbers
	list := append(o.denials[d.CustomerID], d)
	if len(list) > maxCustomerDenials {
		i := mostCommon(list)
		list[i].forgotten = true
		list = slices.Delete(slices.Clone(list), i, i+1)
	}
	o.denials[d.CustomerID] = list
	o.oldest = append(o.oldest, d)
	o.bytes += d.Size()
	for len(o.oldest) > maxDenials || o.bytes > maxDenialBytes {
		o.forget()
	}
}

// branch is the entity below the root, or the root, in whose subtree d was denied.
func (d *denial) branch() string {
	if len(d.Decision.Chains) == 0 || len(d.Decision.Chains[0]) == 0 {
		return ""
	}
	path := slices.CompactFunc(slices.Clone(d.Decision.Chains[0]), func(a, b bursar.Node) bool { return a.EntityID == b.EntityID })
	return path[max(0, len(path)-2)].EntityID
}

// mostCommon is the place of the oldest denial of the branch that has most denials in list.
// That one is forgotten first, so that the denials of one team do not push out those of all
// others.
func mostCommon(list []*denial) (at int) {
	n := map[string]int{}
	for _, d := range list {
		n[d.inBranch]++
	}
	for i, d := range list {
		if n[d.inBranch] > n[list[at].inBranch] {
			at = i
		}
	}
	return at
}

// forget drops the oldest denial.
func (o *observed) forget() {
	d := o.oldest[0]
	o.oldest[0] = nil
	o.oldest = o.oldest[1:]
	o.bytes -= d.Size()
	if d.forgotten {
		return
	}
	if rest := o.denials[d.CustomerID][1:]; len(rest) > 0 {
		o.denials[d.CustomerID] = rest
	} else {
		delete(o.denials, d.CustomerID)
	}
}

// of are the denials of a customer, newest first.
func (o *observed) of(customer string) []*denial {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.denials[customer])
	slices.Reverse(list)
	return list
}

// last is the number of a customer's newest denial, 0 when there is none.
func (o *observed) last(customer string) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if list := o.denials[customer]; len(list) > 0 {
		return list[len(list)-1].number
	}
	return 0
}

// Kinds of denials.
const (
	kindCheck   = "CHECK"
	kindConsume = "CONSUME"
	kindReserve = "RESERVE"
)

// decided notes a decision that q answers.
func (q *request) decided(kind string, c bursar.Capability, requested bursar.Amount, dims []bursar.Dimension, d *bursar.Decision) {
	o := q.api.observed
	o.decided(q.now, d.Granted)
	if d.Granted || undecided(d.Reason) {
		return
	}
	x := &denial{Denial: engine.Denial{CustomerID: q.customer(), At: q.now, Kind: kind, RequestID: q.id, Capability: c, Requested: requested, Dimensions: dims,
		Decision: bursar.Decision{Reason: d.Reason, Binding: d.Binding, Frozen: d.Frozen, Chains: d.Chains, Named: d.Named}}}
	o.deny(x)
	q.api.engine.NoteDenial(&x.Denial)
}
