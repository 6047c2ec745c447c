package engine

import (
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
	Also       []DenialRefusal   // the first of the others that would have, in the order of the chains
}

// DenialRefusal is a limit that a request did not pass, and why.
type DenialRefusal struct {
	Limit  DenialLimit
	Reason bursar.Code
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
	denialSamplesHour   = 1000    // of a customer in an hour, beside the first of each group
	denialGroupsInAll   = 100_000 // in memory
	denialOthersInAll   = 100_000 // customers and hours in memory of which some are not told apart
	denialBytes         = 8 << 10 // of a sample; a larger denial is counted alone
	denialsWaiting      = 4096    // samples that are not written yet
	denialsWaitingBytes = 32 << 20
	denialBatch         = 256 // samples, and counts, of one save
	denialsEvery        = time.Second
	denialsTimeout      = 10 * time.Second // of one save
	denialsLastTimeout  = 5 * time.Second  // of all that is saved when the engine stops
	keepDenials         = 90 * 24 * time.Hour
	denialAlso          = 16
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
	bytes     int    // of those
	saved     uint64 // how often a save began or ended
	others    int    // of groups, those of what is not told apart
	stats     DenialStats
	toTell    map[string]map[string]*Denial // by customer and limit

	toTellInAll int

	telling sync.Mutex // held while people are told, so that who has it next finds them told
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
	also              string
	reason            bursar.Code
	source            bursar.BindingSource
	asked, bound      bursar.Capability
}

type denialsOf struct {
	customer string
	hour     bursar.Time
}

// denialsInHour are a customer's groups, and the samples that are not the first of one.
type denialsInHour struct{ groups, more int }

// denialCount is a group's count, which is written whole.
type denialCount struct {
	store.DenialCount
	written, writtenKept uint64
	unsure               bool // more than that may be written: an answer was lost
	dirty                bool
	in                   *denialsInHour
}

func newDenialKeeper(keeps bool) (*denialKeeper, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	return &denialKeeper{keeps: keeps, process: hex.EncodeToString(b[:]), groups: map[denialKey]*denialCount{}, customers: map[denialsOf]*denialsInHour{},
		toTell: map[string]map[string]*Denial{}}, nil
}

// NoteDenial counts d and, where there is room, keeps it. It writes nothing itself. d does not change
// any more.
func (e *Engine) NoteDenial(d *Denial) {
	e.denials.note(d)
	e.denials.noteToTell(d)
}

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
	for _, n := range alsoRefusing(d) {
		k.also += n.AssignmentID + "\x00" + n.EntityID + "\x00" + string(n.Refusal()) + "\x00"
	}
	return k
}

// alsoRefusing are the limits of DenialGroup.Also, each once.
func alsoRefusing(d *Denial) (list []*bursar.Node) {
	same := func(a, b *bursar.Node) bool { return a.AssignmentID == b.AssignmentID && a.EntityID == b.EntityID }
	for _, chain := range d.Decision.Chains {
		for i := range chain {
			n := &chain[i]
			if n.Granted || d.Decision.Binding != nil && same(n, &d.Decision.Binding.Node) || slices.ContainsFunc(list, func(x *bursar.Node) bool { return same(n, x) }) {
				continue
			}
			if list = append(list, n); len(list) == denialAlso {
				return list
			}
		}
	}
	return list
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
	if !k.keeps || c.Limit == "" && c.Group == otherGroup || c.Kept >= denialSamples || c.Kept > 0 && c.in.more >= denialSamplesHour {
		return
	}
	size := d.Size()
	if size > denialBytes {
		return
	}
	if len(k.waiting) >= denialsWaiting || k.bytes+size > denialsWaitingBytes {
		k.stats.Lost++
		return
	}
	k.waiting, k.bytes = append(k.waiting, d), k.bytes+size
	if c.Kept++; c.Kept > 1 {
		c.in.more++
	}
}

// count is the count that d goes to; nil when there is no room for one more. Where there is none to
// tell its group apart, it goes to what its customer has of others.
func (k *denialKeeper) count(d *Denial, hour bursar.Time) *denialCount {
	key := keyOf(d, hour)
	if c := k.groups[key]; c != nil {
		return c
	}
	of := denialsOf{d.CustomerID, hour}
	in := k.customers[of]
	if in == nil {
		in = &denialsInHour{}
	}
	c := &denialCount{in: in, DenialCount: store.DenialCount{CustomerID: d.CustomerID, Hour: hour, Process: k.process + "." + strconv.Itoa(k.purges), Group: otherGroup}}
	if in.groups >= denialGroups || len(k.groups)-k.others >= denialGroupsInAll {
		key = denialKey{customer: d.CustomerID, hour: hour, other: true}
		if c := k.groups[key]; c != nil {
			return c
		}
		if k.others >= denialOthersInAll {
			return nil
		}
		k.others++
	} else {
		in.groups++
		c.Limit, c.Group = groupTexts(d)
	}
	k.customers[of] = in
	k.groups[key] = c
	return c
}

// forget drops counts that are written and whose hour is over. If the clock is set back into such an
// hour, its requests are counted as another process's would be.
func (k *denialKeeper) forget() {
	k.purges++
	for key, c := range k.groups {
		if key.hour < k.hour && !c.dirty || key.hour < k.hour-denialHoursUnkept && !k.keeps {
			delete(k.groups, key)
			if key.other {
				k.others--
			}
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

// trimDenials deletes some of what is older than it is to be kept, and tells whether there may be more.
// Where none is kept, all are.
func (e *Engine) trimDenials() (more bool) {
	before := endOfTime
	if e.o.KeepDenials > 0 {
		before = e.now() - bursar.Time(e.o.KeepDenials)
	}
	n, err := e.store.TrimDenials(context.Background(), before, trimDenialRows)
	if err != nil {
		e.o.Log.Warn("trimming the denials failed", "err", err)
	}
	return n > 0 && err == nil
}

// trimDenialRows bounds one deletion: a tick of the housekeeping has no more than one.
const trimDenialRows = 512
