package ledger

import (
	"math"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// ranks has a bound, for each limit by its number, of the values that a tree is sorted by when the
// highest come first. The bounds lie side by side in memory: it is quick to see which of a million
// limits cannot be on the page, and only the others are looked at.
//
// A bound holds at any later time: a window that ends takes what was used with it, and a
// boost raises what is allowed. Settled holds that no commit has recorded yet are not in it.
type ranks struct {
	used  []float32
	share []float32 // Utilization; -1 of a limit without an amount
}

func newRanks(rows int) ranks {
	return ranks{make([]float32, 0, rows+rows/8), make([]float32, 0, rows+rows/8)}
}

// set sets the bounds of a limit to its values. A nil def is a limit that was deleted; a limit
// without a counter has used 0.
func (k *ranks) set(row uint32, def *record.Limit, c *Counter) {
	for int(row) >= len(k.used) {
		k.used, k.share = append(k.used, -1), append(k.share, -1)
	}
	if def == nil {
		k.used[row], k.share[row] = -1, -1
		return
	}
	used := bursar.MaxAmount(bursar.Amount{}, c.Used)
	k.used[row], k.share[row] = above(used.Float64()), -1
	switch {
	case !def.Limited:
	case def.Limit.Sign() > 0:
		k.share[row] = above(used.Ratio(def.Limit))
	case used.IsZero():
		k.share[row] = 1 // Utilization of a limit of 0
	default:
		k.share[row] = float32(math.Inf(1))
	}
}

// above is a float32 that is greater than x, and than all that rounds to x; for 0 it is 0.
func above(x float64) float32 {
	if x == 0 {
		return 0
	}
	return math.Nextafter32(float32(x), float32(math.Inf(1)))
}

// bounds is a column of ranks, and the value below which nothing in it can be on the page. The
// column is nil when there is no such value, or when v has changes that ranks lack.
func (s *TreeScan) bounds(v *View) (column []float32, floor float64) {
	if len(v.ranks.used) != v.Rows.Len() || len(v.ctrs)+len(v.defs)+len(v.newRowIDs) > 0 || v.unrecorded() {
		return nil, 0
	}
	q := s.Q
	if q.Desc && len(s.top) > q.Limit && !s.top[0].none {
		switch q.SortBy {
		case SortUtilization:
			return v.ranks.share, s.top[0].number
		case SortCurrentUsage:
			return v.ranks.used, s.top[0].amount.Float64()
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
	column, floor := s.bounds(v)
	if column == nil {
		return
	}
	from := s.next
	for to := min(n, from+passRun); s.next < to && float64(column[s.next]) < floor; s.next++ {
	}
	v.Visits += (s.next - from) / passesALook
}
