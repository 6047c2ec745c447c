package ledger

import (
	"encoding/json"
	"testing"

	"github.com/bursarhq/bursar/record"
)

// What paths are written as is read as the same paths, and nothing else is taken for paths.
func TestPathsPart(t *testing.T) {
	paths := pathsPart{}
	for _, p := range [][]record.Hop{{}, {{Ent: 1}}, {{Ent: 1<<32 - 1, Child: 1<<32 - 1}, {Ent: 10, Child: 9}}, {{Ent: 7}, {Ent: 300, Child: 7}, {Ent: 5, Child: 300}}} {
		paths = append(paths, pathText(p))
	}
	for n := range len(paths) + 1 {
		b, err := json.Marshal(paths[:n])
		if err != nil {
			t.Fatal(err)
		}
		var again pathsPart
		if err := json.Unmarshal(b, &again); err != nil || len(again) != n {
			t.Fatalf("%s: %d paths, %v", b, len(again), err)
		}
		for i, p := range again {
			if p != paths[i] {
				t.Errorf("%s: path %d is %v", b, i, decodePath(p))
			}
		}
	}
	for _, text := range []string{`[[[4294967296,0]]]`, `[[[1,2,3]]]`, `[[["1",2]]]`, `[[[[1,2]]]]`, `[[[-1,2]]]`, `{"a":1}`, `[[[1.5,2]]]`, `[[[null,2]]]`, `[1]`} {
		var p pathsPart
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s is taken for %q", text, p)
		}
	}
}
