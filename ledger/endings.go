package ledger

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// Holds that end by time. A hold has ended when its time has come, whether a commit has
// recorded that or not. What is not recorded yet is looked up, by the instant until which
// it counts. So reading costs the same however many holds end together, and recording
// them can go on in small commits.
//
// A returned hold only frees what it held when it ends: whoever decides looks that up, as
// readers do. Holds that are settled become usage, with alerts and draws of
// credits; they are recorded before anything else is decided.

// endings are the open holds of a customer by when they end.
type endings struct {
	returned, settled ordered[expiring]
	sums              map[endKey]*deadlines
}

// endKey names what ends: what is held on a row or, with row 0, all that is held of a
// capability.
type endKey struct {
	row, cap uint32
	settled  bool
}

type expiring struct {
	at bursar.Time
	id [16]byte
}

func compareExpiring(a, b expiring) int {
	return cmp.Or(cmp.Compare(a.at, b.at), record.CompareID(a.id, b.id))
}

func newEndings() endings {
	return endings{newOrdered(compareExpiring), newOrdered(compareExpiring), map[endKey]*deadlines{}}
}

func (x *endings) of(settled bool) *ordered[expiring] {
	if settled {
		return &x.settled
	}
	return &x.returned
}

// next is when the next hold ends; 0 = there is none.
func (x *endings) next() (at bursar.Time) {
	if r, ok := x.returned.first(); ok {
		at = r.at
	}
	if s, ok := x.settled.first(); ok && (at == 0 || s.at < at) {
		at = s.at
	}
	return at
}

// track takes an open hold into the endings, and untrack takes it out.
func (s *State) track(h *record.Hold) {
	s.endings.of(h.Settle).insert(expiring{h.Expires, h.ID})
	s.eachHeld(h, func(k endKey, a bursar.Amount) {
		d := s.endings.sums[k]
		if d == nil {
			d = new(deadlines)
			s.endings.sums[k] = d
		}
		d.add(h.Expires, a, 1)
	})
}

func (s *State) untrack(h *record.Hold) {
	s.endings.of(h.Settle).remove(expiring{h.Expires, h.ID})
	s.eachHeld(h, func(k endKey, a bursar.Amount) {
		if d := s.endings.sums[k]; d != nil && d.add(h.Expires, a.Neg(), -1) {
			delete(s.endings.sums, k)
		}
	})
}

// untrackRow forgets what ends on a row that is deleted.
func (s *State) untrackRow(row, cap uint32) {
	delete(s.endings.sums, endKey{row, cap, false})
	delete(s.endings.sums, endKey{row, cap, true})
}

// eachHeld calls f with each amount that h holds. The key says where, and whether it is settled.
func (s *State) eachHeld(h *record.Hold, f func(endKey, bursar.Amount)) {
	v := View{State: s}
	v.eachHeld(h, f)
}

func (v *View) eachHeld(h *record.Hold, f func(endKey, bursar.Amount)) {
	of := func(cap uint32, a bursar.Amount, settled bool) {
		f(endKey{0, cap, settled}, a)
		for _, row := range v.heldRows(h, cap) {
			f(endKey{row, cap, settled}, a)
		}
	}
	h.EachEnding(of)
}

// ended are up to n of the holds of one sort that have ended at now, in order.
func (s *State) ended(settled bool, now bursar.Time, n int) (out []*record.Hold) {
	s.endings.of(settled).ascend(nil, func(x expiring) bool {
		if x.at > now || len(out) == n {
			return false
		}
		out = append(out, s.Holds[x.id])
		return true
	})
	return out
}

// unrecorded tells whether holds have ended that no commit has recorded.
func (v *View) unrecorded() bool {
	at := v.endings.next()
	return at != 0 && at <= v.Now
}

// Standing is the row's counter at now. It is as if every hold that has ended were
// recorded: none of them holds anything, and those that are settled count as usage.
func (v *View) Standing(row uint32, def *record.Limit) Counter {
	c := v.Current(row, def)
	if !v.unrecorded() {
		return c
	}
	row = v.made(row)
	key := endKey{row, def.Cap, true}
	if def.Ent == 0 { // the customer's own limit: all usage of the feature is on it
		key.row = 0
	} else {
		c.Held = c.Held.Sub(v.endedSum(endKey{row, def.Cap, false}, v.Now)).Sub(v.endedSum(key, v.Now))
		if v.Ent(def.Ent).Archived != 0 || def.Idle() {
			return c
		}
	}
	before := v.endedSum(key, c.Start-1)
	c.Used = c.Used.Add(v.endedSum(key, v.Now).Sub(before))
	c.Prev = c.Prev.Add(before.Sub(v.endedSum(key, c.PrevStart-1)))
	return c
}

