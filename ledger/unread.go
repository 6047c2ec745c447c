package ledger

import (
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Usage that was not wholly understood is kept with its event, in the log (record.UsageUnread),
// until it is read again (RereadOp). The state has how many such events there are, by what
// could not be read.

// maxUnreadShapes bounds the sorts of unread usage of one customer that are told apart, in slots from 1. Those
// beyond are counted together, in slot 0. The last maxSpentShapes are for what spend tokens report, whose
// holders are not trusted, and have no room elsewhere.
const (
	maxUnreadShapes = 50
	maxSpentShapes  = 10
)

// UnreadUse is the use that a customer with unread usage makes, so that such customers are found.
var UnreadUse = store.Use{Kind: "unread", ID: "usage"}

// unreadShape is what the events of one slot have in common, and how many they are. It is immutable.
type unreadShape struct {
	Event  string      `json:"event"`
	Model  string      `json:"model,omitempty"`
	Names  []string    `json:"names"`
	Sample string      `json:"sample,omitempty"`
	Count  int64       `json:"count"`
	First  bursar.Time `json:"first"`
	Last   bursar.Time `json:"last"`
	Since  uint64      `json:"since"` // no commit before it keeps one of them
}

func (v *View) unreadAt(slot uint32) *unreadShape {
	if s, ok := v.unrd[slot]; ok {
		return s
	}
	return v.State.unread[slot]
}

// forSpent tells whether a slot is one of what spend tokens report.
func forSpent(slot uint32) bool { return slot > maxUnreadShapes-maxSpentShapes }

// unreadSlot is where events count of which names are unread: that of such events, or else the
// first free one. spent: a spend token reports them.
func (v *View) unreadSlot(event, model string, names []string, spent bool) uint32 {
	free := uint32(0)
	for slot := uint32(maxUnreadShapes); slot > 0; slot-- {
		s := v.unreadAt(slot)
		if s == nil && forSpent(slot) == spent {
			free = slot
		} else if s != nil && s.Event == event && s.Model == model && slices.Equal(s.Names, names) {
			return slot
		}
	}
	return free
}

// countUnread counts an event in a slot, as what makes it one of those of shape.
func (v *View) countUnread(slot uint32, shape unreadShape) {
	n := shape
	if slot == 0 {
		n.Event, n.Model, n.Names, n.Sample = "", "", nil, ""
	}
	if had := v.unreadAt(slot); had != nil {
		n = *had
		n.First, n.Last, n.Since = min(n.First, shape.First), max(n.Last, shape.Last), min(n.Since, shape.Since)
	} else {
		n.Count = 0
	}
	n.Count++
	put(v, &v.unrd, slot, &n)
}

func (v *View) applyUnread(r *record.UsageUnread) {
	sample := r.Reading.Usage
	if len(sample) > bursar.MaxSample {
		sample = strings.ToValidUTF8(sample[:bursar.MaxSample], "")
	}
	v.countUnread(r.Slot, unreadShape{Event: r.Event, Model: keptModel(r), Names: r.Reading.Names,
		Sample: sample, First: v.Now, Last: v.Now, Since: v.Head.Seq + 1})
}

func (v *View) applyReread(r *record.UsageReread) {
	v.noteCorrection()
	had := v.unreadAt(r.Slot)
	if had == nil {
		return // of an import that began after it
	}
	less := *had
	if less.Count--; less.Count > 0 {
		put(v, &v.unrd, r.Slot, &less)
	} else {
		put(v, &v.unrd, r.Slot, nil)
	}
	if !r.Left {
		now := *had
		now.Event, now.Model, now.Names = r.Event, r.Model, r.Names
		v.countUnread(r.Now, now)
	}
}

// countedDims are the dimensions that an event counts with, ordered by key. No key is in both lists.
func countedDims(given, derived []bursar.Dimension) []bursar.Dimension {
	return record.SortDims(slices.Concat(given, derived))
}

// keptModel is the model that an event counts with.
func keptModel(r *record.UsageUnread) string {
	return modelOf(countedDims(r.Given, r.Reading.Derived))
}

// keepUnread keeps what was not wholly understood of the usage of an event that was just recorded,
// at the prices of an instant; 0 = of when it happened. call is the call that it is of and that is not counted yet, kept the end of a hold that
// goes on, as the usage was to end it; nil = none.
func (d *Decider) keepUnread(in *bursar.EventInput, priced bursar.Time, u *bursar.UnreadReading, call *Call, kept *usingEvent) {
	if u == nil {
		return
	}
	rec := &record.UsageUnread{ID: d.NextID(), Event: in.EventName, At: d.Now, Reading: *u}
	if call != nil {
		rec.Call, rec.Own = call.Key, call.own
	}
	if in.Timestamp != 0 {
		rec.At = min(in.Timestamp, d.Now)
	}
	if rec.Priced = priced; priced == 0 {
		rec.Priced = rec.At
	}
	if kept != nil {
		rec.Held, rec.Hold, rec.Same = true, kept.hold.ID, kept.same
	}
	rec.Reading.Derived = nil
	for _, x := range in.Dimensions {
		if slices.Contains(u.Derived, x) {
			rec.Reading.Derived = append(rec.Reading.Derived, x)
		} else { // in place of one of its key that was read, if the reservation has another value
			rec.Given = append(rec.Given, x)
		}
	}
	path := d.Resolve(d.Cat, labelsOf(in.Dimensions))
	rec.Path = path.Path
	rec.Slot = d.unreadSlot(rec.Event, keptModel(rec), u.Names, d.guarded)
	d.Emit(rec)
}

// Unread lists the customer's usage that was not understood.
func (v *View) Unread() (out []bursar.UnreadUsage) {
	for slot := range uint32(maxUnreadShapes + 1) {
		if s := v.unreadAt(slot); s != nil {
			out = append(out, bursar.UnreadUsage{EventName: s.Event, Model: s.Model, Names: s.Names, Sample: s.Sample, Count: s.Count, FirstSeen: s.First, LastSeen: s.Last})
		}
	}
	return out
}

// unreadUse is how many slots have events, and how many more do with the changes.
func (v *View) unreadUse() (was, change int) {
	for slot, s := range v.unrd {
		if s != nil {
			change++
		}
		if v.State.unread[slot] != nil {
			change--
		}
	}
	return len(v.State.unread), change
}

// UnreadSince is a commit before which nothing unread is kept, and how many events are unread.
func (s *State) UnreadSince() (since uint64, count int64) {
	for _, shape := range s.unread {
		if since == 0 || shape.Since < since {
			since = shape.Since
		}
		count += shape.Count
	}
	return since, count
}

// unreadMemory is about how much memory the list takes.
func (s *State) unreadMemory() (n int64) {
	for shape := range maps.Values(s.unread) {
		n += int64(200 + len(shape.Sample) + 60*len(shape.Names))
	}
	return n
}
