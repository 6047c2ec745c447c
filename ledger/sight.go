package ledger

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// What an access token sees and may change. Everything that is read or written for one
// goes through a view that is limited to its subtree: there, entities and limits outside
// it do not exist. It sees the root without its parent; limits whose scope names an
// entity outside are hidden, lest they name it. What it writes is judged by the records
// that it would make (confined), so no operation can forget to.

// seesNone is the root of a view that shows nothing.
const seesNone = math.MaxUint32

// LimitTo limits v to what t shows; nil shows everything.
func (v *View) LimitTo(t *bursar.AccessToken) *View {
	switch {
	case t == nil:
	case v.Cust() == nil || v.Cust().ID != t.CustomerID:
		v.Root = seesNone
	case t.RootEntityID != "":
		if v.Root = v.EntOrd(t.RootEntityID); v.Root == 0 {
			v.Root = seesNone
		}
	}
	return v
}

// Sees tells whether an entity is in what the view is limited to.
func (v *View) Sees(ent uint32) bool { return v.Root == 0 || v.within(ent, v.Root) }

// within tells whether an entity is root or below it.
func (v *View) within(ent, root uint32) bool {
	for ; ent != 0; ent = v.Ent(ent).Parent {
		if ent == root {
			return true
		}
	}
	return false
}

// above is an entity's parent as far as it is seen; 0 = there is none.
func (v *View) above(ent uint32) uint32 {
	if ent == v.Root {
		return 0
	}
	return v.Ent(ent).Parent
}

// SeesRow tells of a limit whether it is seen.
func (v *View) SeesRow(def *record.Limit) bool { return v.seesLimit(def.Ent, def.Scope) }

// seesLimit is SeesRow of a limit of an entity with a scope.
func (v *View) seesLimit(ent uint32, scope []uint32) bool {
	return v.Root == 0 || v.Sees(ent) && !slices.ContainsFunc(scope, func(s uint32) bool { return !v.Sees(s) })
}

// sightNow gives a function that answers as Sees does now. It may be called after the view
// is gone, and later moves of entities do not change its answers.
func (v *View) sightNow() func(ent uint32) bool {
	if v.Root == 0 {
		return func(uint32) bool { return true }
	}
	root, ents := v.Root, v.Entities.clone()
	return func(ent uint32) bool {
		for ; ent != 0 && ent != root; ent = ents.at(ent).Parent {
		}
		return ent == root
	}
}

// seenDims leaves out the dimensions whose keys are attribution keys and that name no entity which is
// seen.
func (v *View) seenDims(cat *catalogue.Catalogue, dims []bursar.Dimension) []bursar.Dimension {
	if v.Root == 0 {
		return dims
	}
	return slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool {
		_, names := cat.Attribution[d.Key]
		return names && v.EntOrd(d.Value) == 0
	})
}

// ConfinedOp is a write for an access token.
type ConfinedOp struct {
	Op
	Token *bursar.AccessToken
	Wrote *atomic.Int64 // nil = nobody asks
}

