package main

import (
	"bufio"
	"reflect"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// notInspected are columns of a limit that bursar inspect does not print, and why.
var notInspected = map[string]string{
	"Ord":        "it finds the limit's counter",
	"ID":         "the entity, the capability and the label name the limit",
	"Scope":      "its entities may be many",
	"Timezone":   "the window's start and end say what it comes to",
	"Anchor":     "the window's start and end say what it comes to",
	"Soft":       "it is not about what is used",
	"Strict":     "it is not about what is used",
	"Thresholds": "it is not about what is used",
	"CreatedAt":  "it is not about what is used",
	"UpdatedAt":  "it is not about what is used",
	"Deleted":    "no row that is loaded has it",
}

// TestInspectedColumns: each column of a limit is printed, or it is said why not.
func TestInspectedColumns(t *testing.T) {
	limit := bursar.AmountFromInt(7)
	line := func(a store.AssignmentRow) string {
		var b strings.Builder
		out := bufio.NewWriter(&b)
		(&inspected{entities: map[uint32]string{1: "ann"}, assignments: []store.AssignmentRow{a}}).print(out)
		out.Flush()
		return b.String()
	}
	row := store.AssignmentRow{EntityOrd: 1, Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}, Label: "daily", Limit: &limit, Cadence: "P1D"}
	whole := line(row)
	columns := reflect.TypeFor[store.AssignmentRow]()
	for i := range columns.NumField() {
		name := columns.Field(i).Name
		without := row
		reflect.ValueOf(&without).Elem().Field(i).SetZero()
		if printed := line(without) != whole; printed == (notInspected[name] != "") {
			t.Errorf("%s: printed %v; print it, or say in notInspected why not", name, printed)
		}
	}
	for name := range notInspected {
		if _, ok := columns.FieldByName(name); !ok {
			t.Errorf("a limit has no column %s", name)
		}
	}
}
