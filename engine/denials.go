package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Denial is a request that was denied.
type Denial struct {
	ID         string
	CustomerID string
	At         bursar.Time
	Kind       string
	RequestID  string
	Capability bursar.Capability
	Requested  bursar.Amount
	Dimensions []bursar.Dimension
	Decision   bursar.Decision // Reason, Binding, Frozen, Chains and Named
}

// Pos is where d is among the denials of its customer: lists of them know milliseconds.
func (d *Denial) Pos() store.DenialPos { return store.DenialPos{At: d.At.Milli(), ID: d.ID} }

// Size is about how many bytes d takes.
func (d *Denial) Size() int {
	n := 400
	for _, x := range d.Dimensions {
		n += 64 + len(x.Key) + len(x.Value)
	}
	for _, chain := range d.Decision.Chains {
		n += 320 * len(chain)
	}
	return n
}

// DenialGroup is what denials that are counted together have in common.
type DenialGroup struct {
	Other      bool // the customer had more groups in that hour than are told apart; nothing else is known
	Named      []string
	Reason     bursar.Code
	Capability bursar.Capability // what the request was about
	Limit      *DenialLimit      // what denied; nil = no limit
}

// DenialLimit is a limit that denied.
type DenialLimit struct {
	Source         bursar.BindingSource
	AssignmentID   string // "" of a limit of the whole customer, as EntityID is
	EntityID       string
	ScopeEntityIDs []string
	Label          string
	Capability     bursar.Capability
}

// Limits of what is kept of denials, each of one process; docs/rules.md has those that users meet.
const (
	denialGroups        = 1000    // of a customer in an hour; those of the rest are counted as one
	denialSamples       = 20      // of a group in an hour
	denialSamplesHour   = 1000    // of a customer in an hour
	denialGroupsInAll   = 100_000 // in memory
	denialsWaiting      = 4096    // samples that are not written yet
	denialsWaitingBytes = 32 << 20
	denialBatch         = 256 // samples, and counts, of one save
	denialsEvery        = time.Second
	denialsTimeout      = 10 * time.Second
	keepDenials         = 90 * 24 * time.Hour
	denialHour          = bursar.Time(time.Hour)
	denialHoursUnkept   = 24 * denialHour // how long counts stay in memory where none is kept elsewhere
)

// denialKeeper counts denials and has samples of them until they are written.
type denialKeeper struct {
	keeps   bool   // they are written
	process string // of all processes that ever ran, this one

	saving sync.RWMutex // held by who writes, shared by who reads what is written and what is not

	mu        sync.Mutex
	hour      bursar.Time // the newest
	purges    int
	groups    map[denialKey]*denialCount
	customers map[denialsOf]*denialsInHour
	dirty     []*denialCount // with what is not written
	waiting   []*Denial
	bytes     int // of those
	stats     DenialStats
}

// DenialStats count since the process started, but for Waiting.
type DenialStats struct {
	Kept    uint64 // samples that were written
	Lost    uint64 // samples that there was no room for while the store was not writing them
	Untold  uint64 // denials that are in no count, for want of room
	Waiting int    // samples
}

// denialKey tells groups apart.
type denialKey struct {
	customer          string
	hour              bursar.Time
	other             bool
	named, assignment string
	reason            bursar.Code
	source            bursar.BindingSource
	asked, bound      bursar.Capability
}

type denialsOf struct {
	customer string
	hour     bursar.Time
}

type denialsInHour struct{ groups, kept int }

// denialCount is a group's count, which is written whole.
type denialCount struct {
	store.DenialCount
	written, writtenKept uint64
	dirty                bool
	in                   *denialsInHour
}

func newDenialKeeper(keeps bool) (*denialKeeper, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	return &denialKeeper{keeps: keeps, process: hex.EncodeToString(b[:]), groups: map[denialKey]*denialCount{}, customers: map[denialsOf]*denialsInHour{}}, nil
}

// NoteDenial counts d and, where there is room, keeps it. It writes nothing itself. d does not change
// any more.
func (e *Engine) NoteDenial(d *Denial) { e.denials.note(d) }

// DenialStats reads the figures.
func (e *Engine) DenialStats() DenialStats {
	k := e.denials
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.stats
	s.Waiting = len(k.waiting)
	return s
}

