package ledger

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Resolved is what dimensions mean in a customer's tree.
type Resolved struct {
	given   bool         // there were dimensions at all
	Leaves  []uint32     // matched entities, ordered by dimension key; one may appear twice
	Path    []record.Hop // they and all their ancestors, each once
	news    []newcomer   // dimensions that name somebody whom the request enrols
	missing []missing    // dimensions that name no entity, though their keys are of a type
	unknown []unknownKey // dimensions whose keys are nearly the attribution key of a type
	model   string       // that is called, as a dimension says; "" = it does not
	strict  bool         // the request says that it is to be denied where an id names no entity
	made    bursar.Time  // limits that are newer do not count; 0 = all do
}

// unknownKey is a key that nothing knows and the attribution key that it is like, with its type.
type unknownKey struct {
	key, like, typ string
	same           bool // key and like are the same but for case and separators
}

// newcomer is a dimension and the entity that the request makes of what it names.
type newcomer struct {
	key string
	ent uint32
}

// missing is a dimension that was to name an entity of a type, and did not.
type missing struct {
	key, typ, id string
	number       bool // its value is a number of an event, which names nobody
}

func (r *Resolved) has(ord uint32) bool {
	for i := range r.Path {
		if r.Path[i].Ent == ord {
			return true
		}
	}
	return false
}

// Resolve finds the entities that dims name: a dimension whose key is an attribution
// key of a live type names the entity with that id and type, live or archived. dims
// are ordered by key.
func (v *View) Resolve(cat *catalogue.Catalogue, dims []bursar.Dimension) Resolved {
	r := Resolved{given: dims != nil, model: modelOf(dims)}
	for i := range dims {
		typ, ok := cat.Attribution[dims[i].Key]
		if !ok {
			if dims[i].Kind != bursar.DimString {
				continue // as no id is
			}
			like, typ, same := cat.LikeKey(dims[i].Key)
			if like != "" && !slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return cat.Attribution[d.Key] == typ }) {
				r.unknown = append(r.unknown, unknownKey{dims[i].Key, like, typ, same})
			}
			continue
		}
		ord := v.EntOrd(dims[i].Value)
		if ord == 0 || v.typeID(v.Ent(ord).Typ) != typ {
			r.missing = append(r.missing, missing{key: dims[i].Key, typ: typ, id: dims[i].Value})
			continue
		}
		if v.newcomer(ord) {
			r.news = append(r.news, newcomer{dims[i].Key, ord})
		}
		r.join(v, ord)
	}
	return r
}

