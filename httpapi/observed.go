package httpapi

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/google/uuid"
)

// observed is what this node has decided since it started: the number of decisions, the recent
// denials, and how often each limit denied. Noting a grant takes two atomic additions, noting
// a denial a lock as well. What is remembered is bounded.
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
	binding map[bindingKey]*bindingCount
}

// Limits of what is remembered.
const (
	minuteSlots  = 64 // of which 60 are shown
	minutesShown = 60

	maxCustomerDenials = 100
	maxDenials         = 10_000
	maxDenialBytes     = 32 << 20
	maxBinding         = 4096 // limits; beyond, the half that denied least is forgotten
)

// minute counts one minute; a slot is used again after minuteSlots of them.
type minute struct {
	number                 atomic.Int64
	granted, denied, usage atomic.Uint64
	turn                   sync.Mutex
}

func newObserved(now bursar.Time) *observed {
	o := &observed{since: now, denials: map[string][]*denial{}, binding: map[bindingKey]*bindingCount{}}
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
	id         string
	number     uint64 // grows from denial to denial
	customer   string
	at         bursar.Time
	kind       string
	requestID  string
	capability bursar.Capability
	requested  bursar.Amount
	dims       []bursar.Dimension
	decision   bursar.Decision // Reason, Binding, Frozen and Chains
	inBranch   string
	forgotten  bool // by its customer
}

// size is about how many bytes d takes.
func (d *denial) size() int {
	n := 400
	for _, x := range d.dims {
		n += 64 + len(x.Key) + len(x.Value)
	}
	for _, chain := range d.decision.Chains {
		n += 320 * len(chain)
	}
	return n
}

type bindingKey struct {
	customer, assignment, entity string
	source                       bursar.BindingSource
	capability                   bursar.Capability
}

type bindingCount struct {
	scope   []string
	label   string
	denials uint64
	last    bursar.Time
}

// deny remembers a denial by a limit or a freeze. Denials for other reasons have nothing to show.
func (o *observed) deny(d *denial) {
	if id, err := uuid.NewV7(); err == nil {
		d.id = id.String()
	}
	d.inBranch = d.branch()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.numbers++
	d.number = o.numbers
	list := append(o.denials[d.customer], d)
	if len(list) > maxCustomerDenials {
		i := mostCommon(list)
		list[i].forgotten = true
		list = slices.Delete(slices.Clone(list), i, i+1)
	}
	o.denials[d.customer] = list
	o.oldest = append(o.oldest, d)
	o.bytes += d.size()
	for len(o.oldest) > maxDenials || o.bytes > maxDenialBytes {
		o.forget()
	}
	if b := d.decision.Binding; b != nil {
		o.count(bindingKey{d.customer, b.Node.AssignmentID, b.Node.EntityID, b.Source, b.Node.Capability}, b.Node.ScopeEntityIDs, b.Node.Label, d.at)
	}
}

// branch is the entity below the root, or the root, in whose subtree d was denied.
func (d *denial) branch() string {
	if len(d.decision.Chains) == 0 || len(d.decision.Chains[0]) == 0 {
		return ""
	}
	path := slices.CompactFunc(slices.Clone(d.decision.Chains[0]), func(a, b bursar.Node) bool { return a.EntityID == b.EntityID })
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
	o.bytes -= d.size()
	if d.forgotten {
		return
	}
	if rest := o.denials[d.customer][1:]; len(rest) > 0 {
		o.denials[d.customer] = rest
	} else {
		delete(o.denials, d.customer)
	}
}

func (o *observed) count(k bindingKey, scope []string, label string, at bursar.Time) {
	c := o.binding[k]
	if c == nil {
		if len(o.binding) == maxBinding {
			for _, rare := range o.mostBinding()[maxBinding/2:] {
				delete(o.binding, rare)
			}
		}
		c = &bindingCount{}
		o.binding[k] = c
	}
	c.scope, c.label, c.last = append([]string{}, scope...), label, at
	c.denials++
}

// mostBinding are the limits that denied, those that denied most first.
func (o *observed) mostBinding() []bindingKey {
	keys := make([]bindingKey, 0, len(o.binding))
	for k := range o.binding {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b bindingKey) int {
		x, y := o.binding[a], o.binding[b]
		return cmp.Or(cmp.Compare(y.denials, x.denials), cmp.Compare(y.last, x.last), cmp.Compare(a.customer, b.customer),
			cmp.Compare(a.assignment, b.assignment), cmp.Compare(a.source, b.source), cmp.Compare(a.capability.ID, b.capability.ID))
	})
	return keys
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
	o.deny(&denial{customer: q.customer(), at: q.now, kind: kind, requestID: q.id, capability: c, requested: requested, dims: dims,
		decision: bursar.Decision{Reason: d.Reason, Binding: d.Binding, Frozen: d.Frozen, Chains: d.Chains}})
}
