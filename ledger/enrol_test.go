package ledger

import (
	"fmt"
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
	if d.mostEnrolled != bursar.MaxEnrolEntities {
		t.Errorf("the bound is %d", d.mostEnrolled)
	}
	d.mostEnrolled = 3
	for i, id := range []string{"first", "second", "last", "late", "later"} {
		d.enrolled = nil
		asked := d.enrol([]bursar.Dimension{{Key: "user", Value: id}})
		why := d.notEnrolled(&missing{typ: "user", id: id})
		if there := d.EntOrd(id) != 0; !asked || there != (i < 3) || strings.Contains(why, "has 3 entities") == there {
			t.Errorf("%s is there: %v, %q", id, there, why)
		}
	}
}

// However many a request enrols, ids like theirs are looked for a bounded number of times.
func TestLikesOfNewcomersAreBounded(t *testing.T) {
	cat := catalogue.NewCatalogue()
	cat.TypeOf["user"] = &bursar.EntityType{ID: "user", AttributionKeys: []string{"user"}, Enrolment: &bursar.Enrolment{}}
	cat.Attribution["user"], cat.Enrols = "user", true
	d := &Decider{View: NewView(NewState(), 1), Cat: cat}
	d.newCustomer = &bursar.Customer{ID: "acme"}
	for i := range 2 * maxNear {
		d.enrol([]bursar.Dimension{{Key: "user", Value: fmt.Sprintf("newcomer-%d", i)}})
	}
	if n := len(d.enrolled.like); n == 0 || n >= maxNear || d.looked != maxNear || d.EntOrd(fmt.Sprintf("newcomer-%d", 2*maxNear-1)) == 0 {
		t.Errorf("%d are told whom they are like after %d were looked at", n, d.looked)
	}
}

// What a rehearsal records is as much as what it rehearses will: how large a request may be is found
// out by it.
func TestRehearsedEnrolmentIsAsLarge(t *testing.T) {
	cat := catalogue.NewCatalogue()
	cat.TypeOf["user"] = &bursar.EntityType{ID: "user", AttributionKeys: []string{"user"}, Enrolment: &bursar.Enrolment{}}
	cat.Attribution["user"], cat.Enrols = "user", true
	var recs [2]int
	for i, rehearsal := range []bool{false, true} {
		d := &Decider{View: NewView(NewState(), 1), Cat: cat, Rehearsal: rehearsal}
		d.newCustomer = &bursar.Customer{ID: "acme"}
		d.enrol([]bursar.Dimension{{Key: "user", Value: "ann"}})
		recs[i] = len(d.Recs)
	}
	if recs[0] != 3 || recs[1] != recs[0] { // the type's name, the entity and the activity
		t.Errorf("records: %d", recs)
	}
}
