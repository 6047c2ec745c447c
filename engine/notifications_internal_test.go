package engine

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
)

// TestDenialsToTellOfOneCustomer: a customer of which many limits deny within a second takes no other's place.
func TestDenialsToTellOfOneCustomer(t *testing.T) {
	k, err := newDenialKeeper(false)
	if err != nil {
		t.Fatal(err)
	}
	note := func(customer, assignment string) {
		d := &Denial{CustomerID: customer}
		d.Decision.Binding = &bursar.Binding{Source: bursar.BindingEntity, Node: bursar.Node{AssignmentID: assignment}}
		k.noteToTell(d)
	}
	for i := range 20_000 {
		note("loud", fmt.Sprint(i))
	}
	note("quiet", "a")
	if n := len(k.toTell["loud"]); n != denialsToTell || len(k.toTell["quiet"]) != 1 {
		t.Errorf("%d of the loud one, %d of the other", n, len(k.toTell["quiet"]))
	}
	for i := range 2 * denialsToTellInAll {
		note(fmt.Sprint("c", i), "a")
	}
	if n := len(k.toTell); n > denialsToTellInAll || n < denialsToTellInAll-denialsToTell {
		t.Errorf("denials of %d customers are to be told of", n)
	}
}
