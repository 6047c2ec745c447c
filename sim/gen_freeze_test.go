package sim

// genFreeze freezes what may already be frozen, with the same or another reason, and thaws
// it soon enough that much is still granted.
func genFreeze(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := setFreeze{Customer: id, Entity: g.entity()}
	frozen := sortedKeys(c.freezes)
	if len(frozen) > 0 && !chance(g.r, 4) {
		a.Entity = pick(g.r, frozen)
		a.Freeze = chance(g.r, 5)
	} else {
		a.Freeze = !chance(g.r, 10)
		if chance(g.r, 8) {
			a.Entity = ""
		}
	}
	if a.Freeze && !chance(g.r, 30) {
		a.Reason = pick(g.r, []string{"runaway", "unpaid", "R&D says \"stop\""})
	}
	return a
}

func genListFreezes(g *gen) action { return listFreezes{g.customer()} }
