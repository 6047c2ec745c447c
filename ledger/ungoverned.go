package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// Use is ungoverned where nothing limits it, as WarnUngoverned says. What becomes of it is
// said by the types of whom a request names, or was to name; of several the strictest decides.
// A request that names nobody is the environment's. What happened already is counted all the same.

// ungoverned is what becomes of a request that nothing limits, and by whom: the dimension that
// says so, with the type and the id that it gives; none of them is set where the environment does.
func (v *View) ungoverned(cat *catalogue.Catalogue, r *Resolved) (policy bursar.Ungoverned, by missing) {
	says := func(m missing) {
		if p := cat.Ungoverned(m.typ); policy == "" || p == bursar.UngovernedDeny && policy != p || p == bursar.UngovernedWarn && policy == bursar.UngovernedAllow {
			policy, by = p, m
		}
	}
	for _, leaf := range r.Leaves {
		says(missing{typ: v.typeID(v.Ent(leaf).Typ), id: v.Ent(leaf).ID})
	}
	for i := range r.missing {
		says(r.missing[i])
	}
	for _, u := range r.unknown {
		if u.same {
			says(missing{key: u.key, typ: u.typ})
		}
	}
	if policy == "" {
		says(missing{})
	}
	return policy, by
}

// judgeUngoverned denies d, which is about c, where nothing limits what r asks for and that is
// denied.
func (v *View) judgeUngoverned(cat *catalogue.Catalogue, r *Resolved, c bursar.Capability, d *bursar.Decision) {
	if !d.Granted {
		return
	}
	policy, by := v.ungoverned(cat, r)
	if policy != bursar.UngovernedDeny {
		return
	}
	d.Granted, d.Reason, d.Because = false, bursar.CodeUngoverned, fmt.Sprintf("ungoverned: nothing limits this use of %s ", c)
	who := "the environment"
	if t := cat.TypeOf[by.typ]; t != nil && t.Ungoverned != "" {
		who = "type " + by.typ
	}
	switch {
	case by.typ == "":
		d.Because += fmt.Sprintf("by a request that names no entity, which %s denies: name one that a limit applies to", who)
	case by.key != "" && by.id != "":
		d.Because += fmt.Sprintf("by %q, whom the dimension %s names and who is no entity of type %s, which %s denies: correct the id, or create the entity with a limit on it or above it", by.id, by.key, by.typ, who)
	case by.key != "":
		d.Because += fmt.Sprintf("by whom the dimension %s was to name, which %s denies: correct the key, as it is no attribution key of type %s", by.key, who, by.typ)
	default:
		d.Because += fmt.Sprintf("by entity %q of type %s, which %s denies: set a limit on it, above it or by default; with usageLimit null it stops nothing", by.id, by.typ, who)
	}
}
