package ledger

import (
	"maps"
	"math"
	"math/bits"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// ranks has a bound, for each limit by its number, of the values that a tree is sorted by when the
// highest come first. The bounds lie side by side in memory: it is quick to see which of a million
// limits cannot be on the page, and only the others are looked at.
//
// A bound holds at any later time: a window that ends takes what was used with it, and a
// boost raises what is allowed. A limit that lends has no bound. Settled holds that no commit has
// recorded yet are not in it. Until the window ends a bound is the value itself, but of limits with boosts
// or loans, and of those in loose.
type ranks struct {
	used  column
	share column // Utilization; +Inf of a limit of 0 that was used; -1 of a limit without an amount
	lends map[uint32]bool
	loose map[uint32]struct{} // limits that have used less than 0, or an amount that no float64 tells
	odder int                 // how often limits came to loose, or changes to boosts or loans
	spans []span              // by block of topBlock limits
}

// column is a figure of each limit, in blocks: to add one moves no others.
type column [][]float64

func (c column) len() int {
	if len(c) == 0 {
		return 0
	}
	return (len(c)-1)*topBlock + len(c[len(c)-1])
}

func (c column) at(row uint32) float64 { return c[row/topBlock][row%topBlock] }

func (c column) put(row uint32, x float64) { c[row/topBlock][row%topBlock] = x }

func (c *column) add(x float64) {
	last := len(*c) - 1
	if last < 0 || len((*c)[last]) == topBlock {
		last++
		var block []float64 // the first grows: most customers are small
		if last > 0 {
			block = make([]float64, 0, topBlock)
		}
		*c = append(*c, block)
	}
	(*c)[last] = append((*c)[last], x)
}

// span has the least and the most that limits of a block were created at, and allow.
type span struct{ created, limit [2]float64 }

func newRanks() ranks {
	return ranks{lends: map[uint32]bool{}}
}

// set sets the bounds of a limit to its values. A nil def is a limit that was deleted; a limit
// without a counter has used 0.
func (k *ranks) set(row uint32, def *record.Limit, c *Counter) {
	for int(row) >= k.used.len() {
		k.used.add(-1)
		k.share.add(-1)
	}
	if !bounded(def) {
		k.used.put(row, -1)
		k.share.put(row, -1)
		k.loosen(row, false)
		return
	}
	used := bursar.MaxAmount(bursar.Amount{}, c.Used)
	figure, exact := floatOf(used)
	k.loosen(row, !exact || c.Used.Sign() < 0)
	if !exact {
		figure += slack(figure)
	}
	share := -1.0
	switch {
	case !def.Limited:
	case k.lends[row]:
		share = math.Inf(1)
	case def.Limit.Sign() > 0:
		share = used.Ratio(def.Limit)
	case used.IsZero():
		share = 1 // Utilization of a limit of 0
	default:
		share = math.Inf(1)
	}
	k.used.put(row, figure)
	k.share.put(row, share)
}

// bounded tells whether there are bounds for a limit: it is an entity's own.
func bounded(def *record.Limit) bool { return def != nil && def.Ent != 0 && !def.ByDefault }

// loosen notes whether a limit is in loose.
func (k *ranks) loosen(row uint32, is bool) {
	switch _, was := k.loose[row]; {
	case is == was:
	case was:
		delete(k.loose, row)
	default:
		if k.loose == nil {
			k.loose = map[uint32]struct{}{}
		}
		k.loose[row] = struct{}{}
		k.odder++
	}
}

// place widens the span of the block that a limit is in, which never narrows.
func (k *ranks) place(row uint32, def *record.Limit) {
	block := int(row / topBlock)
	for block >= len(k.spans) {
		none := [2]float64{math.Inf(1), math.Inf(-1)}
		k.spans = append(k.spans, span{none, none})
	}
	if !bounded(def) {
		return
	}
	x := &k.spans[block]
	x.created = widened(x.created, float64(def.Created/1e6), 0)
	if !def.Limited { // it comes last in either order
		return
	}
	limit, exact := floatOf(def.Limit)
	if exact {
		x.limit = widened(x.limit, limit, 0)
	} else {
		x.limit = widened(x.limit, limit, slack(limit))
	}
}

func widened(x [2]float64, with, by float64) [2]float64 {
	return [2]float64{min(x[0], with-by), max(x[1], with+by)}
}

func (x *span) of(by TreeSort) (least, most float64) {
	if by == SortCreatedAt {
		return x.created[0], x.created[1]
	}
	return x.limit[0], x.limit[1]
}

// unranked are the limits whose keys bounds do not tell (treetop.go).
func (k *ranks) unranked(v *View, by TreeSort) map[uint32]struct{} {
	rows := map[uint32]struct{}{}
	if by == SortUtilization || by == SortCurrentUsage {
		maps.Copy(rows, k.loose)
	}
	if by == SortUtilization || by == SortUsageLimit {
		for row := range v.boosts {
			rows[row] = struct{}{}
		}
		for row := range v.loans {
			rows[row] = struct{}{}
		}
	}
	return rows
}

// setLends is set where it may have changed whether the limit lends.
func (k *ranks) setLends(row uint32, def *record.Limit, c *Counter, lends bool) {
	switch {
	case lends == k.lends[row]:
		return
	case !lends:
		delete(k.lends, row)
	case k.lends == nil:
		k.lends = map[uint32]bool{row: true}
	default:
		k.lends[row] = true
	}
	k.set(row, def, c)
}

// floatOf is an amount as a number, and whether no other amount is that number and they keep their order:
// so it is of whole amounts below 2^53, and of others below some two millions.
func floatOf(a bursar.Amount) (f float64, exact bool) {
	const perUnit = 1_000_000_000
	hi, lo := a.Nanos()
	if hi == 0 && lo < 1<<51 {
		return float64(lo) / perUnit, true
	}
	if hi < 0 || hi >= perUnit {
		return a.Float64(), false
	}
	units, rest := bits.Div64(uint64(hi), lo, perUnit)
	if rest == 0 && units < 1<<53 {
		return float64(units), true
	}
	return a.Float64(), false
}

// slack is more than a number that is not exact may differ from its amount.
func slack(f float64) float64 { return math.Abs(f) * 0x1p-48 }

// ranksHold tells that v has no changes that ranks lack.
func (v *View) ranksHold() bool {
	return v.ranks.used.len() == v.Rows.Len() && len(v.ctrs)+len(v.defs)+len(v.newRowIDs) == 0 && !v.unrecorded()
}

// bounds is a column of ranks, and the value below which nothing in it can be on the page. The
// column is nil when there is no such value, or when v has changes that ranks lack.
func (s *TreeScan) bounds(v *View) (of column, floor float64) {
	if s.Whole || !v.ranksHold() {
		return nil, 0
	}
	q := s.Q
	if q.Desc && s.full() && !s.top[0].none {
		switch q.SortBy {
		case SortUtilization:
			return v.ranks.share, s.top[0].number
		case SortCurrentUsage:
			floor, exact := floatOf(s.top[0].amount)
			if !exact {
				floor -= slack(floor)
			}
			return v.ranks.used, floor
		}
	}
	if q.MinUtilization != nil {
		return v.ranks.share, q.MinUtilization.Float64()
	}
	return nil, 0
}

// passRun is how many limits are passed over at once. passesALook of them count as one thing that
// was looked at (View.Visits).
const passRun, passesALook = 4096, 64

// pass moves on over limits that cannot be on the page.
func (s *TreeScan) pass(v *View, n int) {
	of, floor := s.bounds(v)
	if of == nil {
		return
	}
	from := s.next
	for to := min(n, from+passRun); s.next < to && of.at(uint32(s.next)) < floor; s.next++ {
	}
	v.Visits += (s.next - from) / passesALook
}
