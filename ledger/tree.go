package ledger

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// TreeScan finds a page of the tree, and the changes that concern it.
type TreeScan struct {
	Q        *TreeQuery
	Cat      *catalogue.Catalogue
	look     *outlook  // of the view that was looked through last
	caps     numberSet // nil: tree mode
	types    numberSet // nil: all
	ents     []uint32  // the entities to look at, unless all
	all      bool
	byEntity bool   // all limits are looked at entity by entity, as some are by default
	root     uint32 // only it and what is below it; 0 = everything
	picks    []pick // the entities that ents is yet to get
	search   string
	found    numberSet // chunks of entities that may match search; nil: any may
	after    *TreeItem
	next     int
	item     TreeItem            // the row being looked at
	top      []TreeItem          // max-heap of the Limit+1 first rows
	kept     map[uint32]struct{} // the limits in top, where one may be met twice; else nil

	// Whole says to look at all rows, where an index of the tree cannot be had (ErrNoTreeIndex).
	Whole    bool
	way      treeWay
	walk     treeWalk
	tops     treeTop
	sortKeys sortKeys
	least    float64 // what the query's rows have used at least of their limits
	keyed    bool    // keys tell in this slice which rows are not on the page

	page   TreePage
	sorted bool // top is sorted, and cut to the page
	shown  int  // how many of top are in page
}

// On goes on to select rows.
func (s *TreeScan) On(v *View) error {
	if s.page.AsOf == 0 {
		s.page.AsOf = v.Now
		if err := s.begin(v); err != nil {
			return err
		}
	}
	done := s.pickOn(v)
	if done && s.way != nil {
		var proves bool
		var err error
		if done, proves, err = s.way(s, v); err != nil {
			return err
		} else if !proves {
			done, s.way, s.top, s.kept = false, nil, nil, nil
		}
	} else if done {
		s.keyed = s.keysAreKnown(v)
		done = s.slice(v)
	}
	if !done {
		return ErrGoOn
	}
	return nil
}

// RowsOn goes on to show the rows that were selected.
func (s *TreeScan) RowsOn(v *View) error {
	if !s.sorted {
		s.sorted = true
		slices.SortFunc(s.top, func(a, b TreeItem) int { return s.compare(&a, &b) })
		if s.full() {
			s.top = s.top[:s.Q.Limit]
			s.page.Next = s.top[len(s.top)-1].cursor()
		}
	}
	for ; s.shown < len(s.top); s.shown++ {
		if v.Tired() {
			return ErrGoOn
		}
		v.Visits++
		if r, ok := s.Row(v, &s.top[s.shown]); ok {
			s.page.Rows = append(s.page.Rows, r)
		}
	}
	return nil
}

// Page is what was found.
func (s *TreeScan) Page() TreePage {
	if s.page.Rows == nil {
		s.page.Rows = []TreeRow{}
	}
	return s.page
}

// Filters finds what the query's filters mean in v.
func (s *TreeScan) Filters(v *View) {
	q := s.Q
	s.search = strings.ToLower(q.Search)
	if len(q.Capabilities) > 0 {
		s.caps = numberSet{}
		for _, c := range q.Capabilities {
			if o := v.CapOrd(c); o != 0 {
				s.caps.add(o)
			}
		}
	}
	if len(q.TypeIDs) > 0 {
		s.types = numberSet{}
		for _, t := range q.TypeIDs {
			s.types.add(v.TypeOrd(t))
		}
	}
}

func (s *TreeScan) begin(v *View) error {
	q := s.Q
	s.Filters(v)
	s.byEntity = !v.noDefaults()
	if err := s.selectEntities(v); err != nil {
		return err
	}
	if q.MinUtilization != nil {
		s.least = q.MinUtilization.Float64()
	}
	if err := s.findEntities(v); err != nil {
		return err
	}
	s.chooseWay(v)
	if q.After == nil {
		return nil
	}
	bad := bursar.ErrorAt("?after", bursar.CodeInvalidCursor, "this cursor does not belong to this query")
	if len(q.After) != 45 {
		return bad
	}
	x := &TreeItem{none: q.After[0] == 1, number: math.Float64frombits(binary.BigEndian.Uint64(q.After[1:])),
		amount: bursar.AmountFromWords(int64(binary.BigEndian.Uint64(q.After[9:])), binary.BigEndian.Uint64(q.After[17:])),
		Ent:    binary.BigEndian.Uint32(q.After[25:])}
	copy(x.rowID[:], q.After[29:])
	if x.Ent == 0 || int(x.Ent) >= v.Entities.Len() {
		return bad
	}
	x.id = v.Ent(x.Ent).ID
	s.after = x
	return nil
}