// keyOf is d's group, in the hour that it is counted in.
func keyOf(d *Denial, hour bursar.Time) denialKey {
	k := denialKey{customer: d.CustomerID, hour: hour, reason: d.Decision.Reason, asked: d.Capability}
	if named := d.Decision.Named; len(named) == 1 {
		k.named = named[0]
	} else {
		k.named = strings.Join(named, "\x00") // no id has it
	}
	if b := d.Decision.Binding; b != nil {
		k.assignment, k.source, k.bound = b.Node.AssignmentID, b.Source, b.Node.Capability
	}
	return k
}

func (k *denialKeeper) note(d *Denial) {
	k.mu.Lock()
	defer k.mu.Unlock()
	hour := d.At - d.At%denialHour
	if hour > k.hour {
		k.hour = hour
		k.forget()
	}
	c := k.count(d, hour)
	if c == nil {
		k.stats.Untold++
		return
	}
	c.Denied, c.Last = c.Denied+1, max(c.Last, d.At.Milli())
	if !c.dirty {
		c.dirty = true
		k.dirty = append(k.dirty, c)
	}
	if !k.keeps || c.Limit == "" && c.Group == otherGroup || c.Kept >= denialSamples || c.in.kept >= denialSamplesHour {
		return
	}
	size := d.Size()
	if len(k.waiting) >= denialsWaiting || k.bytes+size > denialsWaitingBytes {
		k.stats.Lost++
		return
	}
	k.waiting, k.bytes = append(k.waiting, d), k.bytes+size
	c.Kept++
	c.in.kept++
}

// count is the count that d goes to; nil when there is no room for one more.
func (k *denialKeeper) count(d *Denial, hour bursar.Time) *denialCount {
	key := keyOf(d, hour)
	if c := k.groups[key]; c != nil {
		return c
	}
	if len(k.groups) >= denialGroupsInAll {
		return nil
	}
	of := denialsOf{d.CustomerID, hour}
	in := k.customers[of]
	if in == nil {
		in = &denialsInHour{}
		k.customers[of] = in
	}
	c := &denialCount{in: in, DenialCount: store.DenialCount{CustomerID: d.CustomerID, Hour: hour, Process: k.process + "." + strconv.Itoa(k.purges), Group: otherGroup}}
	if in.groups >= denialGroups {
		key = denialKey{customer: d.CustomerID, hour: hour, other: true}
		if c := k.groups[key]; c != nil {
			return c
		}
	} else {
		in.groups++
		c.Limit, c.Group = groupTexts(d)
	}
	k.groups[key] = c
	return c
}

// forget drops counts that are written and of hours that are over. Should such an hour come again,
// as where the clock is set back, it is counted as by another process.
func (k *denialKeeper) forget() {
	k.purges++
	for key, c := range k.groups {
		if key.hour < k.hour && !c.dirty || key.hour < k.hour-denialHoursUnkept && !k.keeps {
			delete(k.groups, key)
		}
	}
	for of := range k.customers {
		if of.hour < k.hour {
			delete(k.customers, of)
		}
	}
	if !k.keeps {
		k.dirty = slices.DeleteFunc(k.dirty, func(c *denialCount) bool { return c.Hour < k.hour-denialHoursUnkept })
	}
}

// keepDenials writes what was noted, once a second and a last time when the engine stops.
func (e *Engine) keepDenials() {
	tick := time.NewTicker(denialsEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			e.saveDenials()
			return
		case <-tick.C:
			e.saveDenials()
		}
	}
}

// saveDenials writes what waits. What the store does not take waits for the next time.
func (e *Engine) saveDenials() {
	for more := e.denials.keeps; more && e.store.Err() == nil; {
		ctx, cancel := context.WithTimeout(context.Background(), denialsTimeout)
		var err error
		more, err = e.denials.save(ctx, e.store)
		cancel()
		if err != nil {
			e.o.Log.Warn("keeping denials failed; it will be tried again", "err", err)
			return
		}
	}
}