// StandingTotal is Total at now, with every hold that has ended taken as recorded.
func (v *View) StandingTotal(cap uint32) Total {
	t := v.Total(cap)
	if !v.unrecorded() {
		return t
	}
	key := endKey{0, cap, true}
	settled := v.endedSum(key, v.Now)
	t.Held = t.Held.Sub(v.endedSum(endKey{0, cap, false}, v.Now)).Sub(settled)
	t.Value = t.Value.Add(settled)
	if d := v.endings.sums[key]; d != nil && !settled.IsZero() {
		t.At = max(t.At, d.last(v.Now))
	}
	return t
}

// endedSum is how much of k was held by the holds that ended until t, less what v has recorded.
func (v *View) endedSum(k endKey, t bursar.Time) (sum bursar.Amount) {
	if d := v.endings.sums[k]; d != nil {
		v.Visits += len(d.chunks)
		sum = d.until(t)
	}
	if d := v.recorded[k]; d != nil {
		sum = sum.Sub(d.until(t))
	}
	return sum
}

// record notes that v records the end of a hold that had ended by time, so that endedSum no
// longer counts it.
func (v *View) record(id [16]byte) {
	h := v.Holds[id]
	if h == nil || h.Status != bursar.HoldOpen || h.Expires > v.Now {
		return
	}
	v.eachHeld(h, func(k endKey, a bursar.Amount) {
		d := v.recorded[k]
		if d == nil {
			d = new(deadlines)
			put(v, &v.recorded, k, d)
		}
		d.add(h.Expires, a, 1)
		if v.undoing {
			v.undo = append(v.undo, func() { d.add(h.Expires, a.Neg(), -1) })
		}
	})
}

// Shown is a hold as it is at now.
func (v *View) Shown(h *record.Hold) *record.Hold {
	if h == nil || h.Status != bursar.HoldOpen || h.Expires > v.Now {
		return h
	}
	n := *h
	n.Status, n.Closed = bursar.HoldExpired, h.Expires
	if h.Settle && h.Event != nil {
		use := h.Event.Estimate()
		n.Event = h.Event.With(&use)
	} else if h.Settle {
		n.Recorded, n.Costs = h.Amount, slices.Clone(h.Costs)
		for i := range n.Costs {
			n.Costs[i].Charged = n.Costs[i].Held
		}
	}
	return &n
}

// deadlines are amounts by the instant until which they count, added up in chunks.
type deadlines struct{ chunks []dueChunk }

type dueChunk struct {
	sum  bursar.Amount
	list []dueAmount // never empty
}

// dueAmount is what ends at one instant: n amounts, and their sum.
type dueAmount struct {
	at  bursar.Time
	n   int
	sum bursar.Amount
}

// add takes in n amounts, whose sum is a; with negative ones it takes them out. It tells whether none
// are left.
func (d *deadlines) add(at bursar.Time, a bursar.Amount, n int) (empty bool) {
	i, _ := slices.BinarySearchFunc(d.chunks, at, func(c dueChunk, at bursar.Time) int { return cmp.Compare(c.list[len(c.list)-1].at, at) })
	if i == len(d.chunks) {
		if i == 0 || len(d.chunks[i-1].list) >= chunkSize {
			d.chunks = append(d.chunks, dueChunk{})
		} else {
			i--
		}
	}
	c := &d.chunks[i]
	j, found := slices.BinarySearchFunc(c.list, at, func(x dueAmount, at bursar.Time) int { return cmp.Compare(x.at, at) })
	if !found {
		c.list = slices.Insert(c.list, j, dueAmount{at: at})
	}
	x := &c.list[j]
	x.n, x.sum, c.sum = x.n+n, x.sum.Add(a), c.sum.Add(a)
	switch {
	case x.n == 0:
		if c.list = slices.Delete(c.list, j, j+1); len(c.list) == 0 {
			d.chunks = slices.Delete(d.chunks, i, i+1)
		}
	case len(c.list) > chunkSize:
		rest := dueChunk{list: slices.Clone(c.list[chunkSize/2:])}
		for _, x := range rest.list {
			rest.sum = rest.sum.Add(x.sum)
		}
		c.list, c.sum = slices.Clip(c.list[:chunkSize/2]), c.sum.Sub(rest.sum)
		d.chunks = slices.Insert(d.chunks, i+1, rest)
	}
	return len(d.chunks) == 0
}

// until is the sum of what ends not later than t.
func (d *deadlines) until(t bursar.Time) (sum bursar.Amount) {
	for i := range d.chunks {
		c := &d.chunks[i]
		if c.list[len(c.list)-1].at <= t {
			sum = sum.Add(c.sum)
			continue
		}
		for j := range c.list {
			if c.list[j].at > t {
				return sum
			}
			sum = sum.Add(c.list[j].sum)
		}
	}
	return sum
}

// last is the last instant not later than t at which something ends; 0 = there is none.
func (d *deadlines) last(t bursar.Time) bursar.Time {
	for _, c := range slices.Backward(d.chunks) {
		i, _ := slices.BinarySearchFunc(c.list, t+1, func(x dueAmount, t bursar.Time) int { return cmp.Compare(x.at, t) })
		if i > 0 {
			return c.list[i-1].at
		}
	}
	return 0
}
