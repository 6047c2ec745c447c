package sim

import "github.com/bursarhq/bursar"

// saysOf: what becomes of a request that nothing limits. Each type of an entity that it names
// or was to name has its say, as the environment has it where the type is silent; a request
// that names nobody is the environment's. The strictest counts.
func (c *mCust) saysOf(a attribution) bursar.Ungoverned {
	environment := c.m.settings.Ungoverned
	if environment == "" {
		environment = "warn"
	}
	said := map[bursar.Ungoverned]bool{}
	of := func(typ string) {
		if t := c.m.types[typ]; t.Ungoverned != "" {
			said[t.Ungoverned] = true
		} else {
			said[environment] = true
		}
	}
	for _, chain := range a.chains {
		of(c.entities[chain[0]].EntityTypeID)
	}
	for _, x := range a.ignored {
		of(x.typ)
	}
	for _, x := range a.unclear {
		all, _ := squeezed(x.key)
		if known, _ := squeezed(x.meant); all == known {
			of(x.typ)
		}
	}
	for _, u := range []bursar.Ungoverned{"deny", "warn", "allow"} {
		if said[u] {
			return u
		}
	}
	return environment
}

// denyUngoverned denies what nothing governs where that is said.
func (c *mCust) denyUngoverned(d *bursar.Decision, governed bool, a attribution) {
	if d.Granted && !governed && c.saysOf(a) == "deny" {
		d.Granted, d.Reason = false, bursar.CodeUngoverned
	}
}

// governsCall: something limits what an event moves, be it by nothing; what moves nothing
// needs no limit.
func (c *mCust) governsCall(all bursar.EventInput, a attribution, now bursar.Time, bounded ...string) bool {
	fed := false
	for _, f := range c.m.metersOf(all) {
		x, _ := atMost(f, all, bounded)
		if !takes(f.Meter, x) {
			continue
		}
		fed = true
		var prices []price
		if !extreme(f.Meter) {
			prices = c.m.pricesOf(f.ID, labelsOf(x.Dimensions), now)
		}
		if c.governed(featureOf(f.ID), prices, a, now) {
			return true
		}
	}
	return !fed
}

// ungoverned is what somebody says of use that nothing limits: seldom that it is denied.
func (g *gen) ungoverned() bursar.Ungoverned {
	return pick(g.r, []bursar.Ungoverned{"", "", "allow", "allow", "warn", "warn", "deny"})
}