// leafIDs are the ids of the leaves, the lowest in the tree first, each once; at most MaxNamed.
func (v *View) leafIDs(r *Resolved) []string {
	leaves := slices.Clone(r.Leaves)
	slices.SortStableFunc(leaves, func(a, b uint32) int { return v.depth(b) - v.depth(a) })
	var ids []string
	for _, leaf := range leaves {
		if id := v.Ent(leaf).ID; len(ids) < bursar.MaxNamed && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// usualPath is the length that most paths do not exceed: lists as long as a path get room for it.
const usualPath = 8

// join adds a leaf and all above it.
func (r *Resolved) join(v *View, leaf uint32) {
	r.Leaves = append(r.Leaves, leaf)
	if r.Path == nil {
		r.Path = make([]record.Hop, 0, usualPath)
	}
	child := uint32(0)
	for e := leaf; e != 0; e = v.above(e) {
		if r.has(e) {
			break // and so are all above it
		}
		r.Path = append(r.Path, record.Hop{Ent: e, Child: child})
		child = e
	}
}

// rowsOf calls f with the rows of one entity that apply to r: the entity is live, the
// row is of cap, and all its scope entities are resolved.
func (v *View) rowsOf(r *Resolved, ent, cap uint32, f func(row uint32, def *record.Limit)) {
	if cap == 0 || v.Ent(ent).Archived != 0 {
		return
	}
	if all := f; r.made != 0 {
		f = func(row uint32, def *record.Limit) {
			if def.Created <= r.made {
				all(row, def)
			}
		}
	}
	visit := func(o uint32) bool {
		def := v.rawDef(o)
		if def == nil || def.Cap != cap || !r.covers(def.Scope) {
			return true
		}
		if def.ByDefault {
			def = v.byDefault(ent, cap, def.Label)
		}
		if !def.Idle() {
			f(o, def)
		}
		return true
	}
	v.eachAt(place{ent: ent}, visit)
	v.eachUnmade(ent, cap, f)
	old := int(ent) < len(v.inScope) && v.inScope[ent]&ownsScoped != 0
	for i := range r.Path {
		s := r.Path[i].Ent
		if old && int(s) < len(v.inScope) && v.inScope[s]&isScope != 0 || len(v.newPlaces) > 0 {
			v.eachAt(place{ent, s}, visit)
		}
	}
}

func (r *Resolved) covers(scope []uint32) bool {
	for _, s := range scope {
		if !r.has(s) {
			return false
		}
	}
	return true
}

// chains lists the rows of each leaf's path that apply to any of asks, from the leaf to
// the root; a leaf without any has no chain. It is nil when no dimensions were given. Where more
// limits apply than usage counts on, over says so for each of asks; else it is nil.
func (v *View) chains(r *Resolved, asks []Ask) (out [][]uint32, over []Applied) {
	if !r.given {
		return nil, nil
	}
	n := 0
	out = make([][]uint32, 0, len(r.Leaves))
	for _, leaf := range r.Leaves {
		chain := make([]uint32, 0, usualPath)
		for e := leaf; e != 0; e = v.above(e) {
			from := len(chain)
			for i := range asks {
				v.rowsOf(r, e, asks[i].Cap, func(row uint32, _ *record.Limit) { chain = append(chain, row) })
			}
			if len(chain)-from > 1 {
				slices.SortFunc(chain[from:], v.compareRows)
			}
		}
		if len(chain) > 0 {
			out = append(out, chain)
		}
		n += len(chain)
	}
	if n > bursar.MaxRowsPerEvent { // n counts rows of all asks, and some of them once for each leaf
		return v.cutChains(r, asks, out)
	}
	return out, nil
}

// compareRows orders the rows of one entity: those without a scope first, then by the size of the
// scope, its ids and the label; features before currencies.
func (v *View) compareRows(a, b uint32) int {
	x, y := v.Def(a), v.Def(b)
	if n := len(x.Scope) - len(y.Scope); n != 0 {
		return n
	}
	if n := slices.Compare(v.scopeIDs(x), v.scopeIDs(y)); n != 0 {
		return n
	}
	if n := strings.Compare(x.Label, y.Label); n != 0 || x.Cap == y.Cap {
		return n
	}
	c, d := v.Capability(x.Cap), v.Capability(y.Cap)
	return cmp.Or(cmp.Compare(c.Kind, d.Kind), strings.Compare(c.ID, d.ID))
}

// scopeIDs are the ids of a row's scope entities, sorted; never nil.
func (v *View) scopeIDs(def *record.Limit) []string {
	ids := make([]string, len(def.Scope))
	for i, s := range def.Scope {
		ids[i] = v.Ent(s).ID
	}
	slices.Sort(ids)
	return ids
}

// node shows a row, whose id is given, to the caller, with what asks want on top of what it has.
func (v *View) node(n *bursar.Node, row uint32, id string, asks []Ask) {
	def := v.Def(row)
	c := v.Standing(row, def)
	e := v.Ent(def.Ent)
	*n = bursar.Node{
		AssignmentID: id, EntityID: e.ID, EntityTypeID: v.typeID(e.Typ), ScopeEntityIDs: noIDs,
		Capability: v.Capability(def.Cap), Label: def.Label, Enforcement: enforcement(def.Soft),
		CurrentUsage: c.Used, Reserved: c.Held, ResetsAt: c.End, Granted: true,
	}
	if len(def.Scope) > 0 {
		n.ScopeEntityIDs = v.scopeIDs(def)
	}
	n.DefaultOf = v.defaultSource(def)
	sum := c.Used.Add(c.Held)
	for i := range asks {
		if a := &asks[i]; a.Cap == def.Cap {
			n.Requested, n.Highest = a.Amount, a.max
			sum = a.onto(c.Used, c.Held)
		}
	}
	if def.Limited {
		limit := &def.Limit
		if !v.noBoosts() {
			boosted := v.LimitNow(row, def)
			limit = &boosted
		}
		n.UsageLimit = limit
		n.Exceeded = limit.Less(sum)
		n.Granted = def.Soft || !n.Exceeded
	}
}

var noIDs = []string{}

func enforcement(soft bool) bursar.Enforcement {
	if soft {
		return bursar.Soft
	}
	return bursar.Hard
}

func (v *View) nodes(chains [][]uint32, asks []Ask) [][]bursar.Node {
	if chains == nil {
		return nil
	}
	out := make([][]bursar.Node, len(chains))
	n := 0
	for _, c := range chains {
		n += len(c)
	}
	all := make([]bursar.Node, n)
	ids := v.rowIDs(chains)
	for i, c := range chains {
		out[i], all = all[:len(c):len(c)], all[len(c):]
		for j, ord := range c {
			v.node(&out[i][j], ord, ids[:store.IDLength], asks)
			ids = ids[store.IDLength:]
		}
	}
	return out
}

// rowIDs are the ids of all rows of chains, one behind the other in one text.
func (v *View) rowIDs(chains [][]uint32) string {
	var room [usualPath * store.IDLength]byte
	b := room[:0]
	for _, c := range chains {
		for _, row := range c {
			b = store.AppendID(b, v.RowID(row))
		}
	}
	return string(b)
}

func emptyChains(dims []bursar.Dimension) [][]bursar.Node {
	if dims == nil {
		return nil
	}
	return [][]bursar.Node{}
}
