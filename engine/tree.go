package engine

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// treeSlice is how many rows are looked at before the customer's lock is let go.
const treeSlice = 8192

// Tree selects, sorts and pages the governance tree: a top-k scan over the state, so a
// later page costs what the first one does. A row whose sort value crosses the cursor
// between two pages may repeat or be missed.
func (e *Engine) Tree(ctx context.Context, o ReadOptions, customer string, q TreeQuery) (TreePage, error) {
	s := treeScan{q: &q, cat: e.cat.Load()}
	page := TreePage{Rows: []TreeRow{}}
	version, err := e.readTurn(ctx, o, customer, func(v *view) error {
		page.AsOf = v.now
		return s.begin(v)
	})
	page.Version = version
	if err != nil {
		return page, err
	}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return page, e.unavailable(err)
		}
		if _, err = e.readTurn(ctx, o, customer, func(v *view) error {
			v.now = max(v.now, page.AsOf)
			done = s.slice(v)
			return nil
		}); err != nil {
			return page, err
		}
	}
	slices.SortFunc(s.top, func(a, b treeItem) int { return s.compare(&a, &b) })
	more := len(s.top) > q.Limit
	if more {
		s.top = s.top[:q.Limit]
		page.Next = s.top[len(s.top)-1].cursor()
	}
	_, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		for i := range s.top {
			if r, ok := s.row(v, &s.top[i]); ok {
				page.Rows = append(page.Rows, r)
			}
		}
		return nil
	})
	return page, err
}

// treeItem is a row that is found, with what it is sorted by.
type treeItem struct {
	none   bool // the sort value is null: last in either order
	number float64
	amount bursar.Amount
	id     string // of the entity
	ent    uint32
	row    uint32 // 0 in tree mode
	rowID  [16]byte
}

// cursor is the place just behind x.
func (x *treeItem) cursor() []byte {
	b := make([]byte, 0, 45)
	if x.none {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(x.number))
	hi, lo := x.amount.Nanos()
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(hi)), lo)
	b = binary.BigEndian.AppendUint32(b, x.ent)
	return append(b, x.rowID[:]...)
}

type treeScan struct {
	q      *TreeQuery
	cat    *Catalogue
	look   *outlook        // of the view that was looked through last
	caps   map[uint32]bool // nil: tree mode
	types  map[uint32]bool // nil: all
	ents   []uint32        // the entities to look at; nil: all
	all    bool
	search string
	after  *treeItem
	next   int
	item   treeItem   // the row being looked at
	top    []treeItem // max-heap of the Limit+1 first rows
}

// filters finds what the query's filters mean in v.
func (s *treeScan) filters(v *view) {
	q := s.q
	s.search = strings.ToLower(q.Search)
	if len(q.Capabilities) > 0 {
		s.caps = map[uint32]bool{}
		for _, c := range q.Capabilities {
			if o := v.capOrd(c); o != 0 {
				s.caps[o] = true
			}
		}
	}
	if len(q.TypeIDs) > 0 {
		s.types = map[uint32]bool{}
		for _, t := range q.TypeIDs {
			s.types[v.typeOrd(t)] = true
		}
	}
}

func (s *treeScan) begin(v *view) error {
	q := s.q
	s.filters(v)
	if err := s.selectEntities(v); err != nil {
		return err
	}
	if q.After == nil {
		return nil
	}
	bad := bursar.ErrorAt("?after", bursar.CodeInvalidCursor, "this cursor does not belong to this query")
	if len(q.After) != 45 {
		return bad
	}
	x := &treeItem{none: q.After[0] == 1, number: math.Float64frombits(binary.BigEndian.Uint64(q.After[1:])),
		amount: bursar.AmountFromWords(int64(binary.BigEndian.Uint64(q.After[9:])), binary.BigEndian.Uint64(q.After[17:])),
		ent:    binary.BigEndian.Uint32(q.After[25:])}
	copy(x.rowID[:], q.After[29:])
	if x.ent == 0 || int(x.ent) >= len(v.entities) {
		return bad
	}
	x.id = v.ent(x.ent).id
	s.after = x
	return nil
}

