package engine

import (
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
		r.leaves = append(r.leaves, ord)
		child := uint32(0)
		for e := ord; e != 0; e = v.ent(e).parent {
			if r.has(e) {
				break // and so are all above it
			}
			r.path = append(r.path, step{e, child})
			child = e
		}
	}
	return r
}

// rowsOf calls f with the rows of one entity that apply to r: the entity is live, the
// row is of cap, and all its scope entities are resolved.
func (v *view) rowsOf(r *resolved, ent, cap uint32, f func(ord uint32, def *rowDef)) {
	if cap == 0 || v.ent(ent).archived != 0 {
		return
	}
	if int(ent) < len(v.firstRow) {
		for o := v.firstRow[ent]; o != 0; o = v.nextRow[o] {
			if def := v.def(o); def != nil && def.cap == cap {
				f(o, def)
			}
		}
		if v.inScope[ent]&ownsScoped != 0 {
			for i := range r.path {
				s := r.path[i].ent
				if int(s) >= len(v.inScope) || v.inScope[s]&isScope == 0 {
					continue
				}
				for o := v.scoped[[2]uint32{ent, s}]; o != 0; o = v.nextRow[o] {
					if def := v.def(o); def != nil && def.cap == cap && r.covers(def.scope) {
						f(o, def)
					}
				}
			}
		}
	}
	for _, o := range v.newRows[ent] {
		if def := v.def(o); def != nil && def.cap == cap && r.covers(def.scope) {
			f(o, def)
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

// rowsOn lists the rows that usage of cap on r counts on, each once. It is an error
// to have more than MaxRowsPerEvent.
func (v *view) rowsOn(r *resolved, cap uint32) ([]uint32, error) {
	var rows []uint32
	for i := range r.path {
		v.rowsOf(r, r.path[i].ent, cap, func(ord uint32, _ *rowDef) { rows = append(rows, ord) })
	}
	if len(rows) > bursar.MaxRowsPerEvent {
		return nil, bursar.ErrorAt("/dimensions", bursar.CodeValidationFailed,
			"%d limits apply to these dimensions; at most %d may", len(rows), bursar.MaxRowsPerEvent)
	}
	return rows, nil
}

// chains lists the rows of each leaf's path that apply, from the leaf to the root; a
// leaf without any has none. nil when no dimensions were given.
func (v *view) chains(r *resolved, cap uint32) [][]uint32 {
	if !r.given {
		return nil
	}
	out := make([][]uint32, 0, len(r.leaves))
	for _, leaf := range r.leaves {
		var chain []uint32
		for e := leaf; e != 0; e = v.ent(e).parent {
			from := len(chain)
			v.rowsOf(r, e, cap, func(ord uint32, _ *rowDef) { chain = append(chain, ord) })
			if len(chain)-from > 1 {
				slices.SortFunc(chain[from:], v.compareRows)
			}
		}
		if len(chain) > 0 {
			out = append(out, chain)
		}
	}
	return out
}

// compareRows orders the rows of one entity: node-wide first, then by the size of the
// scope, its ids and the label.
func (v *view) compareRows(a, b uint32) int {
	x, y := v.def(a), v.def(b)
	if n := len(x.scope) - len(y.scope); n != 0 {
		return n
	}
	if n := slices.Compare(v.scopeIDs(x), v.scopeIDs(y)); n != 0 {
		return n
	}
	return strings.Compare(x.label, y.label)
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

// node shows a row to the caller, with requested on top of what it has.
func (v *view) node(n *bursar.Node, ord uint32, requested bursar.Amount) {
	def := v.def(ord)
	c := v.current(ord, def)
	e := v.ent(def.ent)
	*n = bursar.Node{
		AssignmentID: formatID(v.rowID(ord)), EntityID: e.id, EntityTypeID: v.typeID(e.typ), ScopeEntityIDs: noIDs,
		Capability: v.capability(def.cap), Label: def.label, Enforcement: enforcement(def.soft),
		CurrentUsage: c.used, Requested: requested, Reserved: c.held, ResetsAt: c.end, Granted: true,
	}
	if len(def.scope) > 0 {
		n.ScopeEntityIDs = v.scopeIDs(def)
	}
	if def.limited {
		n.UsageLimit = &def.limit
		n.Exceeded = def.limit.Less(c.used.Add(c.held).Add(requested))
		n.Granted = def.soft || !n.Exceeded
	}
}

var noIDs = []string{}

func enforcement(soft bool) bursar.Enforcement {
	if soft {
		return bursar.Soft
	}
	return bursar.Hard
}

func (v *view) nodes(chains [][]uint32, requested bursar.Amount) [][]bursar.Node {
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
			v.node(&out[i][j], ord, requested)
		}
	}
	return out
}

// gate is the customer's own pool of a capability. Features have none; a prepaid
// currency's is what was granted, which nothing has been.
func (v *view) gate(cat *Catalogue, c bursar.Capability, cap uint32) bursar.Gate {
	t := v.total(cap)
	g := bursar.Gate{Unlimited: true, CurrentUsage: t.value, Reserved: t.held, UpdatedAt: t.at}
	if g.UpdatedAt == 0 {
		g.UpdatedAt = v.cust().CreatedAt
	}
	if c.Kind == bursar.KindCurrency {
		g.Unlimited = !cat.currencies[c.ID].Prepaid
	}
	return g
}

// judge decides whether requested of c may be used on the rows of chains.
func (v *view) judge(cat *Catalogue, c bursar.Capability, chains [][]uint32, requested bursar.Amount) bursar.Decision {
	cap := v.capOrd(c)
	d := bursar.Decision{Granted: true, Capability: c, Gate: v.gate(cat, c, cap), Chains: v.nodes(chains, requested)}
	if g := &d.Gate; !g.Unlimited && g.UsageLimit.Less(g.CurrentUsage.Add(g.Reserved).Add(requested)) {
		d.Granted, d.Reason = false, bursar.CodeInsufficientCredits
		limit := g.UsageLimit
		d.Binding = &bursar.Binding{Source: bursar.BindingCredits, Node: bursar.Node{Capability: c, UsageLimit: &limit,
			CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Requested: requested, Exceeded: true}}
		return d
	}
	for _, chain := range d.Chains {
		for i := range chain {
			n := &chain[i]
			if n.Granted {
				continue
			}
			d.Granted, d.Reason = false, bursar.CodeRequestedUsageExceeding
			if !n.CurrentUsage.Add(n.Reserved).Less(*n.UsageLimit) {
				d.Reason = bursar.CodeBudgetExceeded
			}
			d.Binding = &bursar.Binding{Source: bursar.BindingEntity, Node: *n}
			return d
		}
	}
	return d
}

// check answers one question, read-only.
func (v *view) check(cat *Catalogue, in *CheckInput) bursar.Decision {
	deny := func(reason bursar.Code) bursar.Decision {
		return bursar.Decision{Reason: reason, Capability: in.Capability, Chains: emptyChains(in.Dimensions)}
	}
	cust := v.cust()
	switch {
	case cust == nil:
		return deny(bursar.CodeCustomerNotFound)
	case cust.ArchivedAt != nil:
		return deny(bursar.CodeCustomerIsArchived)
	case in.Capability.Kind == bursar.KindFeature && cat.features[in.Capability.ID] == nil:
		return deny(bursar.CodeFeatureNotFound)
	case in.Capability.Kind == bursar.KindCurrency && cat.currencies[in.Capability.ID] == nil:
		return deny(bursar.CodeEntitlementNotFound)
	}
	r := v.resolve(cat, in.Dimensions)
	return v.judge(cat, in.Capability, v.chains(&r, v.capOrd(in.Capability)), in.Requested)
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
