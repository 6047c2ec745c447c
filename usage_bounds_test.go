package bursar

import (
	"fmt"
	"strings"
	"testing"
)

// TestMisspeltIsBounded: however many members and calls a usage object has, few names are compared
// with those that are read, and none that is 0.
func TestMisspeltIsBounded(t *testing.T) {
	object := func(value int) string {
		var members []string
		for i := range 200 {
			members = append(members, fmt.Sprintf(`"thing_number_%d": %d`, i, value))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	for value, want := range []int{0, 64} {
		calls := strings.Repeat(","+object(value), 5)[1:]
		r, err := ReadUsage([]byte(strings.TrimSuffix(object(value), "}") + `, "prompt_tokens": 1, "iterations": [` + calls + `]}`))
		if err != nil || r.reader.misspelt.compared != want {
			t.Errorf("%d names compared, want %d, %v", r.reader.misspelt.compared, want, err)
		}
	}
}
