package engine

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
)

// Reading revocations and kept replies costs the same for each, however many there are, and
// those that have ended do not stay.
func TestRevocationsAreReadInOneGo(t *testing.T) {
	c := newCatalogue()
	const n = 20_000
	apply := func(sort string, v any) {
		t.Helper()
		body, err := json.Marshal(v)
		if err == nil {
			err = c.apply(&catalogueRec{sort, body})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		apply("tokenRevoked", revokedToken{ID: fmt.Sprint(i), RevokedAt: bursar.Time(i), ExpiresAt: bursar.Time(i) + 1e9})
		apply("reply", keptReply{Hash: [16]byte{byte(i), byte(i >> 8)}, At: bursar.Time(i)})
	}
	if looked := c.revokedSweep.looked + c.repliesSweep.looked; looked > 4*n {
		t.Errorf("%d entries were looked at for %d records", looked, 2*n)
	}
	if !c.TokenRevoked("0") || !c.TokenRevoked(fmt.Sprint(n-1)) || len(c.replies) != n {
		t.Error("something is forgotten too early")
	}
	for i := range n + 1 {
		at := bursar.Time(i) + 2*revokedSlack + 2*keyMemory
		apply("tokenRevoked", revokedToken{ID: fmt.Sprint("late", i), RevokedAt: at, ExpiresAt: at})
		apply("reply", keptReply{Hash: [16]byte{byte(i), byte(i >> 8), 1}, At: at})
	}
	if c.TokenRevoked("0") || len(c.replies) > 2*n {
		t.Errorf("what has ended stays: %d revocations, %d replies", len(c.revoked), len(c.replies))
	}
}
