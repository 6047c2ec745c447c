package sim

import (
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// genPutDefaults makes tiers in few places, so that several are meant for one entity, and
// changes those that there are.
func genPutDefaults(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := putDefaults{Customer: id}
	for range 1 + g.r.IntN(3) {
		x := g.defaultInput(c)
		if slices.ContainsFunc(a.In, func(y bursar.DefaultInput) bool { return defaultKey(y) == defaultKey(x) }) && !chance(g.r, 10) {
			continue
		}
		a.In = append(a.In, x)
	}
	return a
}

func (g *gen) defaultInput(c *mCust) bursar.DefaultInput {
	l := g.assignmentInput(c)
	x := bursar.DefaultInput{EntityTypeID: skewed(g.r, []string{"user", "agent", "team", "org", "project", "region"}), Capability: l.Capability, Label: l.Label,
		UsageLimit: l.UsageLimit, Cadence: l.Cadence, Enforcement: l.Enforcement, AlertThresholds: l.AlertThresholds, Timezone: l.Timezone, Anchor: l.Anchor}
	if chance(g.r, 2) {
		x.EntityID = g.live(c)
	}
	if chance(g.r, 2) {
		x.Metadata = map[string]string{pick(g.r, []string{"a", "b"}): pick(g.r, []string{"1", "two"})}
		if chance(g.r, 3) {
			x.Metadata["a"] = "1"
		}
	}
	if n := len(c.defaults); n > 0 && (n > 12 || chance(g.r, 2)) {
		d := pick(g.r, c.defaults)
		x.EntityID, x.EntityTypeID, x.Metadata, x.Capability, x.Label = d.entity, d.typ, maps.Clone(d.when), d.cap, d.label
		if x.UsageLimit.Set && !chance(g.r, 3) {
			x.Cadence, x.Timezone, x.Anchor = bursar.Opt[bursar.Cadence]{}, bursar.Opt[string]{}, bursar.Opt[bursar.Time]{}
		}
	} else if !chance(g.r, 20) {
		x.UsageLimit, x.Cadence = bursar.Some(parse(pick(g.r, limits))), bursar.Some(randomCadence(g.r))
	}
	switch g.r.IntN(100) {
	case 0:
		x.EntityTypeID = "planet"
	case 1:
		x.EntityID = g.entity()
	case 2:
		x.Metadata = map[string]string{"a": ""}
	}
	return x
}

func genDeleteDefault(g *gen) action {
	id := g.customer()
	c := g.known(id)
	return deleteDefault{id, g.r.IntN(len(c.defaults) + 1 + chance1(g.r, 10))}
}

func genListDefaults(g *gen) action { return listDefaults{g.customer()} }