func (o *ConfinedOp) Decide(d *Decider) (any, error) {
	from, deliveries := len(d.Recs), d.out.Deliveries
	d.LimitTo(o.Token)
	d.ours = &from
	defer func() { d.Root, d.ours = 0, nil }()
	reply, err := o.Op.Decide(d)
	if err != nil {
		return nil, err
	}
	if o.Wrote != nil {
		o.Wrote.Store(int64(len(d.Recs) - from + d.out.Deliveries - deliveries))
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
func (d *Decider) confined() error {
	if d.ours == nil {
		return nil
	}
	for _, r := range d.Recs[*d.ours:] {
		ent := uint32(0)
		switch r := r.(type) {
		case *record.Activity, *record.CapabilityName, *record.TypeName, *record.AlertFired, *record.LimitTold, *record.NotificationsUsed: // an alert follows from what else is recorded
			continue
		case *record.DefaultPut: // it limits what is below its entity, so that entity may be the root
			if err := d.confinedDefault(r.Default.Ent); err != nil {
				return err
			}
			continue
		case *record.DefaultDeleted:
			continue // only a default that is seen can be deleted
		case *record.BoostAsked: // it raises nothing, and its limit was seen
			continue
		case *record.BoostAnswered:
			if r.Answer.Answer == record.Withdrawn {
				continue // by who asked
			}
			ent = d.request(r.Ord).Ent
		case *record.LimitDefaulted:
			ent = r.Ent
		case *record.EntityPut:
			ent = r.Ord
		case *record.LimitPut:
			ent = r.Def.Ent
		case *record.LimitDeleted:
			ent = d.ownerOf(r.Row)
		case *record.LimitStarted:
			ent = d.ownerOf(r.Row)
		case *record.BoostMade:
			ent = d.ownerOf(r.Row)
		case *record.BoostLent: // which lowers the limit that pays, too
			if d.Root != 0 && (r.LenderEnt == d.Root || !d.Sees(r.LenderEnt)) {
				return errAboveToken
			}
			ent = d.ownerOf(r.Row)
		case *record.BoostEnded:
			ent = d.ownerOf(r.Row)
		case *record.Frozen:
			ent = r.Ent
		case *record.Thawed:
			ent = r.Ent
		case *record.DegradePut:
			ent = r.Policy.Ent
		case *record.DegradeDeleted:
			ent = r.Ent
		case *record.NotificationPut: // it changes nothing, so its entity may be the root
			if n := &r.Notification; d.Root != 0 && (n.Ent == 0 || !d.seesNotification(n)) {
				return errAboveToken
			}
			continue
		case *record.NotificationDeleted: // only one that is seen can be deleted
			continue
		default:
			return errNotForTokens
		}
		if ent == 0 {
			return errNotForTokens
		}
		if d.Root != 0 && (ent == d.Root || !d.Sees(ent)) {
			return errAboveToken
		}
	}
	return nil
}

func (d *Decider) confinedDefault(ent uint32) error {
	if d.Root != 0 && (ent == 0 || !d.Sees(ent)) {
		return errAboveToken
	}
	return nil
}

// ownerOf is the entity of a row, deleted or not; 0 = none.
func (d *Decider) ownerOf(row uint32) uint32 {
	if def := d.rawDef(row); def != nil {
		return def.Ent
	}
	if int(row) < d.Rows.Len() && d.Rows.At(row) != nil {
		return d.Rows.At(row).Ent
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
	V   *View
	Cat *catalogue.Catalogue
}

// Entity tells whether there is an entity with an id and it is seen; Limit tells so of an entity and
// all those of a scope.
func (s *Sight) Entity(id string) bool { return s.V.Root == 0 || s.V.EntOrd(id) != 0 }

func (s *Sight) Limit(entity string, scope []string) bool {
	return s.Entity(entity) && !slices.ContainsFunc(scope, func(id string) bool { return !s.Entity(id) })
}

// Dimensions leaves out those that name what is not seen. named tells whether one is left
// that names an entity.
func (s *Sight) Dimensions(dims []bursar.Dimension) (seen []bursar.Dimension, named bool) {
	seen = s.V.seenDims(s.Cat, dims)
	named = slices.ContainsFunc(seen, func(d bursar.Dimension) bool {
		_, names := s.Cat.Attribution[d.Key]
		return names
	})
	return seen, named
}

// Whole tells whether all of the customer is seen.
func (s *Sight) Whole() bool { return s.V.Root == 0 }

// Days are those of the customer's time zone.
func (s *Sight) Days() bursar.Schedule {
	days := bursar.Schedule{Cadence: bursar.Cadence{N: 1, Unit: bursar.UnitDay}}
	if zone := s.V.Cust().Timezone; zone != nil {
		days.Location, _ = record.Location(*zone)
	}
	return days
}
