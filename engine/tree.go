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

// Tree selects, sorts and pages the governance tree: a top-k scan over the state, so a
// later page costs what the first one does. A row whose sort value crosses the cursor
// between two pages may repeat or be missed.
func (e *Engine) Tree(ctx context.Context, o ReadOptions, customer string, q TreeQuery) (TreePage, error) {
	s := treeScan{q: &q, cat: e.cat.Load()}
	page := TreePage{Rows: []TreeRow{}}
	version, err := e.readTurn(ctx, o, customer, func(v *view) error {
		if page.AsOf == 0 {
			page.AsOf = v.now
			if err := s.begin(v); err != nil {
				return err
			}
		}
		if !s.pickOn(v) || !s.slice(v) {
			return errGoOn
		}
		return nil
	})
	page.Version = version
	if err != nil {
		return page, err
	}
	slices.SortFunc(s.top, func(a, b treeItem) int { return s.compare(&a, &b) })
	more := len(s.top) > q.Limit
	if more {
		s.top = s.top[:q.Limit]
		page.Next = s.top[len(s.top)-1].cursor()
	}
	i := 0
	_, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		for ; i < len(s.top); i++ {
			if v.tired() {
				return errGoOn
			}
			v.visits++
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
	ents   []uint32        // the entities to look at, unless all
	all    bool
	root   uint32 // only it and what is below it; 0 = everything
	picks  []pick // what ents is still to get
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

// selectEntities begins to find the entities of a subtree or of one level.
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
	parent := uint32(0)
	if orEmpty(q.ParentID) != "" {
		if parent = v.entOrd(*q.ParentID); parent == 0 {
			return errNoEntity(*q.ParentID)
		}
	}
	if q.RootEntityID != "" {
		if s.root = v.entOrd(q.RootEntityID); s.root == 0 {
			return errNoEntity(q.RootEntityID)
		}
	}
	depth := bursar.MaxDepth
	if q.Depth != nil {
		depth = *q.Depth
	}
	switch {
	case q.ParentID != nil:
		s.pickBelow(v, parent, 0, true)
	case q.RootEntityID != "":
		s.picks = []pick{{ords: []uint32{s.root}, depth: depth}}
	default:
		s.pickBelow(v, 0, depth, false)
	}
	return nil
}

// pick is entities that are to be selected: with level they alone, else with what is below
// them to a depth.
type pick struct {
	ords  []uint32
	depth int
	level bool
}

func (s *treeScan) pickBelow(v *view, parent uint32, depth int, level bool) {
	if list := v.childList(parent); len(list) > 0 {
		s.picks = append(s.picks, pick{list, depth, level})
	}
}

// pickOn goes on to select entities, and tells whether it has them all. An archived one
// that is not shown is no level: what is below it takes its place.
func (s *treeScan) pickOn(v *view) (done bool) {
	for len(s.picks) > 0 {
		if v.tired() {
			return false
		}
		v.visits++
		n := len(s.picks) - 1
		p := s.picks[n]
		ord := p.ords[len(p.ords)-1]
		if s.picks[n].ords = p.ords[:len(p.ords)-1]; len(p.ords) == 1 {
			s.picks = s.picks[:n]
		}
		shown := v.ent(ord).archived == 0 || s.q.IncludeArchived
		if shown && s.belowRoot(v, ord) {
			s.ents = append(s.ents, ord)
		}
		switch {
		case p.level && !shown:
			s.pickBelow(v, ord, 0, true)
		case p.level:
		case !shown:
			s.pickBelow(v, ord, p.depth, false)
		case p.depth > 0:
			s.pickBelow(v, ord, p.depth-1, false)
		}
	}
	return true
}

func (s *treeScan) belowRoot(v *view, ord uint32) bool {
	for s.root != 0 && ord != s.root {
		if ord = v.ent(ord).parent; ord == 0 {
			return false
		}
	}
	return true
}

// slice looks at the next rows, and tells whether those were the last.
func (s *treeScan) slice(v *view) (done bool) {
	n := len(s.ents)
	switch {
	case s.all && s.caps == nil:
		n = len(v.entities)
	case s.all:
		n = len(v.rows)
	}
	if s.all {
		s.next = max(1, s.next)
	}
	for ; s.next < n; s.next++ {
		if v.tired() {
			return false
		}
		v.visits += rowLook
		switch {
		case !s.all:
			s.entity(v, s.ents[s.next])
		case s.caps == nil:
			s.entity(v, uint32(s.next))
		default:
			if def := v.rows[s.next]; def != nil && def.ent != 0 && s.caps[def.cap] && s.wants(v.entities[def.ent]) {
				s.limit(v, uint32(s.next), def)
			}
		}
	}
	return true
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
	kids := v.kidCount[x.ent]
	if r.ChildCount = kids.live; s.q.IncludeArchived {
		r.ChildCount = kids.all
	}
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
