package ledger

import (
	"cmp"
	"errors"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Bounds of what one commit corrects: in events, and in records, but for those of the last event.
const (
	MaxRereadItems   = 200
	maxRereadRecords = 2000
)

// RereadOp corrects what was counted of events whose usage is read otherwise now: of as many of
// them as fit a commit. As a RepriceOp it is decided only if nothing else was corrected since the
// plan was made.
type RereadOp struct {
	Caller catalogue.Caller
	State  *State
	UpTo   uint64
	Items  []*RereadItem
	Ended  map[[16]byte]bool // of a rehearsal: what ops before it ended (RereadEffects)

	Effects *RereadEffects // once it is decided
}

// RereadEffects is what a RereadOp did.
type RereadEffects struct {
	Done      int        // of the op's events: the first ones
	Ended     [][16]byte // holds, and keys of calls, that were counted at last
	Read      int        // events that have left the list
	Changed   int        // events of which something else is counted now
	Uncounted int        // events that stay as they are, as no meter can count them
	Changes   []bursar.CapabilityAmount
}

func (o *RereadOp) Size() int { return min(len(o.Items), MaxRereadItems) }

func (o *RereadOp) Decide(d *Decider) (any, error) {
	if d.State != o.State || d.corrected > o.UpTo || d.correct {
		return nil, ErrReplan
	}
	if err := o.unknown(d); err != nil {
		return nil, err
	}
	from, x := len(d.Recs), &RereadEffects{}
	for _, it := range o.Items {
		if x.Done == MaxRereadItems || len(d.Recs)-from > maxRereadRecords {
			break
		}
		changed, read, err := d.reread(it, o.Ended)
		if errors.Is(err, errNotCounted) {
			x.Uncounted++
		} else if err != nil {
			return nil, err
		}
		if changed && it.Kept.Held {
			x.Ended = append(x.Ended, it.Kept.Hold)
		} else if changed && it.Kept.Call.Set {
			x.Ended = append(x.Ended, it.Kept.Call.Hash)
		}
		if changed {
			x.Changed++
		}
		if read {
			x.Read++
		}
		x.Done++
	}
	if o.Effects, x.Changes = x, d.changesSince(from); len(d.Recs) == from {
		return x, nil
	}
	d.audit(&o.Caller, "usage.reread", "customer", d.Cust().ID, "", nil, map[string]any{"events": x.Done, "changed": x.Changed, "read": x.Read})
	return x, nil
}

// unknown asks at once for all that the store has of the op's events and is not known: the holds that
// they were to end, and what was done about their calls.
func (o *RereadOp) unknown(d *Decider) error {
	var missing Needs
	for _, it := range o.Items[:o.Size()] {
		var n *Needs
		var err error
		switch {
		case it.counted:
		case it.Kept.Held:
			_, err = d.holdNow(it.Kept.Hold)
		case it.Kept.Call.Set:
			_, err = d.reportedSince(it)
		}
		if errors.As(err, &n) {
			missing.add(n)
		} else if err != nil {
			return err
		}
	}
	return missing.orNil()
}

// changesSince sums up what the records from an index on added to the customer's totals.
func (d *Decider) changesSince(from int) []bursar.CapabilityAmount {
	sums := map[uint32]bursar.Amount{}
	for _, r := range d.Recs[from:] {
		switch r := r.(type) {
		case *record.Usage:
			sums[r.Cap] = sums[r.Cap].Add(r.Total)
		case *record.Cost:
			sums[r.Cap] = sums[r.Cap].Add(r.Total)
		}
	}
	var out []bursar.CapabilityAmount
	for _, cap := range record.SortedOrds(sums) {
		if !sums[cap].IsZero() {
			out = append(out, bursar.CapabilityAmount{Capability: d.Capability(cap), Amount: sums[cap]})
		}
	}
	return out
}

// errNotCounted tells that a meter of now cannot count an event, or nothing what it costs. It stays as it is.
var errNotCounted = errors.New("no meter can count the event")

// reread corrects one event, unless its hold or its call has ended. read tells that it leaves the list.
// After errNotCounted nothing of the event is recorded.
func (d *Decider) reread(it *RereadItem, ended map[[16]byte]bool) (changed, read bool, err error) {
	k, rec := it.Kept, &record.UsageReread{ID: it.Kept.ID, Event: it.Kept.Event, Slot: it.slot, Names: it.now.Names, Derived: it.now.Derived,
		Model: modelOf(countedDims(it.Kept.Given, it.now.Derived))}
	switch {
	case it.counted || !k.Held && !k.Call.Set:
		changed, err = d.recount(it)
	case ended[k.Hold] || ended[k.Call.Hash]:
		rec.Left = true
	case k.Held:
		rec.Counted, rec.Left, err = d.rereadHeld(it)
		changed = rec.Counted
	default:
		if rec.Left, err = d.reportedSince(it); err == nil && !rec.Left {
			changed, err = d.recount(it)
		}
		if rec.Counted = changed; changed {
			d.countCall(it.call(), &bursar.EventInput{Dimensions: countedDims(k.Given, it.now.Derived)})
		}
	}
	if err != nil {
		return false, false, err
	}
	if rec.Left = rec.Left || len(rec.Names) == 0; !rec.Left {
		rec.Now = d.unreadSlot(rec.Event, rec.Model, rec.Names, forSpent(rec.Slot))
	}
	d.Emit(rec)
	return changed, rec.Left, nil
}

// reportedSince tells whether the call of an event of which nothing was counted was reported or reserved since.
func (d *Decider) reportedSince(it *RereadItem) (bool, error) {
	if it.since {
		return true, nil
	}
	k, err := d.knownCall(it.call(), d.Now-record.KeyMemory) // by what came after the plan
	return k.counted || k.held, err
}

// call is the call of an event that has one.
func (it *RereadItem) call() *Call {
	return &Call{Key: it.Kept.Call, own: it.Kept.Own, reserves: ReservesContent(it.Kept.Event)}
}

// rereadHeld ends a hold that went on, as nothing of the usage that was to end it could be read. What
// it booked since is taken back, as by a commit that comes late. over: the hold has ended otherwise.
func (d *Decider) rereadHeld(it *RereadItem) (counted, over bool, err error) {
	h, err := d.holdNow(it.Kept.Hold)
	if err != nil {
		return false, false, err
	}
	if h == nil || h.Status == bursar.HoldCommitted || h.Status == bursar.HoldReleased {
		return false, true, nil
	}
	x, ok := d.metered(it, it.now.Derived)
	var p bursar.Problems
	if noneNegative(x.usages, "", &p); !ok || !p.Empty() {
		return false, false, errNotCounted
	}
	if len(it.now.Names) > 0 && x.saysNothing() {
		return false, false, nil
	}
	if h.Status == bursar.HoldExpired {
		h = d.recordedEnd(h)
	}
	d.beginCorrection()
	defer d.endCorrection()
	d.recordUse(&usingEvent{hold: h, item: x, content: ContentHash(EventContent(&x.In))})
	return true, false, nil
}

// recount counts an event anew and takes back what was counted of it, of each feature for which
// the readings differ. Both go by the meters of now, the prices of then and the way through the
// tree of then, on limits and features that there were then. What is taken back comes last: where it
// was taken back before, such as by re-pricing, the difference is left.
func (d *Decider) recount(it *RereadItem) (changed bool, err error) {
	was, okWas := d.metered(it, it.derived)
	is, okIs := d.metered(it, it.now.Derived)
	if !okWas || !okIs {
		return false, errNotCounted
	}
	var todo, takeBack []UsageItem
	for i := range was.usages {
		old := &was.usages[i]
		j := slices.IndexFunc(is.usages, func(u UsageItem) bool { return u.In.FeatureID == old.In.FeatureID })
		if j >= 0 && sameUsage(old, &is.usages[j]) {
			is.usages = slices.Delete(is.usages, j, j+1)
			continue
		}
		if old.aggregate == "" && !old.In.Value.IsZero() {
			back := *old
			back.In.Value = old.In.Value.Neg()
			takeBack = append(takeBack, back)
		}
	}
	for i := range is.usages {
		if u := &is.usages[i]; !u.In.Value.IsZero() || u.aggregate != "" {
			todo = append(todo, *u)
		}
	}
	todo = append(todo, takeBack...)
	if slices.ContainsFunc(todo, d.costsTooMuch) {
		return false, errNotCounted
	}
	d.beginCorrection()
	defer d.endCorrection()
	for i := range todo {
		u := &todo[i]
		if err := d.chargeable(u, u.In.Value); err != nil {
			return false, err
		}
		d.recordUsage(u, record.OpReread)
	}
	return len(todo) > 0, nil
}

// costsTooMuch tells whether an item has a cost that cannot be counted, if no total is too small for it.
func (d *Decider) costsTooMuch(it UsageItem) bool {
	_, _, err := d.AsksFor(d.Cat, it.In.Capability(), it.In.Value, it.In.Dimensions, d.pricedAt(&it))
	return err != nil
}

// metered is what an event uses with what derived says. Not ok: a meter cannot count it.
func (d *Decider) metered(it *RereadItem, derived []bursar.Dimension) (x EventItem, ok bool) {
	k := it.Kept
	x = EventItem{begun: true, on: &Resolved{given: true, Path: k.Path, made: it.recorded},
		In: bursar.EventInput{CustomerID: d.Cust().ID, EventName: k.Event, Dimensions: countedDims(k.Given, derived), Timestamp: k.At}}
	var p bursar.Problems
	d.meterEvent(&x, "", k.Priced, &p)
	return x, p.Empty()
}

// sameUsage tells whether two usages of one feature count the same.
func sameUsage(a, b *UsageItem) bool {
	cost := func(x, y Ask) bool { return x.C == y.C && x.Amount == y.Amount }
	return a.In.Value == b.In.Value && a.text == b.text && (a.aggregate == "MAX" || slices.EqualFunc(a.asks, b.asks, cost)) &&
		(a.In.Value.IsZero() || a.aggregate != "" || slices.Equal(a.In.Dimensions, b.In.Dimensions))
}

// Rereading is what another reading of unread usage changes, or changed.
type Rereading struct {
	Customers []RereadCustomer // with unread usage in the interval: the first 1,000
	Total     RereadCustomer   // of all
	Applied   bool
}

// RereadCustomer is one customer's part.
type RereadCustomer struct {
	CustomerID string
	Events     int                       // kept in the interval
	Read       int                       // of these, events of which nothing is unread any more
	Changed    int                       // events that count something else
	Lost       int                       // unread events, at any time, whose log was cut: they stay as they are
	Uncounted  int                       // events that no meter can count as they are read now: they stay as they are
	Changes    []bursar.CapabilityAmount // by how much the customer's totals change
}

// Took adds what a RereadOp did.
func (c *RereadCustomer) Took(x *RereadEffects) {
	c.Read, c.Changed, c.Uncounted = c.Read+x.Read, c.Changed+x.Changed, c.Uncounted+x.Uncounted
	c.Changes = addAmounts(c.Changes, x.Changes)
}

// Clone is c as it is now.
func (c *RereadCustomer) Clone() RereadCustomer {
	out := *c
	out.Changes = slices.Clone(c.Changes)
	return out
}

// Add adds a customer's part.
func (r *Rereading) Add(c *RereadCustomer) {
	t := &r.Total
	t.Events, t.Read, t.Changed = t.Events+c.Events, t.Read+c.Read, t.Changed+c.Changed
	t.Lost, t.Uncounted = t.Lost+c.Lost, t.Uncounted+c.Uncounted
	t.Changes = addAmounts(t.Changes, c.Changes)
	if c.Events+c.Lost > 0 && len(r.Customers) < maxRepricedCustomers {
		r.Customers = append(r.Customers, *c)
	}
}

// Clone is r as it is now.
func (r *Rereading) Clone() Rereading {
	out := *r
	out.Customers, out.Total.Changes = slices.Clone(r.Customers), slices.Clone(r.Total.Changes)
	return out
}

func addAmounts(list, more []bursar.CapabilityAmount) []bursar.CapabilityAmount {
	for _, x := range more {
		i := slices.IndexFunc(list, func(have bursar.CapabilityAmount) bool { return have.Capability == x.Capability })
		if i < 0 {
			list = append(list, x)
		} else {
			list[i].Amount = list[i].Amount.Add(x.Amount)
		}
	}
	slices.SortFunc(list, func(a, b bursar.CapabilityAmount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return list
}