// slice looks at the next rows, and tells whether those were the last.
func (s *TreeScan) slice(v *View) (done bool) {
	n := len(s.ents)
	switch {
	case s.all && (s.caps == nil || s.byEntity):
		n = v.Entities.Len()
	case s.all:
		n = v.Rows.Len()
	}
	if s.all {
		s.next = max(1, s.next)
	}
	for ; s.next < n; s.next++ {
		if s.all && s.caps != nil && !s.byEntity {
			s.pass(v, n)
		}
		if v.Tired() {
			return false
		}
		if s.next == n {
			return true
		}
		v.Visits += RowLook
		switch {
		case !s.all:
			s.entity(v, s.ents[s.next])
		case s.caps == nil || s.byEntity:
			s.entity(v, uint32(s.next))
		default:
			s.row(v, uint32(s.next))
		}
	}
	return true
}

// row looks at a limit of an entity's own.
func (s *TreeScan) row(v *View, row uint32) {
	if def := v.Rows.At(row); def != nil && s.wantsLimit(v, def) {
		s.limit(v, row, def)
	}
}

func (s *TreeScan) wantsLimit(v *View, def *record.Limit) bool {
	return def.Ent != 0 && !def.ByDefault && s.caps.has(def.Cap) && s.mayMatch(def.Ent) && s.wants(v.Entities.at(def.Ent))
}

func (s *TreeScan) wants(e *record.Entity) bool {
	return (s.Q.IncludeArchived || e.Archived == 0) && (s.types == nil || s.types.has(e.Typ)) && e.Matches(s.search)
}

func (s *TreeScan) entity(v *View, ord uint32) {
	if !s.mayMatch(ord) {
		return
	}
	e := v.Ent(ord)
	if s.outsideIDs(e.ID) || !s.wants(e) {
		return
	}
	if s.caps != nil {
		v.eachRow(ord, 0, func(row uint32, def *record.Limit) {
			if s.caps.has(def.Cap) && !s.outside(v, row, e.ID) {
				s.limit(v, row, def)
			}
		})
		return
	}
	x := &s.item
	*x = TreeItem{id: e.ID, Ent: ord}
	switch s.Q.SortBy {
	case SortID:
	case SortCreatedAt:
		x.number = float64(e.Created / 1e6)
	default:
		x.none = true
	}
	s.offer(x)
}

// wantsRow tells whether the filters let a limit through, whatever it has used.
func (s *TreeScan) wantsRow(v *View, def *record.Limit) bool {
	return v.SeesRow(def) && (s.Q.Label == nil || def.Label == *s.Q.Label) && (s.Q.Cadence == bursar.Cadence{} || def.Sched.Cadence == s.Q.Cadence) &&
		(s.Q.Scope != ScopeNodeWide || len(def.Scope) == 0) && (s.Q.Scope != ScopeScoped || len(def.Scope) > 0)
}

// wantsUse tells whether a limit has used as much as the filters ask for.
func (s *TreeScan) wantsUse(v *View, row uint32, def *record.Limit) bool {
	return s.Q.MinUtilization == nil || def.Limited && Utilization(v.Standing(row, def).Used, v.LimitNow(row, def)) >= s.Q.MinUtilization.Float64()
}

func (s *TreeScan) limit(v *View, row uint32, def *record.Limit) {
	q := s.Q
	if !s.wantsRow(v, def) || !s.wantsUse(v, row, def) {
		return
	}
	x := &s.item
	*x = TreeItem{id: v.Ent(def.Ent).ID, Ent: def.Ent, Row: row, rowID: v.RowID(row)}
	switch q.SortBy {
	case SortID:
	case SortCreatedAt:
		x.number = float64(def.Created / 1e6)
	case SortScopeSize:
		x.number = float64(len(def.Scope))
	case SortUsageLimit:
		x.none, x.amount = !def.Limited, v.LimitNow(row, def)
	case SortCurrentUsage:
		x.amount = v.Standing(row, def).Used
	case SortPace:
		if x.none = !def.Limited || len(def.Scope) > 0 || v.LimitNow(row, def).Sign() <= 0; !x.none {
			x.number = v.pace(row, def)
		}
	default:
		if x.none = !def.Limited; def.Limited {
			x.number = Utilization(v.Standing(row, def).Used, v.LimitNow(row, def))
		}
	}
	if x.none {
		x.amount = bursar.Amount{}
	}
	s.offer(x)
}

// Utilization is used ÷ limit, and 1 for a limit of 0.
func Utilization(used, limit bursar.Amount) float64 {
	if limit.IsZero() {
		return 1
	}
	return used.Ratio(limit)
}