// save writes some of what waits, and tells whether there is more.
func (k *denialKeeper) save(ctx context.Context, s store.Denials) (more bool, err error) {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.mu.Lock()
	some := k.waiting[:min(len(k.waiting), denialBatch)]
	dirty := k.dirty[:min(len(k.dirty), denialBatch)]
	counts := make([]store.DenialCount, len(dirty))
	for i, c := range dirty {
		counts[i] = c.DenialCount
	}
	k.mu.Unlock()
	if len(some)+len(counts) == 0 {
		return false, nil
	}
	rows := make([]store.DenialRow, len(some))
	for i, d := range some {
		if rows[i], err = rowOf(d); err != nil {
			return false, err
		}
	}
	if err := s.SaveDenials(ctx, rows, counts); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range some {
		k.bytes -= d.Size()
	}
	k.stats.Kept += uint64(len(some))
	k.waiting = slices.Clone(k.waiting[len(some):])
	var again []*denialCount
	for i, c := range dirty {
		c.written, c.writtenKept = counts[i].Denied, counts[i].Kept
		if c.dirty = c.Denied != c.written; c.dirty {
			again = append(again, c)
		}
	}
	k.dirty = append(slices.Clone(k.dirty[len(dirty):]), again...)
	return len(k.waiting) > 0 || len(k.dirty) > len(again), nil
}

// unwritten calls visit with what the counts of hours in [from, to) have more than what is written of
// them: of a customer, or of all for "".
func (k *denialKeeper) unwritten(customer string, from, to bursar.Time, visit func(store.DenialCount)) {
	k.mu.Lock()
	var list []store.DenialCount
	for _, c := range k.dirty {
		if (customer == "" || c.CustomerID == customer) && c.Hour >= from && c.Hour < to {
			x := c.DenialCount
			x.Process, x.Denied, x.Kept = "", c.Denied-c.written, c.Kept-c.writtenKept
			list = append(list, x)
		}
	}
	k.mu.Unlock()
	for _, c := range list {
		visit(c)
	}
}

// MostDenied are the limits that denied most in the hours since from, on all nodes, with the customer
// of each.
func (e *Engine) MostDenied(ctx context.Context, from bursar.Time, n int) (out []MostDenied, err error) {
	k := e.denials
	k.saving.RLock()
	defer k.saving.RUnlock()
	type limitOf struct{ customer, limit string }
	sums := map[limitOf]store.DenialCount{}
	add := func(c store.DenialCount) {
		if of := (limitOf{c.CustomerID, c.Limit}); c.Limit != "" {
			sum := sums[of]
			c.Denied, c.Last = c.Denied+sum.Denied, max(c.Last, sum.Last)
			sums[of] = c
		}
	}
	from -= from % denialHour
	if k.keeps {
		list, err := e.store.MostDenied(ctx, from, 4*n) // what is not written yet may move some of them up
		if err != nil {
			return nil, e.unavailable(err)
		}
		for _, c := range list {
			add(c)
		}
	}
	k.unwritten("", from, endOfTime, add)
	for _, c := range sums {
		l, err := limitOfText(c.Limit)
		if err != nil {
			return nil, e.unavailable(err)
		}
		out = append(out, MostDenied{CustomerID: c.CustomerID, Limit: *l, Denied: c.Denied, Last: c.Last})
	}
	slices.SortFunc(out, func(a, b MostDenied) int {
		return cmp.Or(cmp.Compare(b.Denied, a.Denied), cmp.Compare(b.Last, a.Last), cmp.Compare(a.CustomerID, b.CustomerID),
			cmp.Compare(a.Limit.AssignmentID, b.Limit.AssignmentID), cmp.Compare(a.Limit.Source, b.Limit.Source), cmp.Compare(a.Limit.Capability.ID, b.Limit.Capability.ID))
	})
	return out[:min(n, len(out))], nil
}

// MostDenied is how many requests a limit denied.
type MostDenied struct {
	CustomerID string
	Limit      DenialLimit
	Denied     uint64
	Last       bursar.Time
}

// trimDenials deletes what is older than it is to be kept.
func (e *Engine) trimDenials() {
	for e.o.KeepDenials > 0 && !e.closing.Load() {
		n, err := e.store.TrimDenials(context.Background(), e.now()-bursar.Time(e.o.KeepDenials), trimRows)
		if err != nil {
			e.o.Log.Warn("trimming the denials failed", "err", err)
		}
		if n == 0 || err != nil {
			return
		}
	}
}
