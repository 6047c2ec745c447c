package engine

import (
	"context"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// Large commits are read a few at a time, one that is larger than that ends a reading, and
// small ones are read together; each once, and none behind upTo.
func TestChunksAreBoundedByBytes(t *testing.T) {
	ctx := t.Context()
	s := mem.New()
	at := store.Head{}
	for i, n := range []int{scanBytes / 4, scanBytes / 4, scanBytes / 4, scanBytes / 4, scanBytes / 4, 3 * scanBytes, 10, scanBytes - 11, 10, 10} {
		c := store.Commit{Stream: "a", After: at, ID: [16]byte{byte(i + 1)}, Now: 1, Hash: [16]byte{byte(i + 1)}, Payload: make([]byte, n)}
		out, err := s.Append(ctx, []store.Commit{c}, nil)
		if err != nil || out[0] != store.Committed {
			t.Fatal(out, err)
		}
		at = c.Head()
	}
	e, err := Open(ctx, s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	want := []int{4, 2, 3} // the tenth is behind upTo
	after := uint64(0)
	for i, n := range append(want, 0) {
		rows, err := e.readChunk(ctx, "a", after, 9)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != n || n > 0 && rows[0].Head.Seq != after+1 {
			t.Fatalf("reading %d behind commit %d has %d commits; want %v", i, after, len(rows), want)
		}
		after += uint64(n)
	}
}
