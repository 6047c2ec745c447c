package engine

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Reading revocations and kept replies costs the same for each, however many there are, and
// those that have ended do not stay.
func TestRevocationsAreReadInOneGo(t *testing.T) {
	c := catalogue.NewCatalogue()
	const n = 20_000
	apply := func(sort string, v any) {
		t.Helper()
		body, err := json.Marshal(v)
		if err == nil {
			err = c.Apply(&record.Catalogue{Sort: sort, Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		apply("tokenRevoked", catalogue.RevokedToken{ID: fmt.Sprint(i), RevokedAt: bursar.Time(i), ExpiresAt: bursar.Time(i) + 1e9})
		apply("reply", catalogue.KeptReply{Hash: [16]byte{byte(i), byte(i >> 8)}, At: bursar.Time(i)})
	}
	if looked := c.RevokedSweep.Looked + c.RepliesSweep.Looked; looked > 4*n {
		t.Errorf("%d entries were looked at for %d records", looked, 2*n)
	}
	if !c.TokenRevoked("0") || !c.TokenRevoked(fmt.Sprint(n-1)) || len(c.Replies) != n {
		t.Error("something is forgotten too early")
	}
	for i := range n + 1 {
		at := bursar.Time(i) + 2*catalogue.RevokedSlack + 2*record.KeyMemory
		apply("tokenRevoked", catalogue.RevokedToken{ID: fmt.Sprint("late", i), RevokedAt: at, ExpiresAt: at})
		apply("reply", catalogue.KeptReply{Hash: [16]byte{byte(i), byte(i >> 8), 1}, At: at})
	}
	if c.TokenRevoked("0") || len(c.Replies) > 2*n {
		t.Errorf("what has ended stays: %d revocations, %d replies", len(c.Revoked), len(c.Replies))
	}
}
