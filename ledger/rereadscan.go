package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// RereadScan gathers unread usage of one customer that rules read otherwise than it was counted: one
// part after the other, each as large as memory has room for. For each part it follows the log to
// the end, as that says what became of the part since.
type RereadScan struct {
	From, To bursar.Time // of the events
	Rules    []bursar.UsageRule
	Most     int // bounds the events of a part; 0 = maxRereadPart

	unread map[[16]byte]bool // all that is unread, once the first part is gathered: is it of the interval?
	begin  rereadPlace       // where the part at hand begins; zero = it is the first
	next   rereadPlace       // where the part after it does; zero = there is none

	part  map[[16]byte]*RereadItem
	bytes int                        // of what part keeps
	calls map[[16]byte][]*RereadItem // of part, by the keys of calls that are not counted yet
}

// rereadPlace is that of kept usage in the log.
type rereadPlace struct {
	seq uint64
	id  [16]byte
}

// Bounds of a part: in events, and in bytes of their usage.
const (
	maxRereadPart  = 10_000
	maxRereadBytes = 8 << 20
)

// RereadItem is unread usage of one event.
type RereadItem struct {
	Kept     *record.UsageUnread
	recorded bursar.Time        // when it was kept
	counted  bool               // its call or hold has ended by an earlier reading
	since    bool               // its call was counted, or got a hold, after it was kept
	names    []string           // unread until now
	derived  []bursar.Dimension // counted until now
	slot     uint32             // where it counts until now

	now *bursar.UnreadReading
}

// Begin begins the first part, or the one at hand anew. since is the first commit that keeps anything.
// The log is to be followed from after on.
func (s *RereadScan) Begin(since uint64) (after uint64) {
	if s.First() {
		s.unread = map[[16]byte]bool{}
	} else {
		since = s.begin.seq
	}
	s.part, s.calls, s.bytes, s.next = map[[16]byte]*RereadItem{}, map[[16]byte][]*RereadItem{}, 0, rereadPlace{}
	return since - 1
}

// Next turns to the part after the one at hand, if there is one.
func (s *RereadScan) Next() bool {
	s.begin = s.next
	return !s.First()
}

// First tells whether the part at hand is the first.
func (s *RereadScan) First() bool { return s.begin.seq == 0 }

// Kept is how many unread events of the interval the log has, and how many of any time.
func (s *RereadScan) Kept() (inside, all int) {
	for _, is := range s.unread {
		if is {
			inside++
		}
	}
	return inside, len(s.unread)
}

// Row follows what one commit keeps and reads again, and which calls it counts.
func (s *RereadScan) Row(row *record.Row) error {
	for _, r := range row.Recs {
		switch r := r.(type) {
		case *record.UsageUnread:
			s.keeps(row, r)
		case *record.UsageReread:
			if it := s.part[r.ID]; it != nil {
				it.names, it.derived, it.slot, it.counted = r.Names, r.Derived, r.Now, it.counted || r.Counted
			}
			if r.Left {
				delete(s.unread, r.ID)
				delete(s.part, r.ID)
			}
		case *record.CallCounted:
			s.ends(&r.Key)
		case *record.CallNamed:
			s.ends(&r.Key)
		case *record.EventHeld:
			s.ends(&r.Key)
		}
	}
	return nil
}

// keeps adds an event to the part, if it is of the interval and there is room.
func (s *RereadScan) keeps(row *record.Row, r *record.UsageUnread) {
	inside := s.From <= r.At && r.At < s.To
	switch {
	case s.First():
		s.unread[r.ID] = inside
	case row.Head.Seq == s.begin.seq && record.ComparePlaces(r.ID, s.begin.id) < 0:
		return // of the part before
	case !s.unread[r.ID]:
		return // it has left, or was kept after the first part was gathered
	}
	if !inside || s.next.seq != 0 {
		return
	}
	most := s.Most
	if most == 0 {
		most = maxRereadPart
	}
	if n := len(s.part); n >= most || n > 0 && s.bytes+len(r.Reading.Usage) > maxRereadBytes {
		s.next = rereadPlace{row.Head.Seq, r.ID}
		return
	}
	it := &RereadItem{Kept: r, recorded: row.Head.Now, names: r.Reading.Names, derived: r.Reading.Derived, slot: r.Slot}
	s.part[r.ID], s.bytes = it, s.bytes+len(r.Reading.Usage)
	for _, key := range []record.Identity{r.Call, r.Own} {
		if key.Set {
			s.calls[key.Hash] = append(s.calls[key.Hash], it)
		}
	}
}

// ends notes that a call was counted, or has a hold, by a key that is its own or that of a
// reservation. A key is forgotten in time; the log has it.
func (s *RereadScan) ends(key *record.Identity) {
	if !key.Set {
		return
	}
	for _, it := range s.calls[key.Hash] {
		if key.Hash == it.Kept.Call.Hash || key.Content == ReservesContent(it.Kept.Event) {
			it.since = true
		}
	}
}

// Plan lists, in order, what of the part is read otherwise now.
func (s *RereadScan) Plan() (todo []*RereadItem, err error) {
	for _, it := range s.part {
		if it.now, err = it.Kept.Reading.Again(it.Kept.Given, s.Rules); err != nil {
			return nil, err
		}
		same := slices.Equal(record.SortDims(slices.Clone(it.now.Derived)), record.SortDims(slices.Clone(it.derived)))
		if !same || !slices.Equal(it.now.Names, it.names) {
			todo = append(todo, it)
		}
	}
	slices.SortFunc(todo, func(a, b *RereadItem) int { return record.ComparePlaces(a.Kept.ID, b.Kept.ID) })
	return todo, nil
}
