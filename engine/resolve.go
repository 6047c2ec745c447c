package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// resolved is what dimensions mean in a customer's tree.
type resolved struct {
	given   bool     // there were dimensions at all
	leaves  []uint32 // matched entities, ordered by dimension key; one may appear twice
	path    []step   // they and all their ancestors, each once
	missing []string // attribution keys that resolved to nothing
}

func (r *resolved) has(ord uint32) bool {
	for i := range r.path {
		if r.path[i].ent == ord {
			return true
		}
	}
	return false
}

// resolve finds the entities that dims name: a dimension whose key is an attribution
// key of a live type names the entity with that id and type, live or archived. dims
// are ordered by key.
func (v *view) resolve(cat *Catalogue, dims []bursar.Dimension) resolved {
	r := resolved{given: dims != nil}
	for i := range dims {
		typ, ok := cat.attribution[dims[i].Key]
		if !ok {
			continue
		}
		ord := v.entOrd(dims[i].Value)
		if ord == 0 || v.typeID(v.ent(ord).typ) != typ {
			r.missing = append(r.missing, dims[i].Key)
			continue
		}
		r.join(v, ord)
	}
	return r
}

// join adds a leaf and all above it.
func (r *resolved) join(v *view, leaf uint32) {
	r.leaves = append(r.leaves, leaf)
	child := uint32(0)
	for e := leaf; e != 0; e = v.above(e) {
		if r.has(e) {
			break // and so are all above it
		}
		r.path = append(r.path, step{e, child})
		child = e
	}
}

// rowsOf calls f with the rows of one entity that apply to r: the entity is live, the
// row is of cap, and all its scope entities are resolved.
func (v *view) rowsOf(r *resolved, ent, cap uint32, f func(ord uint32, def *rowDef)) {
	if cap == 0 || v.ent(ent).archived != 0 {
		return
	}
	visit := func(o uint32) bool {
		if def := v.def(o); def != nil && def.cap == cap && r.covers(def.scope) {
			f(o, def)
		}
		return true
	}
	v.eachAt(place{ent: ent}, visit)
	old := int(ent) < len(v.inScope) && v.inScope[ent]&ownsScoped != 0
	for i := range r.path {
		s := r.path[i].ent
		if old && int(s) < len(v.inScope) && v.inScope[s]&isScope != 0 || len(v.newPlaces) > 0 {
			v.eachAt(place{ent, s}, visit)
		}
	}
}

func (r *resolved) covers(scope []uint32) bool {
	for _, s := range scope {
		if !r.has(s) {
			return false
		}
	}
	return true
}

// chains lists the rows of each leaf's path that apply to any of asks, from the leaf to
// the root; a leaf without any has none. nil when no dimensions were given. Where more
// limits apply than usage counts on, over says so for each of asks.
func (v *view) chains(r *resolved, asks []ask) (out [][]uint32, over []applied) {
	if !r.given {
		return nil, nil
	}
	n := 0
	out = make([][]uint32, 0, len(r.leaves))
	for _, leaf := range r.leaves {
		var chain []uint32
		for e := leaf; e != 0; e = v.above(e) {
			from := len(chain)
			for i := range asks {
				v.rowsOf(r, e, asks[i].cap, func(ord uint32, _ *rowDef) { chain = append(chain, ord) })
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
	if n > bursar.MaxRowsPerEvent { // of all of asks, and those of several leaves more than once
		return v.cutChains(r, asks, out)
	}
	return out, nil
}

// compareRows orders the rows of one entity: node-wide first, then by the size of the
// scope, its ids and the label; features before currencies.
func (v *view) compareRows(a, b uint32) int {
	x, y := v.def(a), v.def(b)
	if n := len(x.scope) - len(y.scope); n != 0 {
		return n
	}
	if n := slices.Compare(v.scopeIDs(x), v.scopeIDs(y)); n != 0 {
		return n
	}
	if n := strings.Compare(x.label, y.label); n != 0 || x.cap == y.cap {
		return n
	}
	c, d := v.capability(x.cap), v.capability(y.cap)
	return cmp.Or(cmp.Compare(c.Kind, d.Kind), strings.Compare(c.ID, d.ID))
}

// scopeIDs are the ids of a row's scope entities, sorted; never nil.
func (v *view) scopeIDs(def *rowDef) []string {
	ids := make([]string, len(def.scope))
	for i, s := range def.scope {
		ids[i] = v.ent(s).id
	}
	slices.Sort(ids)
	return ids
}

// node shows a row to the caller, with what asks want on top of what it has.
func (v *view) node(n *bursar.Node, ord uint32, asks []ask) {
	def := v.def(ord)
	c := v.standing(ord, def)
	e := v.ent(def.ent)
	*n = bursar.Node{
		AssignmentID: formatID(v.rowID(ord)), EntityID: e.id, EntityTypeID: v.typeID(e.typ), ScopeEntityIDs: noIDs,
		Capability: v.capability(def.cap), Label: def.label, Enforcement: enforcement(def.soft),
		CurrentUsage: c.used, Reserved: c.held, ResetsAt: c.end, Granted: true,
	}
	if len(def.scope) > 0 {
		n.ScopeEntityIDs = v.scopeIDs(def)
	}
	sum := c.used.Add(c.held)
	for i := range asks {
		if a := &asks[i]; a.cap == def.cap {
			n.Requested = a.amount
			sum = a.onto(c.used, c.held)
		}
	}
	if def.limited {
		limit := &def.limit
		if len(v.boosts)+len(v.bsts) > 0 {
			boosted := v.limitNow(ord, def)
			limit = &boosted
		}
		n.UsageLimit = limit
		n.Exceeded = limit.Less(sum)
		n.Granted = def.soft || !n.Exceeded
	}
}

// onto is what a limit has to bear when a comes on top of what is used and held.
func (a *ask) onto(used, held bursar.Amount) bursar.Amount {
	if a.max {
		return bursar.MaxAmount(used, a.amount).Add(held)
	}
	return used.Add(held).Add(a.amount)
}

var noIDs = []string{}

func enforcement(soft bool) bursar.Enforcement {
	if soft {
		return bursar.Soft
	}
	return bursar.Hard
}

func (v *view) nodes(chains [][]uint32, asks []ask) [][]bursar.Node {
	if chains == nil {
		return nil
	}
	out := make([][]bursar.Node, len(chains))
	n := 0
	for _, c := range chains {
		n += len(c)
	}
	all := make([]bursar.Node, n)
	for i, c := range chains {
		out[i], all = all[:len(c):len(c)], all[len(c):]
		for j, ord := range c {
			v.node(&out[i][j], ord, asks)
		}
	}
	return out
}

func emptyChains(dims []bursar.Dimension) [][]bursar.Node {
	if dims == nil {
		return nil
	}
	return [][]bursar.Node{}
}

// encodeCombo is the canonical text of a combination of dimensions.
func encodeCombo(dims []bursar.Dimension) string {
	var e encoder
	e.dims(dims)
	return string(e.b)
}

func decodeCombo(s string) []bursar.Dimension { return (&decoder{b: []byte(s)}).dims() }

// sortDims orders dims by key, which is how they are kept, hashed and resolved.
func sortDims(dims []bursar.Dimension) []bursar.Dimension {
	if slices.IsSortedFunc(dims, compareDims) {
		return dims
	}
	dims = slices.Clone(dims)
	slices.SortFunc(dims, compareDims)
	return dims
}

func compareDims(a, b bursar.Dimension) int { return strings.Compare(a.Key, b.Key) }