// selectEntities finds the entities of a subtree or of one level.
func (s *treeScan) selectEntities(v *view) error {
	q := s.q
	if v.root != 0 && q.RootEntityID == "" { // as if it were asked for
		if v.root == seesNone {
			return nil
		}
		limited := *q
		limited.RootEntityID = v.ent(v.root).id
		q, s.q = &limited, &limited
	}
	if q.RootEntityID == "" && q.ParentID == nil && q.Depth == nil {
		s.all = true
		return nil
	}
	if q.ParentID != nil {
		parent := uint32(0)
		if *q.ParentID != "" {
			if parent = v.entOrd(*q.ParentID); parent == 0 {
				return errNoEntity(*q.ParentID)
			}
		}
		s.children(v, parent)
		if q.RootEntityID == "" {
			return nil
		}
	}
	depth := bursar.MaxDepth
	if q.Depth != nil {
		depth = *q.Depth
	}
	if q.RootEntityID == "" {
		v.eachChild(0, func(c uint32) { s.descend(v, c, depth) })
		return nil
	}
	root := v.entOrd(q.RootEntityID)
	if root == 0 {
		return errNoEntity(q.RootEntityID)
	}
	if q.ParentID == nil {
		s.descend(v, root, depth)
		return nil
	}
	s.ents = slices.DeleteFunc(s.ents, func(ord uint32) bool {
		for ; ord != 0 && ord != root; ord = v.ent(ord).parent {
		}
		return ord == 0
	})
	return nil
}

// descend lists a subtree to a depth. An archived entity that is not shown is no level.
func (s *treeScan) descend(v *view, ord uint32, depth int) {
	if v.ent(ord).archived == 0 || s.q.IncludeArchived {
		s.ents = append(s.ents, ord)
		depth--
	}
	if depth >= 0 {
		v.eachChild(ord, func(c uint32) { s.descend(v, c, depth) })
	}
}

// children lists the direct children; an archived one that is not shown gives way to
// its own.
func (s *treeScan) children(v *view, parent uint32) {
	v.eachChild(parent, func(c uint32) {
		if v.ent(c).archived != 0 && !s.q.IncludeArchived {
			s.children(v, c)
			return
		}
		s.ents = append(s.ents, c)
	})
}

// slice looks at the next rows, and tells whether those were the last.
func (s *treeScan) slice(v *view) (done bool) {
	end := s.next + treeSlice
	switch {
	case !s.all:
		end = min(end, len(s.ents))
		for _, ord := range s.ents[s.next:end] {
			s.entity(v, ord)
		}
		done = end == len(s.ents)
	case s.caps == nil:
		s.next = max(1, s.next)
		end = min(end, len(v.entities))
		for ord := s.next; ord < end; ord++ {
			s.entity(v, uint32(ord))
		}
		done = end == len(v.entities)
	default:
		s.next = max(1, s.next)
		end = min(end, len(v.rows))
		for ord := s.next; ord < end; ord++ {
			if def := v.rows[ord]; def != nil && def.ent != 0 && s.caps[def.cap] && s.wants(v.entities[def.ent]) {
				s.limit(v, uint32(ord), def)
			}
		}
		done = end == len(v.rows)
	}
	s.next = end
	return done
}

func (s *treeScan) wants(e *entity) bool {
	return (s.q.IncludeArchived || e.archived == 0) && (s.types == nil || s.types[e.typ]) && e.matches(s.search)
}

func (s *treeScan) entity(v *view, ord uint32) {
	e := v.ent(ord)
	if !s.wants(e) {
		return
	}
	if s.caps != nil {
		v.eachRow(ord, 0, func(row uint32, def *rowDef) {
			if s.caps[def.cap] {
				s.limit(v, row, def)
			}
		})
		return
	}
	x := &s.item
	*x = treeItem{id: e.id, ent: ord}
	switch s.q.SortBy {
	case SortID:
	case SortCreatedAt:
		x.number = float64(e.created / 1e6)
	default:
		x.none = true
	}
	s.offer(x)
}

// wantsRow tells whether the filters let a limit through, whatever it has used.
func (s *treeScan) wantsRow(v *view, def *rowDef) bool {
	return v.seesRow(def) && (s.q.Label == nil || def.label == *s.q.Label) &&
		(s.q.Scope != ScopeNodeWide || len(def.scope) == 0) && (s.q.Scope != ScopeScoped || len(def.scope) > 0)
}

// wantsUse tells whether it has used as much as is asked for.
func (s *treeScan) wantsUse(v *view, ord uint32, def *rowDef) bool {
	return s.q.MinUtilization == nil || def.limited && utilization(v.standing(ord, def).used, v.limitNow(ord, def)) >= s.q.MinUtilization.Float64()
}

func (s *treeScan) limit(v *view, ord uint32, def *rowDef) {
	q := s.q
	if !s.wantsRow(v, def) || !s.wantsUse(v, ord, def) {
		return
	}
	x := &s.item
	*x = treeItem{id: v.ent(def.ent).id, ent: def.ent, row: ord, rowID: v.rowID(ord)}
	switch q.SortBy {
	case SortID:
	case SortCreatedAt:
		x.number = float64(def.created / 1e6)
	case SortScopeSize:
		x.number = float64(len(def.scope))
	case SortUsageLimit:
		x.none, x.amount = !def.limited, v.limitNow(ord, def)
	case SortCurrentUsage:
		x.amount = v.standing(ord, def).used
	default:
		if x.none = !def.limited; def.limited {
			x.number = utilization(v.standing(ord, def).used, v.limitNow(ord, def))
		}
	}
	if x.none {
		x.amount = bursar.Amount{}
	}
	s.offer(x)
}

