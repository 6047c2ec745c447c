package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// An id that names no entity leads to no limit. A request with such an id is denied where the
// environment, the entity type or the request is strict, and where the type enrols but could not
// enrol the id. Else there is a warning. A strict request has to name an entity, too. What happened
// already is counted all the same.

// judgeStrict denies d where r names no entity and has to.
func (v *View) judgeStrict(cat *catalogue.Catalogue, r *Resolved, d *bursar.Decision) {
	if !d.Granted {
		return
	}
	if d.Because = v.unnamed(cat, r); d.Because != "" {
		d.Granted, d.Reason = false, bursar.CodeEntityNotFound
	}
}

// unnamed says what of r names no entity and has to; "" = nothing.
func (v *View) unnamed(cat *catalogue.Catalogue, r *Resolved) string {
	for i := range r.missing {
		m := &r.missing[i]
		who, why := "strict", v.notEnrolled(m)
		if !r.strict && !cat.Strict(m.typ) {
			if why == "" && !(m.number && v.enrolsType(cat, m.typ)) {
				continue
			}
			who = "enrolment"
		}
		if m.number {
			return fmt.Sprintf("%s: the dimension %s is a number, and numbers of an event name nobody; send the id as a text", who, m.key)
		}
		s := fmt.Sprintf("%s: the dimension %s names no entity of type %s: there is none of id %q", who, m.key, m.typ, m.id)
		if why != "" {
			s += "; it is not enrolled: " + why
		}
		if near := v.near(m.typ, m.id); near != "" {
			s += fmt.Sprintf("; did you mean %q?", near)
		}
		return s
	}
	for _, u := range r.unknown {
		if r.strict || u.same && cat.Strict(u.typ) {
			return fmt.Sprintf("strict: the dimension %s names no entity, as that is no attribution key; did you mean %q?", u.key, u.like)
		}
	}
	if r.strict && len(r.Leaves) == 0 && len(r.missing) == 0 {
		return "strict: no dimension names an entity; the key of one has to be an attribution key of an entity type"
	}
	return ""
}
