package httpapi

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
)

// TestAppendTime: the fast form is the same as the plain one.
func TestAppendTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	first := time.Date(1901, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100_000 {
		at := bursar.TimeOf(first.Add(time.Duration(r.Int64N(298*365*24))*time.Hour)) + bursar.Time(r.Int64N(int64(time.Hour)))
		if i == 0 {
			at = 0
		}
		if got, want := string(appendTime(nil, at)), `"`+at.String()+`"`; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}
