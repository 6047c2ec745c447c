package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// Use is ungoverned where nothing limits it, as WarnUngoverned says. The types of the entities that a
// request names, or was to name, say what becomes of it; of several the strictest decides. If the
// request names nobody, the environment says it. What happened already is counted all the same.

// named is how a request names somebody, or was to.
type named struct {
	typ  string // "" = it names nobody
	leaf uint32 // the entity; 0 = there is none
	missing
	like string // the attribution key that was probably meant by the key
}

// ungoverned is what becomes of a request that nothing limits, and who makes it so.
func (v *View) ungoverned(cat *catalogue.Catalogue, r *Resolved) (policy bursar.Ungoverned, by named) {
	says := func(n named) {
		if p := cat.Ungoverned(n.typ); policy == "" || p == bursar.UngovernedDeny && policy != p || p == bursar.UngovernedWarn && policy == bursar.UngovernedAllow {
			policy, by = p, n
		}
	}
	for _, leaf := range r.Leaves {
		says(named{typ: v.typeID(v.Ent(leaf).Typ), leaf: leaf})
	}
	for _, m := range r.missing {
		says(named{typ: m.typ, missing: m})
	}
	for _, u := range r.unknown {
		if u.same {
			says(named{typ: u.typ, missing: missing{key: u.key}, like: u.like})
		}
	}
	if policy == "" {
		says(named{})
	}
	return policy, by
}

// judgeUngoverned denies d, which is about c, where ungoverned use by those whom r names is denied. It
// is called where nothing limits that use.
func (v *View) judgeUngoverned(cat *catalogue.Catalogue, r *Resolved, c bursar.Capability, d *bursar.Decision) {
	if !d.Granted {
		return
	}
	policy, by := v.ungoverned(cat, r)
	if policy != bursar.UngovernedDeny {
		return
	}
	who := "the environment"
	if t := cat.TypeOf[by.typ]; t != nil && t.Ungoverned != "" {
		who = "type " + by.typ
	}
	d.Granted, d.Reason = false, bursar.CodeUngoverned
	d.Because = fmt.Sprintf("ungoverned: nothing limits this use of %s, and %s denies that: %s", c, who, v.mendUngoverned(by))
}

// mendUngoverned says who is named, and what to do so that a limit applies.
func (v *View) mendUngoverned(by named) string {
	switch {
	case by.leaf != 0 && v.Ent(by.leaf).Archived != 0:
		return fmt.Sprintf("entity %q is archived, so its own limits do not count; restore it, or set a limit above it", v.Ent(by.leaf).ID)
	case by.leaf != 0 && v.newcomer(by.leaf):
		return fmt.Sprintf("entity %q of type %s would be enrolled under no limit: set a default limit of its type, or a limit on what it comes below; with usageLimit null it stops nothing", v.Ent(by.leaf).ID, by.typ)
	case by.leaf != 0:
		return fmt.Sprintf("set a limit on entity %q of type %s, above it or by default; with usageLimit null it stops nothing", v.Ent(by.leaf).ID, by.typ)
	case by.like != "":
		return fmt.Sprintf("the dimension %s is no attribution key; did you mean %q?", by.key, by.like)
	case by.number:
		return fmt.Sprintf("the dimension %s is a number, and numbers of an event name nobody; send the id as a text", by.key)
	case by.key != "":
		s := fmt.Sprintf("the dimension %s names no entity of type %s: there is none of id %q", by.key, by.typ, by.id)
		if near := v.near(by.typ, by.id); near != "" {
			s += fmt.Sprintf("; did you mean %q?", near)
		}
		return s
	}
	return "no dimension names an entity; name one that a limit applies to"
}

// judgeFree denies an event where ungoverned use is denied and nothing limits any usage that the
// event makes. It says so if a feature has a price but no matching rate: its cost might be limited.
func (a *admittedEvent) judgeFree(d *Decider) {
	usages := a.item.usages
	for i := range usages {
		if !usages[i].free {
			return
		}
	}
	if len(usages) == 0 {
		return
	}
	was := a.Granted
	d.judgeUngoverned(d.Cat, &a.path, usages[0].In.Capability(), &a.Decision)
	for i := range usages {
		if u := &usages[i]; was && !a.Granted && len(u.unpriced) > 0 {
			a.Because += fmt.Sprintf("; feature %s has a price in %s, but no rate matches: add one", u.In.FeatureID, u.unpriced[0])
			return
		}
	}
}

// nameNumbers notes the numbers of an event whose keys are attribution keys as missing: they name
// nobody, since numbers are measures. So they are denied where an id has to name an entity.
func (r *Resolved) nameNumbers(cat *catalogue.Catalogue, dims []bursar.Dimension) {
	for i := range dims {
		if typ := cat.Attribution[dims[i].Key]; typ != "" && dims[i].Kind == bursar.DimNumber {
			r.missing = append(r.missing, missing{key: dims[i].Key, typ: typ, id: dims[i].Value, number: true})
		}
	}
}
