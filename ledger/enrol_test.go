package ledger

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// A customer enrols until it has as many entities as one may have for that, and says so then.
func TestEnrolmentIsBounded(t *testing.T) {
	cat := catalogue.NewCatalogue()
	cat.TypeOf["user"] = &bursar.EntityType{ID: "user", AttributionKeys: []string{"user"}, Enrolment: &bursar.Enrolment{}}
	cat.Attribution["user"], cat.Enrols = "user", true
	d := &Decider{View: NewView(NewState(), 1), Cat: cat}
	d.newCustomer = &bursar.Customer{ID: "acme"}
	d.entCount = bursar.MaxEnrolEntities // one less than there may be: numbers begin at 1
	for i, id := range []string{"last", "late"} {
		d.enrolled = nil
		some := d.enrol([]bursar.Dimension{{Key: "user", Value: id}})
		why := d.notEnrolled(&missing{typ: "user", id: id})
		if there := d.EntOrd(id) != 0; !some || there != (i == 0) || strings.Contains(why, "250000 entities") == there {
			t.Errorf("%s is there: %v, %q", id, there, why)
		}
	}
}
