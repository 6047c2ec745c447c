package ledger

import (
	"slices"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// A spend token is told apart from others and judged by the HTTP layer. What is counted with
// one is counted as everything is: a token with caps is an entity below the one that it is
// pinned to, its caps are limits of that entity, and its requests name it. So nothing here
// decides what may be spent.

// SpendEntity is an entity that a token is counted on.
type SpendEntity struct {
	ID, Label string
	Expires   bursar.Time
	Caps      []bursar.CapabilityAmount
}

// SpendPath is who spends with a token: the entities that it is pinned to, by the blocks of
// the token, and those that it is counted on, each above the next.
type SpendPath struct {
	Pins    [][]bursar.Dimension
	Counted []SpendEntity
}

const (
	spendCapLabel  = "spend-token"
	spendEndMeta   = "expiresAt"
	maxSpendSwept  = 16  // of the ended tokens beside a new one
	maxSpendLeaves = 500 // archived in one commit
)

func errSpend(format string, args ...any) error {
	return bursar.Errorf(bursar.CodeForbidden, "this spend token may not spend: "+format, args...)
}

// SpendsOn tells whether all that a token is counted on is there. It is an error when the
// token is pinned to what is not there, or is archived, or is not at or below what the token
// that it was made from is pinned to.
func (v *View) SpendsOn(cat *catalogue.Catalogue, p *SpendPath) (ready bool, err error) {
	var above []uint32
	for i, pins := range p.Pins {
		ords := make([]uint32, 0, len(pins))
		for _, pin := range pins {
			ord, typ := v.EntOrd(pin.Value), cat.Attribution[pin.Key]
			switch {
			case ord == 0 || typ == "" || v.typeID(v.Ent(ord).Typ) != typ:
				return false, errSpend("it is pinned to %s %q, and there is no such entity", pin.Key, pin.Value)
			case v.Ent(ord).Archived != 0:
				return false, errSpend("it is pinned to %s %q, which is archived", pin.Key, pin.Value)
			case i > 0 && !slices.ContainsFunc(above, func(a uint32) bool { return v.within(ord, a) }):
				return false, errSpend("it is pinned to %s %q, which is not below what the token that it was made from is pinned to", pin.Key, pin.Value)
			}
			ords = append(ords, ord)
		}
		above = ords
	}
	return v.spendCounted(cat, p)
}

// spendRoot is the entity that the first of the counted is below; 0 = none.
func (v *View) spendRoot(p *SpendPath) uint32 {
	if len(p.Pins) == 0 || len(p.Pins[0]) == 0 {
		return 0
	}
	return v.EntOrd(p.Pins[0][0].Value)
}

func (v *View) spendCounted(cat *catalogue.Catalogue, p *SpendPath) (ready bool, err error) {
	if len(p.Counted) > 0 && cat.Attribution[bursar.SpendTokenKey] != bursar.SpendTokenType {
		return false, errSpend("the entity type %s with the attribution key %s is not there to count its caps on", bursar.SpendTokenType, bursar.SpendTokenKey)
	}
	parent := v.spendRoot(p)
	for i := range p.Counted {
		c := &p.Counted[i]
		ord := v.EntOrd(c.ID)
		if ord == 0 {
			return false, nil
		}
		switch e := v.Ent(ord); {
		case e.Archived != 0:
			return false, errSpend("the entity %s that it is counted on is archived", c.ID)
		case e.Parent != parent || v.typeID(e.Typ) != bursar.SpendTokenType:
			return false, errSpend("the entity %s that it is counted on is of another type or was moved", c.ID)
		}
		for _, limit := range c.Caps {
			if v.FindRow(Target{Ent: ord}, v.CapOrd(limit.Capability), spendCapLabel) == 0 {
				return false, nil
			}
		}
		parent = ord
	}
	return true, nil
}

// EnterSpend makes what a token is counted on, where that is not there.
type EnterSpend struct {
	Caller catalogue.Caller
	Path   SpendPath
}

func (o *EnterSpend) Decide(d *Decider) (any, error) {
	ready, err := d.SpendsOn(d.Cat, &o.Path)
	if ready || err != nil {
		return ready, err
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	parent := d.spendRoot(&o.Path)
	var limits []bursar.AssignmentInput
	for i := range o.Path.Counted {
		c := &o.Path.Counted[i]
		if d.EntOrd(c.ID) == 0 {
			d.sweepSpend(&o.Caller, parent)
			if err := o.makeEntity(d, c, parent); err != nil {
				return nil, err
			}
		}
		parent = d.EntOrd(c.ID)
		for _, limit := range c.Caps {
			if d.FindRow(Target{Ent: parent}, d.CapOrd(limit.Capability), spendCapLabel) == 0 {
				limits = append(limits, spendLimit(c.ID, limit))
			}
		}
	}
	if len(limits) > 0 {
		if _, err := (&PutAssignments{Caller: o.Caller, In: limits}).Decide(d); err != nil {
			return nil, errSpend("its caps cannot be counted: %v", err)
		}
	}
	return true, nil
}

func (o *EnterSpend) Size() int { return len(o.Path.Counted) }

func (o *EnterSpend) makeEntity(d *Decider, c *SpendEntity, parent uint32) error {
	in := bursar.EntityInput{ID: c.ID, EntityTypeID: bursar.SpendTokenType, Metadata: map[string]string{spendEndMeta: c.Expires.Std().UTC().Format(time.RFC3339)}}
	if c.Label != "" {
		in.DisplayName = bursar.Some(c.Label)
	}
	if parent != 0 {
		in.ParentID = bursar.Some(d.Ent(parent).ID)
	}
	if _, err := (&PutEntities{Caller: o.Caller, In: []bursar.EntityInput{in}}).Decide(d); err != nil {
		return errSpend("it cannot be counted: %v", err)
	}
	return nil
}

// spendLimit is a cap as a limit: it counts for as long as there are windows, from before the
// token was made, so that no usage of another time is beside it.
func spendLimit(entity string, limit bursar.CapabilityAmount) bursar.AssignmentInput {
	return bursar.AssignmentInput{EntityID: entity, Capability: limit.Capability, Label: spendCapLabel, UsageLimit: bursar.Some(limit.Amount),
		Cadence: bursar.Some(bursar.Cadence{N: 100, Unit: bursar.UnitYear}), Timezone: bursar.Some("UTC"), Enforcement: bursar.Some(bursar.Hard)}
}

// sweepSpend archives some entities of tokens that have ended, of those just below parent.
func (d *Decider) sweepSpend(caller *catalogue.Caller, parent uint32) {
	var ended []uint32
	d.EachChild(parent, func(ord uint32) {
		e := d.Ent(ord)
		if len(ended) == maxSpendSwept || e.Archived != 0 || d.typeID(e.Typ) != bursar.SpendTokenType {
			return
		}
		if end, err := time.Parse(time.RFC3339, e.Meta[spendEndMeta]); err == nil && bursar.TimeOf(end) < d.Now {
			ended = append(ended, ord)
		}
	})
	for _, ord := range ended {
		d.setArchived(caller, ord, true)
	}
}

// LeaveSpend archives the entity of a token that is over, and what is below it. The reply
// tells whether there is more to archive.
type LeaveSpend struct {
	Caller catalogue.Caller
	ID     string
}

func (o *LeaveSpend) Decide(d *Decider) (any, error) {
	root := d.EntOrd(o.ID)
	if root == 0 || d.typeID(d.Ent(root).Typ) != bursar.SpendTokenType {
		return false, nil
	}
	var live []uint32
	var walk func(ord uint32)
	walk = func(ord uint32) {
		if e := d.Ent(ord); e.Archived == 0 && d.typeID(e.Typ) == bursar.SpendTokenType && len(live) <= maxSpendLeaves {
			live = append(live, ord)
		}
		d.EachChild(ord, walk)
	}
	walk(root)
	more := len(live) > maxSpendLeaves
	for _, ord := range live[:min(len(live), maxSpendLeaves)] {
		d.setArchived(&o.Caller, ord, true)
	}
	return more, nil
}

// NoteSpendToken checks what a new spend token is pinned to, and leaves its audit entry.
type NoteSpendToken struct {
	Caller catalogue.Caller
	Token  bursar.SpendToken
	Pins   []bursar.Dimension // its entities
}

func (o *NoteSpendToken) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	entity := ""
	for _, pin := range o.Pins {
		at := "/entities/" + pin.Key
		typ, ord := d.Cat.Attribution[pin.Key], d.EntOrd(pin.Value)
		switch {
		case typ == "":
			p.Add(at, bursar.CodeValidationFailed, "%q is the attribution key of no entity type; a plain dimension belongs in dimensions", pin.Key)
		case pin.Key == bursar.SpendTokenKey:
			p.Add(at, bursar.CodeValidationFailed, "the entities of spend tokens are made by the server")
		case ord == 0 || d.typeID(d.Ent(ord).Typ) != typ:
			p.Add(at, bursar.CodeEntityNotFound, "there is no entity %q of the type %s", pin.Value, typ)
		case d.Ent(ord).Archived != 0:
			p.Add(at, bursar.CodeValidationFailed, "the entity %q is archived", pin.Value)
		}
		if entity == "" {
			entity = pin.Value
		}
	}
	for key := range o.Token.Dimensions {
		if d.Cat.Attributes(key) {
			p.Add("/dimensions/"+key, bursar.CodeValidationFailed, "%q names entities: it belongs in entities", key)
		}
	}
	for i := range o.Token.Caps {
		d.capabilityOK(o.Token.Caps[i].Capability(), false, "/caps/"+strconv.Itoa(i), &p)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	d.audit(&o.Caller, catalogue.SpendTokenCreated, "spend_token", o.Token.ID, entity, nil, o.Token)
	return o.Token, nil
}

// EndSpendToken leaves the audit entry of a revocation.
type EndSpendToken struct {
	Caller catalogue.Caller
	Token  bursar.SpendToken
}

func (o *EndSpendToken) Decide(d *Decider) (any, error) {
	before := o.Token
	before.RevokedAt = nil
	d.audit(&o.Caller, "spend_token.revoked", "spend_token", o.Token.ID, "", before, o.Token)
	return o.Token, nil
}
