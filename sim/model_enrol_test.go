package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// mEnrolment is whom a request makes entities of, and what the tree was before.
type mEnrolment struct {
	before map[string]bursar.Entity
	made   []string
	later  []string           // of them: those whom items enrol that come after the one that is told
	said   []bursar.Dimension // whom a request names by itself
	barred map[unnamed]bool   // who could not be, whatever the key
	like   map[string]string  // who was there already and may have been meant
	asks   bool               // the request only asks
}

// begins: a request begins that may enrol.
func (c *mCust) begins(asks bool) {
	c.enrolment = &mEnrolment{before: c.entities, barred: map[unnamed]bool{}, like: map[string]string{}, asks: asks}
}

// done: the request that enrols is recorded.
func (c *mCust) done() {
	c.stays()
	c.enrolment = nil
}

// stays: what was enrolled is there for good, and is told.
func (c *mCust) stays() {
	for _, id := range c.enrolment.made {
		c.tell(bursar.EventEntityCreated, map[string]any{"entity": c.entities[id]})
	}
}

// goes: what was enrolled was never there.
func (c *mCust) goes() {
	c.entities, c.enrolment = c.enrolment.before, nil
	c.settle()
}

// enrol makes those whom dims name that are not there, where their types say so.
func (c *mCust) enrol(dims []bursar.Dimension, now bursar.Time) { c.enrolOf(dims, dims, now) }

// enrolOf is enrol of those that are among said, too.
func (c *mCust) enrolOf(dims, said []bursar.Dimension, now bursar.Time) {
	if c.info.ArchivedAt != nil {
		return
	}
	c.enrolment.said = said
	for _, d := range sortedDims(dims) {
		c.enrolOne(dims, d, nil, now)
	}
	c.settle()
}

func (c *mCust) enrolOne(dims []bursar.Dimension, d bursar.Dimension, waiting []string, now bursar.Time) {
	typ := c.m.typeNamed(d.Key)
	who := unnamed{typ: typ, id: d.Value}
	if typ == "" || c.m.types[typ].Enrolment == nil || c.enrolment.barred[who] || slices.Contains(waiting, fmt.Sprint(who)) || !slices.Contains(c.enrolment.said, d) {
		return
	}
	if e, known := c.entities[d.Value]; known && e.EntityTypeID == typ {
		return
	}
	rule, parent := c.m.types[typ].Enrolment, ""
	for _, key := range rule.ParentKeys {
		for _, p := range dims {
			if p.Key != key || parent != "" {
				continue
			}
			c.enrolOne(dims, p, append(waiting, fmt.Sprint(who)), now)
			if e, known := c.entities[p.Value]; known && e.ArchivedAt == nil && e.EntityTypeID == c.m.typeNamed(key) {
				parent = p.Value
			}
		}
	}
	if rule.ParentID != nil && parent == "" {
		parent = *rule.ParentID
	}
	rootless := parent == "" && rule.ParentID == nil && len(rule.ParentKeys) > 0
	if _, known := c.entities[parent]; rootless || parent != "" && !known {
		c.enrolment.barred[who] = true
		return
	}
	tree := maps.Clone(c.entities)
	if _, taken := tree[d.Value]; taken {
		c.enrolment.barred[who] = true
		return
	}
	e := update(bursar.Entity{ID: d.Value, EntityTypeID: typ, CreatedAt: now.Milli()}, bursar.EntityInput{}, now)
	if parent != "" {
		e.ParentID = &parent
	}
	tree[d.Value] = e
	above := ancestors(tree, d.Value)
	if bursar.CheckEntityID(d.Value) != nil || len(above) >= bursar.MaxDepth || parent != "" && tree[parent].ArchivedAt != nil || c.wouldShare(tree, d.Value) {
		c.enrolment.barred[who] = true
		return
	}
	c.enrolment.like[d.Value] = c.like(typ, d.Value)
	c.entities = tree
	c.enrolment.made = append(c.enrolment.made, d.Value)
}

// wouldShare: some strict limit is shared out to somebody.
func (c *mCust) wouldShare(tree map[string]bursar.Entity, id string) bool {
	for _, r := range c.rows {
		if r.allocation == "strict" && tree[r.entity].ArchivedAt == nil && len(r.scope) == 0 &&
			slices.ContainsFunc(c.shares(tree, r), func(s *mRow) bool { return s.entity == id }) {
			return true
		}
	}
	return false
}

// enrolEnd is enrolEvent of what ends a reservation: of those whom it names and the reservation does not stand for.
func (c *mCust) enrolEnd(x bursar.EventInput, said []bursar.Dimension, now bursar.Time) {
	if c.recorded(x) {
		c.enrolOf(labelsOf(x.Dimensions), said, now)
	}
}

// enrolEvent is enrol of an event, if some meter takes it.
func (c *mCust) enrolEvent(x bursar.EventInput, now bursar.Time) {
	if c.recorded(x) {
		c.enrol(labelsOf(x.Dimensions), now)
	}
}

// enrolmentWarnings are those of the dimensions that name whom the request enrols, or cannot.
func (c *mCust) enrolmentWarnings(a attribution) (out []string) {
	if c.enrolment == nil {
		return nil
	}
	word := "ENROLLED:"
	if c.enrolment.asks {
		word = "WOULD_ENROL:"
	}
	for _, x := range a.matched {
		if slices.Contains(c.enrolment.made, x.id) {
			out = append(out, word+x.key)
			if id := c.enrolment.like[x.id]; id != "" {
				out = append(out, "DID_YOU_MEAN:"+x.key+"="+id)
			}
		}
	}
	for _, x := range a.ignored {
		if c.enrolment.barred[unnamed{typ: x.typ, id: x.id}] {
			out = append(out, "NOT_ENROLLED:"+x.key)
		}
	}
	return out
}

// judgeEnrolment judges what a type says of it.
func judgeEnrolment(p *problems, x catalogue.EntityTypeInput) {
	for j, key := range x.Enrolment.Value.ParentKeys {
		if slices.Contains(x.Enrolment.Value.ParentKeys[:j], key) {
			p.at(fmt.Sprintf("/enrolment/parentKeys/%d", j), bursar.CodeValidationFailed)
		}
	}
}

// judgeParentKeys: a key that says the parent is one of a type that is there in the end.
func judgeParentKeys(p *problems, types map[string]*bursar.EntityType, in []catalogue.EntityTypeInput) {
	if len(p.list) > 0 {
		return
	}
	for i, x := range in {
		for j, key := range x.Enrolment.Value.ParentKeys {
			if !keyTaken(types, "", key) {
				p.item = fmt.Sprintf("/types/%d", i)
				p.at(fmt.Sprintf("/enrolment/parentKeys/%d", j), bursar.CodeValidationFailed)
			}
		}
	}
}

// newcomers are ids that nobody makes by hand.
var newcomers = []string{"n0", "n1", "n2", "n3", "N4", "-n", "n00a", "n00b"}

// enrolment is what somebody says of it.
func (g *gen) enrolment() bursar.Enrolment {
	var x bursar.Enrolment
	for range g.r.IntN(3) {
		x.ParentKeys = append(x.ParentKeys, pick(g.r, keyNames[:7]))
	}
	if !chance(g.r, 5) {
		x.ParentKeys = slices.Compact(slices.Sorted(slices.Values(x.ParentKeys)))
	}
	if chance(g.r, 2) {
		id := g.entity()
		if chance(g.r, 2) {
			id = ""
		}
		x.ParentID = &id
	}
	return x
}
