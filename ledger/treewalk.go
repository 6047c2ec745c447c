package ledger

import (
	"strings"

	"github.com/bursarhq/bursar/record"
)

// A page that goes by id or, of entities, by creation needs no look at all of them: they are looked at
// in that order, from the cursor on, until the page is full.

// treeWalk is how far a walk has come.
type treeWalk struct {
	last   uint32 // the entity looked at last; 0 = none
	looked int
}

// walkedShare is the share of all entities that a walk looks at, at most: it goes from one place in memory
// to another, so where filters let few through, a scan of all is cheaper.
const walkedShare = 32

// walks tells whether the query's rows come in an order of entities.
func (s *TreeScan) walks() bool { return s.caps == nil || s.Q.SortBy == SortID }

func (s *TreeScan) walksByTime() bool { return s.caps == nil && s.Q.SortBy == SortCreatedAt }

// treeWay goes on to find the first rows without looking at all rows. If it cannot prove which they are, all are
// looked at.
type treeWay func(s *TreeScan, v *View) (done, proves bool, err error)

func (s *TreeScan) chooseWay(v *View) {
	switch {
	case s.Whole || !s.all || v.Entities.Len() <= SmallTree:
	case s.walks() && !s.fewOver(v):
		s.way = (*TreeScan).walkOn
	case s.search == "" && s.ranked(v):
		s.way = (*TreeScan).topOn
	}
}

// fewOver tells that so few limits have used as much as the query asks for that a walk by id would not meet
// them soon. It goes by a sample.
func (s *TreeScan) fewOver(v *View) bool {
	const every = 61
	if s.caps == nil || s.least <= 0 || s.byEntity {
		return false
	}
	over := 0
	for row := 0; row < v.ranks.share.len(); row += every {
		if v.ranks.share.at(uint32(row)) >= s.least {
			over++
		}
	}
	v.Visits += v.Rows.Len() / every / passesALook
	return over*every < v.Rows.Len()/walkedShare
}

// walkOn goes on to walk. It does not prove what the page is when it has looked at too many.
func (s *TreeScan) walkOn(v *View) (done, proves bool, err error) {
	byTime := s.walksByTime()
	if x := s.after; x != nil && (byTime && (x.none || !x.amount.IsZero()) || !byTime && !s.ofIDs(x)) {
		return false, false, nil // the cursor of another order
	}
	if !byTime && !v.hasTreeIndex() {
		return false, false, ErrNoTreeIndex
	}
	full := func(e *record.Entity) bool {
		return s.full() && (!byTime || float64(e.Created/1e6) != s.top[0].number)
	}
	done, proves = true, true
	s.walkFrom(v, byTime, func(ord uint32) bool {
		if full(v.Entities.at(ord)) {
			return false
		}
		if done, proves = s.step(v, ord, v.walkMost()); done && proves {
			s.entity(v, ord)
		}
		return done && proves
	})
	return done, proves, nil
}

// step takes a walk to its next entity. It is not done when the walk is to go on in another slice, and proves
// nothing when the walk has looked at as many as it may.
func (s *TreeScan) step(v *View, ord uint32, most int) (done, proves bool) {
	if v.Tired() {
		return false, true
	}
	if s.walk.looked >= most || s.tooMany(v, ord) {
		return true, false
	}
	s.walk.last = ord
	s.walk.looked++
	v.Visits += RowLook
	return true, true
}

// rowsAtOnce is how many limits with a scope an entity has at most, for all of its limits to be looked at under
// one lock.
const rowsAtOnce = 1024

// tooMany tells that an entity has too many limits to be looked at by itself.
func (s *TreeScan) tooMany(v *View, ord uint32) bool {
	return s.caps != nil && v.inScope[ord]&ownsScoped != 0 && len(v.scopedOf[ord]) > rowsAtOnce
}

func (v *View) walkMost() int { return max(2*SmallTree, v.Entities.Len()/walkedShare) }

// walkFrom calls f with the entities behind the one that was looked at last or from the cursor on, in
// the order of the page, until f is false.
func (s *TreeScan) walkFrom(v *View, byTime bool, f func(ord uint32) bool) {
	at := func(ord uint32) *record.Entity { return v.Entities.at(ord) }
	order, compare := &v.idOrder, func(ord uint32) int { return strings.Compare(at(ord).ID, s.after.id) }
	if byTime {
		order, compare = &v.entOrder, func(ord uint32) int { return int(float64(at(ord).Created/1e6) - s.after.number) }
	}
	last := s.walk.last
	switch {
	case !s.walksBack() && last != 0:
		order.ascend(func(ord uint32) bool { return order.compare(ord, last) > 0 }, f)
	case !s.walksBack() && s.after != nil:
		order.ascend(func(ord uint32) bool { return compare(ord) >= 0 }, f)
	case !s.walksBack():
		order.ascend(nil, f)
	case last != 0:
		order.descend(func(ord uint32) bool { return order.compare(ord, last) >= 0 }, f)
	case s.after != nil:
		order.descend(func(ord uint32) bool { return compare(ord) > 0 }, f)
	default:
		order.descend(nil, f)
	}
}

// walksBack tells whether the walk is from the last to the first. Rows that are alike in what they are
// sorted by go by ascending id in either order.
func (s *TreeScan) walksBack() bool {
	return s.Q.Desc && (s.Q.SortBy == SortID || s.walksByTime())
}

// alike looks for limits whose key is key, by ascending id: behind the cursor, or from the beginning.
// It looks at so many entities at most. It proves that those which are among the first of the page are kept.
func (s *TreeScan) alike(v *View, key float64, behind bool, most int) (done, proves bool) {
	from := func(ord uint32) bool { return true }
	switch {
	case s.walk.last != 0:
		from = func(ord uint32) bool { return v.idOrder.compare(ord, s.walk.last) > 0 }
	case behind:
		from = func(ord uint32) bool { return v.Entities.at(ord).ID >= s.after.id }
	}
	done, proves = true, true
	v.idOrder.ascend(from, func(ord uint32) bool {
		e := v.Entities.at(ord)
		if s.full() && s.keyOf(&s.top[0]) <= key && s.top[0].id < e.ID {
			return false
		}
		if done, proves = s.step(v, ord, most); !done || !proves {
			return false
		}
		if s.wants(e) {
			v.eachRow(ord, 0, func(row uint32, def *record.Limit) {
				if k, exact := s.keys.of(v, row); exact && k == key && s.caps.has(def.Cap) && !s.tops.isOdd(row) {
					s.limit(v, row, def)
				}
			})
		}
		return true
	})
	return done, proves
}
