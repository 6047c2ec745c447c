package ledger

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// TestRereadScanParts: every unread event of the interval is in one part, parts are bounded, and what
// became of an event later in the log is known.
func TestRereadScanParts(t *testing.T) {
	var log []*record.Row
	var ids [][16]byte
	commit := func(recs ...record.Record) {
		log = append(log, &record.Row{LogRow: store.LogRow{Head: store.Head{Seq: uint64(len(log) + 1), Now: bursar.Time(len(log) + 1)}}, Recs: recs})
	}
	key := func(s string) record.Identity {
		return record.Identity{Set: true, Hash: [16]byte([]byte(fmt.Sprintf("%016s", s)))}
	}
	keeps := func(n int, at bursar.Time, size int) {
		var recs []record.Record
		for i := range n {
			id := store.IDAt(bursar.Time(len(log)+1), uint64(len(log)+1), i, [16]byte{})
			ids = append(ids, id)
			usage := fmt.Sprintf(`{"odd_tokens":1,"x":"%0*d"}`, size, 0)
			recs = append(recs, &record.UsageUnread{ID: id, Event: "llm", At: at, Call: key(fmt.Sprint("call", len(ids)-1)), Own: key(fmt.Sprint("own", len(ids)-1)),
				Reading: bursar.UnreadReading{Names: []string{"odd_tokens"}, Usage: usage}})
		}
		commit(recs...)
	}
	keeps(1, 50, 1) // before the interval
	keeps(3, 150, 1)
	keeps(25, 150, 1)                                   // more than a part has room for
	keeps(4, 150, 3<<20)                                // by their size
	keeps(2, 250, 1)                                    // behind it
	commit(&record.UsageReread{ID: ids[2], Left: true}) // an early one
	commit(&record.UsageReread{ID: ids[20], Names: []string{"y_tokens"}, Counted: true})
	commit(&record.CallCounted{Key: key("call5")}, &record.CallNamed{Key: key("call27")}, &record.CallNamed{Key: key("own6")})
	own := key("own28")
	own.Content = ReservesContent("llm")
	commit(&record.EventHeld{HoldOpened: record.HoldOpened{Key: own}})

	s := RereadScan{From: 100, To: 200, Most: 7, Rules: []bursar.UsageRule{{Member: "odd_tokens", Kind: bursar.TokensInput}}}
	seen := map[[16]byte]*RereadItem{}
	parts := 0
	for more := true; more; more = s.Next() {
		for range 2 { // a part may be gathered again
			after := s.Begin(1)
			for _, row := range log[after:] {
				if err := s.Row(row); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s.First() {
			if inside, all := s.Kept(); inside != 31 || all != 34 {
				t.Errorf("%d of the interval are unread, of all %d", inside, all)
			}
		}
		if len(s.part) == 0 || len(s.part) > 7 || s.bytes > maxRereadBytes {
			t.Errorf("a part of %d events, %d bytes", len(s.part), s.bytes)
		}
		todo, err := s.Plan()
		if err != nil || len(todo) != len(s.part) {
			t.Fatalf("%d of %d are read otherwise, %v", len(todo), len(s.part), err)
		}
		for _, it := range todo {
			if seen[it.Kept.ID] != nil {
				t.Errorf("%x is in two parts", it.Kept.ID)
			}
			seen[it.Kept.ID] = it
		}
		if parts++; parts == 1 {
			keeps(1, 150, 1) // a newer one is not of this scan
		}
	}
	if len(seen) != 31 || parts < 5 {
		t.Errorf("%d events in %d parts", len(seen), parts)
	}
	for i, id := range ids {
		it := seen[id]
		if it == nil {
			continue
		}
		if since := i == 5 || i == 27 || i == 28; it.since != since || it.counted != (i == 20) {
			t.Errorf("number %d: since %v, counted %v", i, it.since, it.counted)
		}
	}
}
