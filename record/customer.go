package record

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// The records of a customer's log. They hold resolved facts (numbers of rows, amounts
// that each row really took, windows), so that a replay needs neither the catalogue
// nor the zone data of their time.

type Customer struct{ Customer bursar.Customer }

func (*Customer) Kind() Kind { return kindCustomer }

func (r *Customer) encode(e *Encoder) {
	b, _ := json.Marshal(&r.Customer) // no type in it can fail
	e.Bytes(b)
}

func (r *Customer) decode(d *Decoder) {
	if json.Unmarshal(d.view(), &r.Customer) != nil {
		d.fail()
	}
}
