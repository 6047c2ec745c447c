package ledger

import (
	"math"

	"github.com/bursarhq/bursar/record"
)

// sortKeys are what limits go by: those with lower ones come first.
type sortKeys struct {
	by    TreeSort
	desc  bool
	terms *record.Terms // whose amount was looked at last
	limit float64
	exact bool
}

// of is the key of a limit; +Inf if there is none, so that it comes last, and NaN for what is not in the
// tree. One that is not exact is that much too low at most.
func (k *sortKeys) of(v *View, row uint32) (key float64, exact bool) {
	def := v.Rows.at(row)
	if t := def.Terms; t == nil || t.ByDefault || def.Ent == 0 {
		return math.NaN(), true
	}
	exact = true
	switch k.by {
	case SortCreatedAt:
		key = float64(def.Created / 1e6)
	case SortScopeSize:
		key = float64(len(def.Scope))
	case SortUsageLimit:
		if !def.Limited {
			return math.Inf(1), true
		}
		if def.Terms != k.terms {
			k.terms = def.Terms
			k.limit, k.exact = floatOf(def.Limit)
		}
		key, exact = k.limit, k.exact
	case SortCurrentUsage:
		if key = v.ranks.used.at(row); key > 0 && v.counters.ended(row, v.Now) {
			key = 0
		}
	default:
		if !def.Limited {
			return math.Inf(1), true
		}
		switch key = v.ranks.share.at(row); {
		case def.Limit.IsZero():
			key = 1
		case key > 0 && v.counters.ended(row, v.Now):
			key = 0
		}
	}
	if k.desc {
		key = -key
	}
	if !exact {
		key -= slack(key)
	}
	return key, exact
}

// ranked tells whether the query's rows go by keys that v has.
func (s *TreeScan) ranked(v *View) bool {
	switch s.Q.SortBy {
	case SortUtilization, SortCurrentUsage, SortUsageLimit, SortCreatedAt, SortScopeSize:
	default:
		return false
	}
	return s.caps != nil && !s.byEntity && v.noDefaults() && v.ranksHold() &&
		len(v.boosts)+len(v.loans)+len(v.ranks.loose) <= mostOdd
}

// mostOdd is how many limits are looked at by themselves, at most.
const mostOdd = 1 << 14

// keysAreKnown tells whether v has the keys of the query's rows, for a look at all of them.
func (s *TreeScan) keysAreKnown(v *View) bool {
	if s.Whole || !s.ranked(v) {
		return false
	}
	s.sortKeys.by, s.sortKeys.desc = s.Q.SortBy, s.Q.Desc
	s.knowOdd(v)
	return true
}

// knowOdd finds the limits whose keys are not known, and tells whether there may be others than it found before.
func (s *TreeScan) knowOdd(v *View) (anew bool) {
	t := &s.tops
	if t.odd != nil && t.odder == v.ranks.odder {
		return false
	}
	t.odd, t.odder = v.ranks.unranked(v, s.Q.SortBy), v.ranks.odder
	return true
}

// isOdd tells whether a limit is looked at by itself.
func (t *treeTop) isOdd(row uint32) bool {
	_, odd := t.odd[row]
	return odd
}

// outside tells that a row of the entity with an id is not on the page, by its key.
func (s *TreeScan) outside(v *View, row uint32, id string) bool {
	if !s.keyed || row&unmadeBit != 0 {
		return false
	}
	full := s.full()
	if !full && s.after == nil {
		return false
	}
	key, exact := s.sortKeys.of(v, row)
	if !exact || s.tops.isOdd(row) {
		return false
	}
	if s.after != nil {
		if behind, exact := s.itemKey(s.after); exact && (key < behind || key == behind && id < s.after.id) {
			return true
		}
	}
	if !full {
		return false
	}
	floor, exact := s.itemKey(&s.top[0])
	return exact && (key > floor || key == floor && id > s.top[0].id)
}

// outsideIDs tells that no row of the entity with an id is on the page, as rows go by id.
func (s *TreeScan) outsideIDs(id string) bool {
	if s.Whole || s.walksByTime() || !s.walks() {
		return false
	}
	first, last := "", ""
	if s.after != nil && s.ofIDs(s.after) {
		first = s.after.id
	}
	if s.full() {
		last = s.top[0].id
	}
	if s.walksBack() {
		first, last = last, first
	}
	return first != "" && id < first || last != "" && id > last
}

// ofIDs tells whether a cursor is of rows that go by id.
func (s *TreeScan) ofIDs(x *TreeItem) bool {
	return x.none == (s.Q.SortBy != SortID) && x.number == 0 && x.amount.IsZero()
}

// floor is a key that a row must not have more than to be on the page.
func (s *TreeScan) floor() float64 {
	if !s.full() {
		return math.Inf(1)
	}
	return s.keyOf(&s.top[0])
}

// keyOf is a key of x, or more.
func (s *TreeScan) keyOf(x *TreeItem) float64 {
	key, exact := s.itemKey(x)
	if !exact {
		key += slack(key)
	}
	return key
}

func (s *TreeScan) itemKey(x *TreeItem) (key float64, exact bool) {
	if x.none {
		return math.Inf(1), true
	}
	key, exact = x.number, true
	if s.Q.SortBy == SortCurrentUsage || s.Q.SortBy == SortUsageLimit {
		key, exact = floatOf(x.amount)
	}
	if s.Q.Desc {
		key = -key
	}
	return key, exact
}
