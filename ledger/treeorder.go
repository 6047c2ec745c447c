package ledger

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"math"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// TreeItem is a row that is found, with what it is sorted by.
type TreeItem struct {
	none   bool // the sort value is null: last in either order
	number float64
	amount bursar.Amount
	id     string // of the entity
	Ent    uint32
	Row    uint32 // 0 in tree mode
	rowID  [16]byte
}

// cursor is the place just behind x.
func (x *TreeItem) cursor() []byte {
	b := make([]byte, 0, 45)
	if x.none {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(x.number))
	hi, lo := x.amount.Nanos()
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(hi)), lo)
	b = binary.BigEndian.AppendUint32(b, x.Ent)
	return append(b, x.rowID[:]...)
}

// full tells that the page has all its rows: another can only take the place of the last.
func (s *TreeScan) full() bool { return len(s.top) > s.Q.Limit }

// offer keeps x if it is among the first Limit+1 rows behind the cursor, unless its limit is kept as it was
// before.
func (s *TreeScan) offer(x *TreeItem) {
	if s.after != nil && s.compare(x, s.after) <= 0 {
		return
	}
	full := s.full()
	if full && s.compare(x, &s.top[0]) >= 0 {
		return
	}
	if s.kept != nil {
		if _, twice := s.kept[x.Row]; twice {
			return
		}
		if full {
			delete(s.kept, s.top[0].Row)
		}
		s.kept[x.Row] = struct{}{}
	}
	if full {
		s.top[0] = *x
		heap.Fix((*treeHeap)(s), 0)
		return
	}
	heap.Push((*treeHeap)(s), *x)
}

// compare is the order of the page. Ties go by entity id, then assignment id.
func (s *TreeScan) compare(a, b *TreeItem) int {
	if a.none != b.none {
		if a.none {
			return 1
		}
		return -1
	}
	n := cmp.Or(cmp.Compare(a.number, b.number), a.amount.Cmp(b.amount))
	if n == 0 && s.Q.SortBy == SortID {
		n = strings.Compare(a.id, b.id)
	}
	if s.Q.Desc {
		n = -n
	}
	return cmp.Or(n, strings.Compare(a.id, b.id), record.CompareID(a.rowID, b.rowID))
}

// treeHeap has the last of the kept rows on top.
type treeHeap TreeScan

func (h *treeHeap) Len() int { return len(h.top) }

func (h *treeHeap) Less(i, j int) bool { return (*TreeScan)(h).compare(&h.top[i], &h.top[j]) > 0 }

func (h *treeHeap) Swap(i, j int) { h.top[i], h.top[j] = h.top[j], h.top[i] }

func (h *treeHeap) Push(x any) { h.top = append(h.top, x.(TreeItem)) }

func (h *treeHeap) Pop() any { panic("only the top is replaced") }
