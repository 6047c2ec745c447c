package storetest

import (
	"bytes"
	"fmt"

	"github.com/bursarhq/bursar/store"
)

// parts are the bodies by sort and key; a key given twice shows.
func parts(cp *store.Checkpoint) map[[2]string]string {
	m := map[[2]string]string{}
	for _, p := range cp.Parts {
		m[[2]string{p.Sort, p.Key}] += fmt.Sprintf("%q;", p.Body)
	}
	return m
}

func part(sort, key, body string) store.PartRow {
	return store.PartRow{Sort: sort, Key: key, Body: []byte(body)}
}

// gone is what is saved to delete a part.
func gone(sort, key string) store.PartRow { return store.PartRow{Sort: sort, Key: key} }

func savedParts(rows ...store.PartRow) func(*store.Checkpoint) {
	return func(cp *store.Checkpoint) { cp.Parts = rows }
}

// has compares the parts of the stream's checkpoint.
func (st *stream) has(want ...store.PartRow) {
	st.e.Helper()
	equal(st.e, "parts of "+st.name, parts(st.load()), parts(&store.Checkpoint{Parts: want}))
}

// anyBytes is each byte twice, once behind a zero.
func anyBytes() []byte {
	var b []byte
	for i := range 256 {
		b = append(b, byte(i), 0, byte(i))
	}
	return b
}

var partTests = []test{
	{"the key is Sort and Key", func(e *env) {
		st := e.stream("acme")
		rows := []store.PartRow{part("grant", "1", "a"), part("grant", "2", "b"), part("pool", "1", "c"), part("pool", "", "d"), part("", "1", "e")}
		st.save(savedParts(rows...))
		st.has(rows...)
	}},
	{"Save replaces those it has and keeps the others", func(e *env) {
		st := e.stream("acme")
		st.save(savedParts(part("grant", "1", "a"), part("grant", "2", "b"), part("pool", "1", "c")))
		st.save(savedParts(part("grant", "2", "new"), part("boosts", "1", "d")))
		st.has(part("grant", "1", "a"), part("grant", "2", "new"), part("pool", "1", "c"), part("boosts", "1", "d"))
		st.save()
		st.has(part("grant", "1", "a"), part("grant", "2", "new"), part("pool", "1", "c"), part("boosts", "1", "d"))
	}},
	{"a nil body deletes", func(e *env) {
		st := e.stream("acme")
		st.save(savedParts(gone("grant", "1"), part("grant", "2", "b"), part("pool", "1", "c"), part("pool", "2", "d")))
		st.has(part("grant", "2", "b"), part("pool", "1", "c"), part("pool", "2", "d"))
		st.save(savedParts(gone("pool", "1"), gone("grant", "3"), gone("other", "2")))
		st.has(part("grant", "2", "b"), part("pool", "2", "d"))
		st.save(savedParts(gone("pool", "2"), part("pool", "1", "again"), gone("grant", "2")))
		st.has(part("pool", "1", "again"))
	}},
	{"an empty body deletes nothing", func(e *env) {
		st := e.stream("acme")
		st.save(savedParts(part("grant", "1", ""), part("unique", "1", "")))
		for _, p := range st.load().Parts {
			if p.Body == nil {
				e.Errorf("%s came back as deleted", p.Sort)
			}
		}
		st.has(part("grant", "1", ""), part("unique", "1", ""))
	}},
	{"keeps any bytes", func(e *env) {
		st := e.stream("acme")
		for _, sort := range []string{"grant", "unique"} {
			for _, n := range []int{1, 2000, 1 << 20} {
				st.save(savedParts(
					store.PartRow{Sort: sort, Key: fmt.Sprint("any", n), Body: anyBytes()},
					store.PartRow{Sort: sort, Key: fmt.Sprint("long", n), Body: bytes.Repeat([]byte{0xfe}, n)}))
			}
		}
		got := st.load().Parts
		if len(got) != 12 {
			e.Errorf("%d parts of 12", len(got))
		}
		for _, p := range got {
			var n int
			_, err := fmt.Sscanf(p.Key, "long%d", &n)
			if err == nil && (len(p.Body) != n || bytes.Count(p.Body, []byte{0xfe}) != n) {
				e.Errorf("%s %s came back with %d bytes", p.Sort, p.Key, len(p.Body))
			}
			if err != nil && !bytes.Equal(p.Body, anyBytes()) {
				e.Errorf("%s %s came back as %x", p.Sort, p.Key, p.Body)
			}
		}
	}},
	{"one that is refused changes none", func(e *env) {
		st := e.stream("acme")
		st.save(savedParts(part("grant", "1", "a"), part("grant", "2", "b")))
		cp := &store.Checkpoint{Stream: "acme", Head: st.head}
		savedParts(part("grant", "1", "new"), gone("grant", "2"), part("grant", "3", "c"))(cp)
		if err := e.Save(ctx, cp); err == nil {
			e.Error("saved twice at one position")
		}
		st.has(part("grant", "1", "a"), part("grant", "2", "b"))
	}},
	{"streams do not mix", func(e *env) {
		a, b, catalogue := e.stream("a"), e.stream("b"), e.stream(store.CatalogueStream)
		a.save(savedParts(part("grant", "1", "of a"), part("grant", "2", "of a")))
		b.save(savedParts(part("grant", "1", "of b"), gone("grant", "2")))
		catalogue.save(savedParts(gone("grant", "1")))
		a.has(part("grant", "1", "of a"), part("grant", "2", "of a"))
		b.has(part("grant", "1", "of b"))
		catalogue.has()
	}},
}
