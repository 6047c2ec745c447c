package record

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// Promotion says what the customer's own limit of a feature is, and on which row; with Deleted,
// that the feature has none any more.
type Promotion struct {
	Cap, Row  uint32
	Deleted   bool
	Promotion bursar.Promotion
}

func (*Promotion) Kind() Kind { return kindPromotion }

func (r *Promotion) encode(e *Encoder) {
	e.Ord(r.Cap)
	e.Ord(r.Row)
	e.Bool(r.Deleted)
	b, _ := json.Marshal(&r.Promotion) // no type in it can fail
	e.Bytes(b)
}

func (r *Promotion) decode(d *Decoder) {
	r.Cap, r.Row, r.Deleted = d.ord(), d.ord(), d.bool()
	if json.Unmarshal(d.view(), &r.Promotion) != nil {
		d.fail()
	}
}
