package ledger

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// What paths are written as is read as the same paths, packed or not, and nothing else is taken
// for paths.
func TestPathsPart(t *testing.T) {
	var paths [][]record.Hop
	var set pathSet
	for _, p := range [][]record.Hop{{}, {{Ent: 1}}, {{Ent: 1<<32 - 1, Child: 1<<32 - 1}, {Ent: 10, Child: 9}}, {{Ent: 7}, {Ent: 300, Child: 7}, {Ent: 5, Child: 300}}} {
		paths = append(paths, p)
		set.add(p)
	}
	for n := range len(paths) + 1 {
		b, err := json.Marshal(pathsPart{set.pathTexts, 0, n})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{b, store.PackPaths(b)} {
			var again [][]record.Hop
			err := store.ReadPaths(body, func(hops []uint32) {
				path := []record.Hop{}
				for i := 0; i < len(hops); i += 2 {
					path = append(path, record.Hop{Ent: hops[i], Child: hops[i+1]})
				}
				again = append(again, path)
			})
			if err != nil || !slices.EqualFunc(again, paths[:n], slices.Equal) {
				t.Errorf("%q: %v, %v", body, again, err)
			}
		}
	}
	for _, text := range []string{"", `[`, `[[[1,2]]`, `[][[[1,2]]]`, `[[[4294967296,0]]]`, `[[[1,2,3]]]`, `[[["1",2]]]`, `[[[[1,2]]]]`, `[[[-1,2]]]`, `{"a":1}`, `[[[1.5,2]]]`, `[[[null,2]]]`, `[1]`,
		`[[[1]]]`, "\x00\x01", "\x00\x01\x02\x00\x01", "\x00\xff\xff\xff\xff\x0f"} {
		if err := store.ReadPaths([]byte(text), func([]uint32) {}); err == nil {
			t.Errorf("%q is taken for paths", text)
		}
		if packed := store.PackPaths([]byte(text)); string(packed) != text {
			t.Errorf("%q is packed as %q", text, packed)
		}
	}
}

// Parts are restored in any order, and none may be missing.
func TestPathsRestored(t *testing.T) {
	var set pathSet
	for i := range 2*pathsInPart + 10 {
		set.add([]record.Hop{{Ent: uint32(i)}})
	}
	parts := make([]store.PartRow, 3)
	for n := range parts {
		body, _ := json.Marshal(pathsPart{set.pathTexts, n * pathsInPart, min((n+1)*pathsInPart, set.count())})
		parts[n] = store.PartRow{Sort: partPaths, Key: string('0' + rune(n)), Body: body}
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		s := NewState()
		for _, n := range order {
			if err := s.Restore(&store.Checkpoint{Parts: parts[n : n+1]}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Restored(); err != nil {
			t.Fatal(err)
		}
		for i := range set.count() {
			if ord := (&View{State: s}).pathOrd([]record.Hop{{Ent: uint32(i)}}); ord != uint32(i+1) || s.paths.path(ord)[0].Ent != uint32(i) {
				t.Fatalf("%v: path %d is number %d", order, i, ord)
			}
		}
	}
	s := NewState()
	if err := s.Restore(&store.Checkpoint{Parts: []store.PartRow{parts[0], parts[2]}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Restored(); !errors.Is(err, errMissingPaths) {
		t.Errorf("without a part: %v", err)
	}
}