// utilization is used ÷ limit, and 1 for a limit of 0.
func utilization(used, limit bursar.Amount) float64 {
	if limit.IsZero() {
		return 1
	}
	return used.Ratio(limit)
}

// offer keeps x if it is among the first Limit+1 rows behind the cursor.
func (s *treeScan) offer(x *treeItem) {
	if s.after != nil && s.compare(x, s.after) <= 0 {
		return
	}
	if len(s.top) > s.q.Limit {
		if s.compare(x, &s.top[0]) >= 0 {
			return
		}
		s.top[0] = *x
		heap.Fix((*treeHeap)(s), 0)
		return
	}
	heap.Push((*treeHeap)(s), *x)
}

// compare is the order of the page. Ties go by entity id, then assignment id.
func (s *treeScan) compare(a, b *treeItem) int {
	if a.none != b.none {
		if a.none {
			return 1
		}
		return -1
	}
	n := cmp.Or(cmp.Compare(a.number, b.number), a.amount.Cmp(b.amount))
	if n == 0 && s.q.SortBy == SortID {
		n = strings.Compare(a.id, b.id)
	}
	if s.q.Desc {
		n = -n
	}
	return cmp.Or(n, strings.Compare(a.id, b.id), compareID(a.rowID, b.rowID))
}

// treeHeap has the last of the kept rows on top.
type treeHeap treeScan

func (h *treeHeap) Len() int           { return len(h.top) }
func (h *treeHeap) Less(i, j int) bool { return (*treeScan)(h).compare(&h.top[i], &h.top[j]) > 0 }
func (h *treeHeap) Swap(i, j int)      { h.top[i], h.top[j] = h.top[j], h.top[i] }
func (h *treeHeap) Push(x any)         { h.top = append(h.top, x.(treeItem)) }
func (h *treeHeap) Pop() any           { panic("only the top is replaced") }

// row shows an item; it is gone when its limit was deleted meanwhile.
func (s *treeScan) row(v *view, x *treeItem) (r TreeRow, ok bool) {
	e := v.ent(x.ent)
	r = TreeRow{EntityID: e.id, EntityTypeID: v.typeID(e.typ), DisplayName: e.name}
	up := x.ent
	for r.ParentID = v.parentID(up); r.ParentID != nil && !s.q.IncludeArchived; r.ParentID = v.parentID(up) {
		if up = v.ent(up).parent; v.ent(up).archived == 0 {
			break
		}
	}
	v.eachChild(x.ent, func(c uint32) {
		if s.q.IncludeArchived || v.ent(c).archived == 0 {
			r.ChildCount++
		}
	})
	if e.archived != 0 {
		t := e.archived
		r.ArchivedAt = &t
	}
	if s.look == nil || s.look.v != v {
		s.look = newOutlook(v, s.cat)
	}
	if x.row == 0 {
		if s.q.Effective.ID != "" {
			r.Effective = s.look.of(x.ent, nil, s.q.Effective, 0)
		}
		return r, true
	}
	def := v.def(x.row)
	if def == nil {
		return r, false
	}
	r.Limit = v.treeLimit(x.row, def)
	r.Effective = s.look.of(def.ent, def.scope, r.Limit.Capability, x.row)
	return r, true
}

// warnAt is the utilization from which a limit without thresholds is a warning.
const warnAt = 80

func (v *view) treeLimit(ord uint32, def *rowDef) *TreeLimit {
	c := v.standing(ord, def)
	l := &TreeLimit{AssignmentID: formatID(v.rowID(ord)), Capability: v.capability(def.cap), Label: def.label, ScopeEntityIDs: v.scopeIDs(def),
		Enforcement: enforcement(def.soft), CurrentUsage: c.used, Reserved: c.held, Cadence: def.sched.Cadence, PeriodStart: c.start, PeriodEnd: c.end}
	if !def.limited {
		return l
	}
	limit := v.limitNow(ord, def)
	l.UsageLimit = &limit
	rest := bursar.MaxAmount(bursar.Amount{}, limit.Sub(c.used).Sub(c.held))
	l.Remaining = &rest
	u := utilization(c.used, limit)
	l.Utilization, l.Status = &u, v.statusOf(ord, def)
	return l
}
