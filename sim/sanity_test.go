package sim

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/bursarhq/bursar"
)

// The model's windows and those of the root package are independent of each other.
func TestModelWindowsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for range 3000 {
		cal := calendar{cadence: randomCadence(r), zone: zoneOf(zoneNames[r.IntN(len(zoneNames))])}
		s := bursar.Schedule{Cadence: cal.cadence, Location: cal.zone}
		if r.IntN(3) == 0 {
			a := bursar.Time(from + r.Int64N(int64(4*365*24*time.Hour))).Milli()
			if r.IntN(2) == 0 {
				a = bursar.Time(floorTo(int64(a), int64(time.Hour)))
			}
			cal.anchor = &a
			s.Anchor, s.HasAnchor = int64(a), true
		}
		at := from + r.Int64N(int64(6*365*24*time.Hour))
		for range 3 {
			if at > time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano() {
				break // the model does not know of the end of int64
			}
			got := cal.window(at)
			start, end := s.Window(at)
			if got != (window{start, end}) {
				t.Fatalf("%v in %v from %v at %v: model [%v, %v), root [%v, %v)", cal.cadence, cal.zone, cal.anchor, bursar.Time(at),
					bursar.Time(got.start), bursar.Time(got.end), bursar.Time(start), bursar.Time(end))
			}
			at = got.end - int64(r.IntN(2))
		}
	}
}

// They agree where clocks change, too, whatever the anchor.
func TestModelWindowsAgreeAtClockChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range zoneNames {
		zone := zoneOf(name)
		for at := from; at.Year() < 2027; at = at.Add(time.Hour) {
			if east(zone, at.UnixNano()) == east(zone, at.Add(time.Hour).UnixNano()) {
				continue
			}
			for range 100 {
				a := bursar.TimeOf(at) - bursar.Time(r.Int64N(int64(9*24*time.Hour)))
				cal := calendar{cadence: randomCadence(r), zone: zone, anchor: &a}
				s := bursar.Schedule{Cadence: cal.cadence, Location: zone, Anchor: int64(a), HasAnchor: true}
				for i := range 12 {
					x := at.UnixNano() + int64(i-6)*int64(20*time.Minute) + r.Int64N(int64(20*time.Minute))
					if start, end := s.Window(x); cal.window(x) != (window{start, end}) {
						t.Fatalf("%v in %s from %v at %v: model %v, root [%v, %v)", cal.cadence, name, a, bursar.Time(x), cal.window(x), bursar.Time(start), bursar.Time(end))
					}
				}
			}
		}
	}
}
