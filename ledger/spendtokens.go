package ledger

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// The HTTP layer reads a spend token and judges it. What is used with a token is counted as all
// usage is: a token with caps has an entity below the one that it is pinned to, its caps are limits
// of that entity, and its requests name it. This file decides that a token spends only while all
// of that is there.

const (
	spendCapLabel  = "spend-token"
	spendEndMeta   = "expiresAt"
	spendMadeMeta  = "made"
	spendSweeps    = 128 // after so many new entities and caps below one root, those of ended tokens are archived
	maxSpendLeaves = 500 // archived in one commit
)

func errSpend(format string, args ...any) error {
	return bursar.Errorf(bursar.CodeForbidden, "this spend token may not spend: "+format, args...)
}

// SpendsOn tells how many of the entities and caps that a token is counted on are missing, and are
// yet to be made. It is an error when the token is pinned to an entity that is not there, or is
// archived, or is not at or below what the token that it was made from is pinned to.
func (v *View) SpendsOn(cat *catalogue.Catalogue, p *catalogue.SpendPath) (missing int, err error) {
	var above []uint32
	for i, pins := range p.Pins {
		ords := make([]uint32, 0, len(pins))
		for _, pin := range pins {
			ord, typ := v.EntOrd(pin.Value), cat.Attribution[pin.Key]
			switch {
			case ord == 0 || typ == "" || v.typeID(v.Ent(ord).Typ) != typ:
				return 0, errSpend("it is pinned to %s %q, and there is no such entity", pin.Key, pin.Value)
			case v.Ent(ord).Archived != 0:
				return 0, errSpend("it is pinned to %s %q, which is archived", pin.Key, pin.Value)
			case i > 0 && !slices.ContainsFunc(above, func(a uint32) bool { return v.within(ord, a) }):
				return 0, errSpend("it is pinned to %s %q, which is not below what the token that it was made from is pinned to", pin.Key, pin.Value)
			}
			ords = append(ords, ord)
		}
		above = ords
	}
	return v.spendCounted(cat, p)
}

// spendRoot is the entity above the first of the counted ones; 0 = none.
func (v *View) spendRoot(p *catalogue.SpendPath) uint32 {
	if len(p.Pins) == 0 || len(p.Pins[0]) == 0 {
		return 0
	}
	return v.EntOrd(p.Pins[0][0].Value)
}

func (v *View) spendCounted(cat *catalogue.Catalogue, p *catalogue.SpendPath) (missing int, err error) {
	if len(p.Counted) > 0 && cat.Attribution[bursar.SpendTokenKey] != bursar.SpendTokenType {
		return 0, errSpend("the entity type %s with the attribution key %s is not there to count its caps on", bursar.SpendTokenType, bursar.SpendTokenKey)
	}
	parent := v.spendRoot(p)
	for i := range p.Counted {
		c := &p.Counted[i]
		ord := v.EntOrd(c.ID)
		if ord == 0 {
			return weigh(p.Counted[i:]), nil // nothing is below what is not there
		}
		switch e := v.Ent(ord); {
		case e.Archived != 0:
			return 0, errSpend("the entity %s that it is counted on is archived", c.ID)
		case e.Parent != parent || v.typeID(e.Typ) != bursar.SpendTokenType:
			return 0, errSpend("the entity %s that it is counted on is of another type or was moved", c.ID)
		}
		for _, limit := range c.Caps {
			if v.ownRow(ord, v.CapOrd(limit.Capability), spendCapLabel) == 0 {
				return 0, errSpend("its cap on %s was deleted", limit.Capability)
			}
		}
		parent = ord
	}
	return 0, nil
}

// EnterSpend makes what a token is counted on, where that is not there.
type EnterSpend struct {
	Caller catalogue.Caller
	Path   catalogue.SpendPath
}

