package record

import "github.com/bursarhq/bursar"

// DegradePolicy says how to go on as the limits of an entity fill up.
type DegradePolicy struct {
	ID      [16]byte
	Ent     uint32
	Cap     uint32 // 0 = all
	Created bursar.Time
	Updated bursar.Time
	Steps   []bursar.DegradeStep
}

// DegradePut makes the policy of an entity and a capability, or puts another in its place.
type DegradePut struct{ Policy DegradePolicy }

func (*DegradePut) Kind() Kind { return kindDegrade }

func (r *DegradePut) encode(e *Encoder) {
	p := &r.Policy
	e.Hash(p.ID)
	e.Ord(p.Ent)
	e.Ord(p.Cap)
	e.Time(p.Created)
	e.Time(p.Updated)
	e.Uint(uint64(len(p.Steps)))
	for _, s := range p.Steps {
		e.Uint(uint64(s.AtPercent))
		e.String(string(s.Level))
		e.String(s.Model)
		e.stringMap(s.Models)
		e.Uint(uint64(s.MaxTokens))
		e.Bool(s.NoTools)
		e.String(s.Message)
	}
}

func (r *DegradePut) decode(d *Decoder) {
	p := DegradePolicy{ID: d.hash(), Ent: d.ord(), Cap: d.ord(), Created: d.time(), Updated: d.time()}
	for range d.count() {
		p.Steps = append(p.Steps, bursar.DegradeStep{AtPercent: int(d.uint()), Level: bursar.AdviceLevel(d.string()), Model: d.string(), Models: d.stringMap(),
			MaxTokens: int64(d.uint()), NoTools: d.bool(), Message: d.string()})
	}
	r.Policy = p
}

// DegradeDeleted takes the policy of an entity and a capability away.
type DegradeDeleted struct{ Ent, Cap uint32 }

func (*DegradeDeleted) Kind() Kind { return kindDegradeEnd }

func (r *DegradeDeleted) encode(e *Encoder) {
	e.Ord(r.Ent)
	e.Ord(r.Cap)
}

func (r *DegradeDeleted) decode(d *Decoder) { r.Ent, r.Cap = d.ord(), d.ord() }
