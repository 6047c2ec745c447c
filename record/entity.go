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
	r.Ent = Entity{ID: d.string(), Typ: d.ord(), Parent: d.ord()}
	details := Details{Name: d.optString(), Meta: d.stringMap()}
	r.Ent.Created, r.Ent.Updated, details.Archived = d.time(), d.time(), d.time()
	r.Ent = r.Ent.With(details)
}

type Entity struct {
	ID string
	*Details
	Typ     uint32
	Parent  uint32 // 0 = root
	Created bursar.Time
	Updated bursar.Time
}

// Details are what most entities have none of. Entities may share them, so they are changed in a
// copy of one's own: see Entity.Own.
type Details struct {
	Name     *string
	Meta     map[string]string
	Archived bursar.Time // 0 = live
}

var noDetails Details

// Memory is about how many bytes d takes that no other entity shares.
func (d *Details) Memory() (n int64) {
	if d.Name == nil && d.Meta == nil && d.Archived == 0 {
		return 0
	}
	n = 24
	if d.Name != nil {
		n += 24 + int64(len(*d.Name))
	}
	if d.Meta != nil {
		n += 48
	}
	for key, value := range d.Meta {
		n += 56 + int64(len(key)+len(value))
	}
	if len(d.Meta) > 0 { // room for eight comes at once
		n += 34 * int64(max(0, 8-len(d.Meta)))
	}
	return n
}

// With is e with details.
func (e Entity) With(d Details) Entity {
	if e.Details = &noDetails; d.Name != nil || d.Meta != nil || d.Archived != 0 {
		own := d
		e.Details = &own
	}
	return e
}

// Own gives e details that no other entity has, to be changed.
func (e *Entity) Own() {
	d := *e.Details
	e.Details = &d
}