// Row shows an item; it is gone when its limit was deleted meanwhile.
func (s *TreeScan) Row(v *View, x *TreeItem) (r TreeRow, ok bool) {
	e := v.Ent(x.Ent)
	r = TreeRow{EntityID: e.ID, EntityTypeID: v.typeID(e.Typ), DisplayName: e.Name}
	up := x.Ent
	for r.ParentID = v.parentID(up); r.ParentID != nil && !s.Q.IncludeArchived; r.ParentID = v.parentID(up) {
		if up = v.Ent(up).Parent; v.Ent(up).Archived == 0 {
			break
		}
	}
	if r.ChildCount = len(v.children[x.Ent]); !s.Q.IncludeArchived {
		r.ChildCount -= v.archivedKids[x.Ent]
	}
	if e.Archived != 0 {
		t := e.Archived
		r.ArchivedAt = &t
	}
	if s.look == nil || s.look.v != v {
		s.look = newOutlook(v, s.Cat)
	}
	r.Frozen = v.frozenAt(x.Ent)
	if x.Row == 0 {
		if s.Q.Effective.ID != "" {
			r.Effective = s.look.of(x.Ent, nil, s.Q.Effective, 0)
		}
		return r, true
	}
	row := x.Row
	if row&unmadeBit != 0 { // a number that another view gave
		if row = v.rowByDefaultedID(x.rowID); row == 0 {
			return r, false
		}
	}
	def := v.Def(row)
	if def == nil || def.Idle() {
		return r, false
	}
	r.Limit = v.treeLimit(row, def, s.Cat.Highest(v.Capability(def.Cap)))
	r.Effective = s.look.of(def.Ent, def.Scope, r.Limit.Capability, row)
	return r, true
}

// warnAt is the utilization from which a limit without thresholds is a warning.
const warnAt = 80

// treeLimit shows a limit; highest tells that its figure is the highest value.
func (v *View) treeLimit(row uint32, def *record.Limit, highest bool) *TreeLimit {
	c := v.Standing(row, def)
	l := &TreeLimit{AssignmentID: store.FormatID(v.RowID(row)), Capability: v.Capability(def.Cap), Label: def.Label, ScopeEntityIDs: v.scopeIDs(def),
		Enforcement: enforcement(def.Soft), CurrentUsage: c.Used, Reserved: c.Held, Cadence: def.Sched.Cadence, PeriodStart: c.Start, PeriodEnd: c.End, DefaultOf: v.defaultSource(def)}
	if !def.Limited {
		return l
	}
	limit := v.LimitNow(row, def)
	l.UsageLimit = &limit
	rest := bursar.LeftOf(limit, c.Used, c.Held, highest)
	l.Remaining = &rest
	u := Utilization(c.Used, limit)
	l.Utilization, l.Status = &u, v.statusOf(row, def)
	return l
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Change is what a watcher is told of a limit that was touched. was is its definition before, if it
// is gone.
func (s *TreeScan) Change(v *View, row uint32, was *record.Limit) (c Change, ok bool) {
	def := v.Def(row)
	gone := def == nil || def.Idle()
	if def == nil {
		def = was
	}
	if def == nil || def.Ent == 0 || s.caps != nil && !s.caps.has(def.Cap) || !s.wantsRow(v, def) || !s.Selects(v, def.Ent) {
		return c, false
	}
	if gone || !s.wantsUse(v, row, def) {
		return Change{Removed: store.FormatID(v.RowID(row))}, true
	}
	r, ok := s.Row(v, &TreeItem{Ent: def.Ent, Row: row, rowID: v.RowID(row)})
	return Change{Row: &r}, ok
}

// Defaulted is what a watcher is told of the unmade limits that an entity has by default. The entity
// may be new.
func (s *TreeScan) Defaulted(v *View, ent uint32) (out []Change) {
	v.eachUnmade(ent, 0, func(row uint32, _ *record.Limit) {
		if c, ok := s.Change(v, row, nil); ok {
			out = append(out, c)
		}
	})
	return out
}

// Selects tells whether an entity is among those that the query is about, as
// selectEntities would find out for all.
func (s *TreeScan) Selects(v *View, ord uint32) bool {
	if !s.wants(v.Ent(ord)) {
		return false
	}
	root := v.Root
	if s.Q.RootEntityID != "" {
		root = v.EntOrd(s.Q.RootEntityID)
	}
	level, parent := 0, uint32(0)
	asked := uint32(0)
	if s.Q.ParentID != nil {
		asked = v.EntOrd(*s.Q.ParentID)
	}
	e := ord
	for ; e != root && e != 0; e = v.Ent(e).Parent {
		if up := v.Ent(e).Parent; up != 0 && (s.Q.IncludeArchived || v.Ent(up).Archived == 0 || up == asked) {
			if level++; parent == 0 {
				parent = up
			}
		}
	}
	return e == root && (s.Q.ParentID == nil || parent == asked) && (s.Q.ParentID != nil || s.Q.Depth == nil || level <= *s.Q.Depth)
}

// Finds tells whether the entities are there that a query begins at.
func (v *View) Finds(q *TreeQuery) error {
	for _, id := range []string{orEmpty(q.ParentID), q.RootEntityID} {
		if id != "" && v.EntOrd(id) == 0 {
			return v.errNoEntity(id)
		}
	}
	return nil
}
