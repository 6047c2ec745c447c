package sim

import (
	"fmt"
	"maps"
	"time"

	"github.com/bursarhq/bursar"
)

// model is the reference: what the contract says, written down plainly. Its methods
// are those of the engine, less the context, the caller and the version. It trusts its
// caller with what an engine must check by itself: that nothing runs at the same time.
//
// Ids that a server makes are counted up, so that their order is that of creation.
type model struct {
	clock      bursar.Time
	horizon    time.Duration
	types      map[string]*bursar.EntityType
	features   map[string]*bursar.Feature
	currencies map[string]*bursar.Currency
	customers  map[string]*mCust
	cards      map[string]*bursar.RateCard
	cat        instants
	settings   bursar.Settings
	ids        int

	commits func() []heard       // what the engine committed since it was asked last; nil without one
	heard   []heard              // of these, what was not compared yet
	told    map[string][]message // what operations told since, by customer
}

// instants tell when a log was last written: for certain, and perhaps. An engine may
// or may not write for a request that changes nothing; it shows only when the clock
// goes back, for the log's time does not.
type instants struct {
	sure, perhaps bursar.Time
	writes        int
}

func (i *instants) now(clock bursar.Time) bursar.Time { return max(i.sure, clock) }
func (i *instants) tried(now bursar.Time)             { i.perhaps = max(now, i.perhaps) }
func (i *instants) wrote(now bursar.Time) {
	i.sure, i.perhaps = now, max(now, i.perhaps)
	i.writes++
}

// mCust is one customer: everything that happened to it.
type mCust struct {
	m         *model
	info      bursar.Customer
	log       instants
	entities  map[string]bursar.Entity
	freezes   map[string]*mFreeze  // by entity; "" = the customer
	requests  []*mRequest          // in order of creation
	rows      []*mRow              // in order of creation
	defaults  []*mDefault          // in order of creation
	policies  []*mPolicy           // in order of creation
	hearers   []*mNotification     // in order of creation
	given     map[naturalKey]*mRow // rows that are, or once were, limited by default
	taken     bool                 // rows that were so once are the entities' own now
	holds     []*mHold             // in order of creation
	unread    []*mUnread           // in order of recording
	rereading *mUnread             // what is counted anew; nil = nothing is
	rereads   int                  // how many events were
	hushed    map[*mRow]bool       // whose alerts wait for the whole of that; nil = none do
	dearer    []dearer             // what pools pay for the whole of that
	open      []*mHold             // those of them that are open
	totals    map[bursar.Capability]*mTotal
	levels    map[levelKey]mLevel
	keys      map[keyID]mKey
	facts     []fact
	calls     map[[3]string][]float64 // output of calls, by entity, event and model
	sorts     map[string][][3]string  // the keys of calls by entity, that with the latest call last
	grants    []*mGrant               // in order of creation
	spent     []*mGrant               // those that a draw has emptied
	low       map[lowKey]bool
	poolAt    map[string]bursar.Time // of the last change of a pool
	promos    map[string]*mPromo
	distinct  map[string]bool // of all time, by UNIQUE feature and value
	timed     *untold         // what time does just now
	enrolment *mEnrolment     // of the request that is judged; nil = it enrols nobody
	untold    []untold        // in order
}

// mTotal is what the customer used of a capability in all its life, and holds now.
type mTotal struct {
	used, held num
	at         bursar.Time // of the last change of used; 0 if none
}

type levelKey struct{ leaf, feature string } // leaf "" = the customer

type mLevel struct {
	value num
	at    bursar.Time
}

// keyID identifies an idempotent item within a customer.
type keyID struct{ target, key string }

// mKey remembers what was first done under a key.
type mKey struct {
	content string
	at      bursar.Time // receipt
	usage   bursar.UsageResult
	consume bursar.ConsumeResult
	asks    []ask // of the consumption
	hold    *mHold
}

// mRow is one limit. Its amounts are kept by the start of the window they belong to.
type mRow struct {
	id         string
	entity     string
	cap        bursar.Capability
	scope      []string // sorted
	label      string
	limit      *num // nil = unlimited
	cal        calendar
	timezone   string
	soft       bool
	thresholds []int
	allocation string
	created    bursar.Time
	updated    bursar.Time

	used    map[int64]num
	values  map[int64]map[string]bool // of a UNIQUE feature
	first   int64                     // start of the earliest window that counts
	held    num
	lately  []window // windows computed lately
	boosts  []*mBoost
	lent    []*mBoost    // of other limits, which it funds
	fired   map[int]bool // thresholds, in the window
	firedIn int64
	told    map[int]bool // thresholds that people were told of, in the window
	toldIn  int64
	given   bool      // it is limited by default
	by      *mDefault // by which; nil = there is none at present
	taken   bool      // it was given once
	ownID   string    // its id while it was the entity's own; "" = it never was
	touched bool      // something was counted or held
	win     window    // in which that was, lately
	promo   *mPromo   // that the row is the limit of; nil for an assignment's
}