func (o *EnterSpend) Decide(d *Decider) (any, error) {
	missing, err := d.SpendsOn(d.Cat, &o.Path)
	if missing == 0 || err != nil {
		return true, err
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	if err := d.roomForSpend(&o.Path, missing); err != nil {
		return nil, err
	}
	parent := d.spendRoot(&o.Path)
	var limits []bursar.AssignmentInput
	for i := range o.Path.Counted {
		c := &o.Path.Counted[i]
		if d.EntOrd(c.ID) == 0 {
			if err := o.makeEntity(d, c, parent); err != nil {
				return nil, err
			}
			for _, limit := range c.Caps {
				if !d.addsUp(limit.Capability) {
					return nil, errSpend("its cap on %s cannot be counted: that does not add up", limit.Capability)
				}
				limits = append(limits, spendLimit(c.ID, limit))
			}
		}
		parent = d.EntOrd(c.ID)
	}
	if len(limits) > 0 {
		if _, err := (&PutAssignments{Caller: o.Caller, In: limits}).Decide(d); err != nil {
			return nil, errSpend("its caps cannot be counted: %v", err)
		}
	}
	d.noteSpendMade(&o.Caller, &o.Path, missing)
	return true, nil
}

func (o *EnterSpend) Size() int { return len(o.Path.Counted) }

// capsToken tells whether a limit is the cap of a token that may still spend.
func (v *View) capsToken(row uint32) bool {
	def := v.Def(row)
	return def.Label == spendCapLabel && def.Ent != 0 && v.Ent(def.Ent).Archived == 0 && v.typeID(v.Ent(def.Ent).Typ) == bursar.SpendTokenType
}

// addsUp tells whether usage of a capability adds up, so that a cap on it bounds it.
func (d *Decider) addsUp(c bursar.Capability) bool {
	f := d.Cat.FeatureOf[c.ID]
	return c.Kind == bursar.KindCurrency || f == nil || f.Meter == nil || catalogue.Summing(f.Meter)
}

// weigh is how many entities and caps are made to count tokens on counted.
func weigh(counted []catalogue.SpendEntity) (n int) {
	for i := range counted {
		n += 1 + len(counted[i].Caps)
	}
	return n
}

// roomForSpend is an error where so much was made below an entity of p that there is no room for
// more. Below the first there is room for bursar.MaxSpendMade, below each of the others, whose
// tokens a holder made, for a tenth of it.
func (d *Decider) roomForSpend(p *catalogue.SpendPath, more int) error {
	for i := range p.Counted {
		ord, most := d.EntOrd(p.Counted[i].ID), bursar.MaxSpendMade
		if i > 0 {
			most /= 10
		}
		if ord == 0 {
			break // it is new, and more is for at most 16 tokens: there is room
		}
		made, err := strconv.Atoi(d.Ent(ord).Meta[spendMadeMeta])
		if err != nil || made < 0 || made > most-more {
			return errSpend("%s entities and caps were made for tokens that were made from %s, at most %d may be: make another token with an API key", d.Ent(ord).Meta[spendMadeMeta], p.Counted[i].ID, most)
		}
	}
	return nil
}

// noteSpendMade keeps how much was made below each entity of p, and now and then archives those
// of tokens that have ended.
func (d *Decider) noteSpendMade(caller *catalogue.Caller, p *catalogue.SpendPath, more int) {
	sweep := false
	for i := range p.Counted {
		ord := d.EntOrd(p.Counted[i].ID)
		e := *d.Ent(ord)
		made, _ := strconv.Atoi(e.Meta[spendMadeMeta]) // roomForSpend has read it
		e.Own()
		e.Meta = maps.Clone(e.Meta)
		e.Meta[spendMadeMeta] = strconv.Itoa(made + more)
		d.Emit(&record.EntityPut{Ord: ord, Ent: e})
		sweep = sweep || i == 0 && made/spendSweeps != (made+more)/spendSweeps
	}
	if !sweep {
		return
	}
	for _, ord := range d.spendBelow(d.EntOrd(p.Counted[0].ID), func(e *record.Entity) bool {
		end, err := time.Parse(time.RFC3339, e.Meta[spendEndMeta])
		return err == nil && bursar.TimeOf(end) < d.Now
	}) {
		d.setArchived(caller, ord, true)
	}
	d.touched, d.below = nil, nil // archiving takes no share of a strict limit, so there is nothing to check
}

// spendBelow are entities of tokens, at and below root, that are live and of which meet is true. It
// finds maxSpendLeaves and one more at most, of at most bursar.MaxSpendMade that there are.
func (d *Decider) spendBelow(root uint32, meet func(*record.Entity) bool) (live []uint32) {
	var walk func(ord uint32)
	walk = func(ord uint32) {
		e := d.Ent(ord)
		if d.typeID(e.Typ) != bursar.SpendTokenType || len(live) > maxSpendLeaves {
			return
		}
		if e.Archived == 0 && meet(e) {
			live = append(live, ord)
		}
		d.eachChild(ord, walk)
	}
	walk(root)
	return live
}

func (o *EnterSpend) makeEntity(d *Decider, c *catalogue.SpendEntity, parent uint32) error {
	in := bursar.EntityInput{ID: c.ID, EntityTypeID: bursar.SpendTokenType, Metadata: map[string]string{spendEndMeta: c.Expires.Std().UTC().Format(time.RFC3339), spendMadeMeta: "0"}}
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

// spendLimit is a cap as a limit. Its window, of 100 years, began before the token was made: so
// all of the token's usage counts on it.
func spendLimit(entity string, limit bursar.CapabilityAmount) bursar.AssignmentInput {
	return bursar.AssignmentInput{EntityID: entity, Capability: limit.Capability, Label: spendCapLabel, UsageLimit: bursar.Some(limit.Amount),
		Cadence: bursar.Some(bursar.Cadence{N: 100, Unit: bursar.UnitYear}), Timezone: bursar.Some("UTC"), Enforcement: bursar.Some(bursar.Hard)}
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
	live := d.spendBelow(root, func(*record.Entity) bool { return true })
	more := len(live) > maxSpendLeaves
	for _, ord := range live[:min(len(live), maxSpendLeaves)] {
		d.setArchived(&o.Caller, ord, true)
	}
	d.touched, d.below = nil, nil
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
		of, at := o.Token.Caps[i].Capability(), "/caps/"+strconv.Itoa(i)
		d.capabilityOK(of, false, at, &p)
		if !d.addsUp(of) {
			p.Add(at, bursar.CodeValidationFailed, "usage of %s does not add up, so that a cap would bound nothing", of)
		}
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
