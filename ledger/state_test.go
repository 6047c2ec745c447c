package ledger

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// The chain covers the commit before, the id, the instant, the number and the payload.
func TestChainBreaksAreFound(t *testing.T) {
	var rows []store.LogRow
	head := store.Head{}
	for i := range 5 {
		row := store.LogRow{ID: [16]byte{byte(i + 1)}, Payload: record.EncodePayload(nil, []record.Record{&record.TypeName{ID: fmt.Sprint(i)}})}
		row.Head = store.Head{Seq: head.Seq + 1, Now: bursar.Time(i + 1)}
		row.Head.Hash = record.Chain(head, row.ID, row.Head.Now, row.Payload)
		rows, head = append(rows, row), row.Head
	}
	fold := func(rows []store.LogRow) error {
		s := NewState()
		for i := range rows {
			if err := s.Fold("acme", &rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fold(rows); err != nil {
		t.Fatal(err)
	}
	other := record.EncodePayload(nil, []record.Record{&record.TypeName{ID: "other"}})
	for what, damage := range map[string]func(r []store.LogRow) []store.LogRow{
		"another payload":  func(r []store.LogRow) []store.LogRow { r[2].Payload = other; return r },
		"another id":       func(r []store.LogRow) []store.LogRow { r[2].ID[0] ^= 1; return r },
		"another instant":  func(r []store.LogRow) []store.LogRow { r[2].Head.Now++; return r },
		"another hash":     func(r []store.LogRow) []store.LogRow { r[2].Head.Hash[15] ^= 1; return r },
		"a missing commit": func(r []store.LogRow) []store.LogRow { return append(r[:2], r[3:]...) },
		"a repeated one":   func(r []store.LogRow) []store.LogRow { return append(r[:3], r[2:]...) },
		"two in exchange":  func(r []store.LogRow) []store.LogRow { r[1], r[2] = r[2], r[1]; return r },
	} {
		if err := fold(damage(append([]store.LogRow(nil), rows...))); err == nil {
			t.Errorf("%s is not found", what)
		}
	}
}
