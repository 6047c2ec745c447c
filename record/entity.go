package record

import (
	"strings"

	"github.com/bursarhq/bursar"
)

// Matches tells whether the id or the name contains search, which is lower case.
func (e *Entity) Matches(search string) bool {
	return search == "" || strings.Contains(strings.ToLower(e.ID), search) || e.Name != nil && strings.Contains(strings.ToLower(*e.Name), search)
}

type EntityPut struct {
	Ord uint32 // an existing number, or the next one
	Ent Entity
}

func (*EntityPut) Kind() Kind { return kindEntity }

func (r *EntityPut) encode(e *Encoder) {
	e.Ord(r.Ord)
	e.String(r.Ent.ID)
	e.Ord(r.Ent.Typ)
	e.Ord(r.Ent.Parent)
	e.optString(r.Ent.Name)
	e.stringMap(r.Ent.Meta)
	e.Time(r.Ent.Created)
	e.Time(r.Ent.Updated)
	e.Time(r.Ent.Archived)
}

func (r *EntityPut) decode(d *Decoder) {
	r.Ord = d.ord()
	r.Ent = Entity{ID: d.string(), Typ: d.ord(), Parent: d.ord(), Name: d.optString(), Meta: d.stringMap(),
		Created: d.time(), Updated: d.time(), Archived: d.time()}
}

type Entity struct {
	ID       string
	Name     *string
	Meta     map[string]string
	Typ      uint32
	Parent   uint32 // 0 = root
	Created  bursar.Time
	Updated  bursar.Time
	Archived bursar.Time // 0 = live
}
