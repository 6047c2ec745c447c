package record

import (
	"reflect"
	"testing"

	"github.com/bursarhq/bursar"
)

// Terms are the same as their copy, and differ once any member of them does: else limits that say
// different things would share them.
func TestTermsSame(t *testing.T) {
	sched, err := NewSchedule("P1M", "UTC", false, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := Terms{Cap: 1, Label: "x", Scope: []uint32{}, Limit: bursar.AmountFromInt(1), Limited: true, Soft: true, Strict: true, Sched: sched,
		Thresholds: []int{}, ByDefault: true, Default: new(Default)}
	for i := range reflect.TypeFor[Terms]().NumField() {
		var a Terms
		to := reflect.ValueOf(&other).Elem().Field(i)
		if to.IsZero() {
			t.Fatalf("%s has no value here", reflect.TypeFor[Terms]().Field(i).Name)
		}
		b := a
		if reflect.ValueOf(&b).Elem().Field(i).Set(to); a.Same(&b) || b.Same(&a) {
			t.Errorf("terms with another %s are the same", reflect.TypeFor[Terms]().Field(i).Name)
		}
		if c := b; !b.Same(&c) {
			t.Errorf("terms with %s are not the same as their copy", reflect.TypeFor[Terms]().Field(i).Name)
		}
	}
}