// mHold is one reservation with all that was frozen when it was made.
type mHold struct {
	bursar.Reservation // ID, amounts and status as stored; Decision nil
	ref                holdRef
	amount             num
	rows               []*mRow
	costs              []heldCost
	route              []hop
	plain              []bursar.Dimension
	call               *mCall // of a reservation of an event; then it has no amount and no costs
}

// heldCost is a currency that a reservation was priced in, at the rate of its creation.
type heldCost struct {
	currency string
	price    price
	held     num
}

// hop is one entity that usage was attributed to, and the child it came through; the
// zero hop is the customer's.
type hop struct{ entity, child string }

// fact is one recorded amount, for the histories.
type fact struct {
	at     int64
	cap    bursar.Capability
	amount num
	route  []hop
	dims   []bursar.Dimension // those that named no entities then
	source string             // of a cost: its feature
	reread int                // which other reading of unread usage made it, from 1; 0 = none
	back   bool               // it takes back what was booked of a reservation
}

func newModel(horizon time.Duration) *model {
	return &model{
		horizon: horizon,
		types:   map[string]*bursar.EntityType{}, features: map[string]*bursar.Feature{},
		currencies: map[string]*bursar.Currency{}, customers: map[string]*mCust{},
		cards: map[string]*bursar.RateCard{}, told: map[string][]message{},
	}
}

func (m *model) newID(kind string) string {
	m.ids++
	return fmt.Sprintf("%s-%08d", kind, m.ids)
}

// customer finds a customer and lets its time pass; nil when there is none.
func (m *model) customer(id string) (*mCust, bursar.Time) {
	m.observe()
	c := m.customers[id]
	if c == nil {
		return nil, 0
	}
	now := c.log.now(m.clock)
	c.settle()
	c.expire(now)
	return c, now
}

// writable is customer for a governance write.
func (m *model) writable(id string) (*mCust, bursar.Time, *fail) {
	c, now := m.customer(id)
	if c == nil {
		return nil, 0, failed(bursar.CodeCustomerNotFound)
	}
	if c.info.ArchivedAt != nil {
		return nil, 0, failed(bursar.CodeCustomerIsArchived)
	}
	c.log.tried(now)
	return c, now, nil
}

func (c *mCust) total(k bursar.Capability) *mTotal {
	if c.totals[k] == nil {
		c.totals[k] = &mTotal{}
	}
	return c.totals[k]
}

func (c *mCust) row(id string) *mRow {
	for _, r := range c.limits() {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (r *mRow) window(t int64) window {
	for _, w := range r.lately {
		if w.has(t) {
			return w
		}
	}
	w := r.cal.window(t)
	r.lately = append(r.lately, w)
	if len(r.lately) > 4 {
		r.lately = r.lately[1:]
	}
	return w
}

func (r *mRow) usedAt(now bursar.Time) num {
	w := r.window(int64(now))
	if r.given && (!r.touched || r.win != w) {
		return num{}
	}
	return r.used[w.start]
}

// charge counts d, of effective time t, in the window it belongs to: the current one
// or the one before, and none from before the row counted. It tells whether the use of
// the current one has changed.
func (r *mRow) charge(d num, t, now bursar.Time) bool {
	if r.idle() {
		return false
	}
	r.turn(now)
	w := r.window(int64(t))
	current := r.window(int64(now))
	if previous := r.window(current.start - 1); w != current && w != previous || w.start < r.first {
		return false
	}
	was := r.used[w.start]
	r.used[w.start] = notBelowZero(was.add(d))
	for start := range r.used {
		if start < r.window(current.start-1).start {
			delete(r.used, start)
			delete(r.values, start)
		}
	}
	return w == current && r.usedAt(now).cmp(was) != 0
}

// reschedule carries the amount of the window current at now into the new one.
func (r *mRow) reschedule(cal calendar, now bursar.Time) {
	before := r.window(int64(now)).start
	carried, values := r.used[before], r.values[before]
	r.cal, r.lately = cal, nil
	r.win, r.touched = r.window(int64(now)), true
	r.first = r.win.start
	r.used, r.values = map[int64]num{r.first: carried}, map[int64]map[string]bool{r.first: values}
	if r.firedIn == before {
		r.firedIn = r.first
	} else {
		r.firedIn, r.fired = r.first, map[int]bool{}
	}
	if r.toldIn == before {
		r.toldIn = r.first
	} else {
		r.toldIn, r.told = r.first, map[int]bool{}
	}
}

func notBelowZero(n num) num {
	if n.sign() < 0 {
		return num{}
	}
	return n
}

func mergeMetadata(old, patch map[string]string) map[string]string {
	merged := map[string]string{}
	maps.Copy(merged, old)
	for k, v := range patch {
		if v == "" {
			delete(merged, k)
		} else {
			merged[k] = v
		}
	}
	return merged
}

// setName applies an optional text: null and "" clear.
func setName(to **string, in bursar.Opt[string]) {
	switch {
	case in.Null || in.Set && in.Value == "":
		*to = nil
	case in.Set:
		v := in.Value
		*to = &v
	}
}
