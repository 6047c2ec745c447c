package record

import (
	"github.com/bursarhq/bursar/store"
)

type Activity struct{ Entry store.Activity }

func (*Activity) Kind() Kind { return kindActivity }

func (r *Activity) encode(e *Encoder) {
	a := &r.Entry
	e.Time(a.Timestamp)
	for _, s := range []string{a.ActorType, a.ActorID, a.Subject, a.Action, a.TargetType, a.TargetID, a.EntityID, a.RequestID} {
		e.String(s)
	}
	e.Bytes(a.Before)
	e.Bytes(a.After)
}

func (r *Activity) decode(d *Decoder) {
	a := &r.Entry
	a.Timestamp = d.time()
	for _, s := range []*string{&a.ActorType, &a.ActorID, &a.Subject, &a.Action, &a.TargetType, &a.TargetID, &a.EntityID, &a.RequestID} {
		*s = d.string()
	}
	a.Before, a.After = d.bytes(), d.bytes()
}
