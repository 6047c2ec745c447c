package engine

import (
	"context"
	"math"
	"slices"
	"sync/atomic"

	"github.com/bursarhq/bursar"
)

// What an access token sees and may change. Everything that is read or written for one
// goes through a view that is limited to its subtree: there, entities and limits outside
// it do not exist. It sees the root without its parent; limits whose scope names an
// entity outside are hidden, lest they name it. What it writes is judged by the records
// that it would make (confined), so no operation can forget to.

// seesNone is the root of a view that shows nothing.
const seesNone = math.MaxUint32

// limitTo limits v to what t shows; nil shows everything.
func (v *view) limitTo(t *bursar.AccessToken) *view {
	switch {
	case t == nil:
	case v.cust() == nil || v.cust().ID != t.CustomerID:
		v.root = seesNone
	case t.RootEntityID != "":
		if v.root = v.entOrd(t.RootEntityID); v.root == 0 {
			v.root = seesNone
		}
	}
	return v
}

// sees tells whether an entity is in what the view is limited to.
func (v *view) sees(ent uint32) bool {
	if v.root == 0 {
		return true
	}
	for ; ent != 0; ent = v.ent(ent).parent {
		if ent == v.root {
			return true
		}
	}
	return false
}

// above is an entity's parent as far as it is seen; 0 = there is none.
func (v *view) above(ent uint32) uint32 {
	if ent == v.root {
		return 0
	}
	return v.ent(ent).parent
}

// seesRow tells of a limit whether it is seen.
func (v *view) seesRow(def *rowDef) bool {
	return v.root == 0 || v.sees(def.ent) && !slices.ContainsFunc(def.scope, func(s uint32) bool { return !v.sees(s) })
}

// sightNow is sees, to be asked after the view is gone; later moves do not change it.
func (v *view) sightNow() func(ent uint32) bool {
	if v.root == 0 {
		return func(uint32) bool { return true }
	}
	root, ents := v.root, slices.Clone(v.entities)
	return func(ent uint32) bool {
		for ; ent != 0 && ent != root; ent = ents[ent].parent {
		}
		return ent == root
	}
}

// seenDims leaves out the dimensions that name no entity of what the view is limited to,
// though they are there to name one.
func (v *view) seenDims(cat *Catalogue, dims []bursar.Dimension) []bursar.Dimension {
	if v.root == 0 {
		return dims
	}
	return slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool {
		_, names := cat.attribution[d.Key]
		return names && v.entOrd(d.Value) == 0
	})
}

// confinedOp is a write for an access token.
type confinedOp struct {
	op
	token *bursar.AccessToken
	wrote *atomic.Int64 // nil = nobody asks
}

func (o *confinedOp) decide(d *decider) (any, error) {
	from, deliveries := len(d.recs), d.out.deliveries
	d.limitTo(o.token)
	d.ours = &from
	defer func() { d.root, d.ours = 0, nil }()
	reply, err := o.op.decide(d)
	if err != nil {
		return nil, err
	}
	if o.wrote != nil {
		o.wrote.Store(int64(len(d.recs) - from + d.out.deliveries - deliveries))
	}
	return reply, d.confined()
}

var (
	errAboveToken = bursar.Errorf(bursar.CodeForbidden,
		"an access token changes what is below its root entity: not the root, whose limits are set from above, and nothing may be moved out")
	errNotForTokens = bursar.Errorf(bursar.CodeForbidden, "an access token may not do this")
)

// confined refuses what a token's request has recorded if the token may not: it changes
// entities and limits strictly below its root, and leaves them there.
func (d *decider) confined() error {
	if d.ours == nil {
		return nil
	}
	for _, r := range d.recs[*d.ours:] {
		ent := uint32(0)
		switch r := r.(type) {
		case *activityRec, *capabilityRec:
			continue
		case *entityRec:
			ent = r.ord
		case *rowRec:
			ent = r.def.ent
		case *rowDeleteRec:
			ent = d.ownerOf(r.ord)
		case *rowStartRec:
			ent = d.ownerOf(r.ord)
		case *boostRec:
			ent = d.ownerOf(r.row)
		case *boostEndRec:
			ent = d.ownerOf(r.row)
		case *firedRec:
			ent = d.ownerOf(r.row)
		default:
			return errNotForTokens
		}
		if ent == 0 {
			return errNotForTokens
		}
		if d.root != 0 && (ent == d.root || !d.sees(ent)) {
			return errAboveToken
		}
	}
	return nil
}

// ownerOf is the entity of a row, deleted or not; 0 = none.
func (d *decider) ownerOf(row uint32) uint32 {
	if def := d.def(row); def != nil {
		return def.ent
	}
	if int(row) < len(d.rows) && d.rows[row] != nil {
		return d.rows[row].ent
	}
	for ent, rows := range d.newRows {
		if slices.Contains(rows, row) {
			return ent
		}
	}
	return 0
}

// Sight tells what the holder of a token sees of a customer.
type Sight struct {
	v   *view
	cat *Catalogue
}

// Entity tells whether there is such an entity to be seen; Limit the same of one with
// its scope.
func (s *Sight) Entity(id string) bool { return s.v.root == 0 || s.v.entOrd(id) != 0 }

func (s *Sight) Limit(entity string, scope []string) bool {
	return s.Entity(entity) && !slices.ContainsFunc(scope, func(id string) bool { return !s.Entity(id) })
}

// Dimensions leaves out those that name what is not seen. named tells whether one is left
// that names an entity.
func (s *Sight) Dimensions(dims []bursar.Dimension) (seen []bursar.Dimension, named bool) {
	seen = s.v.seenDims(s.cat, dims)
	named = slices.ContainsFunc(seen, func(d bursar.Dimension) bool {
		_, names := s.cat.attribution[d.Key]
		return names
	})
	return seen, named
}

// Whole tells whether all of the customer is seen.
func (s *Sight) Whole() bool { return s.v.root == 0 }

// See calls f with what o's token sees of a customer. f must not keep it.
func (e *Engine) See(ctx context.Context, o ReadOptions, customer string, f func(*Sight)) (version uint64, err error) {
	return e.readCustomer(ctx, o, customer, func(v *view) error {
		f(&Sight{v, e.cat.Load()})
		return nil
	})
}
