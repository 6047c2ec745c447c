package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// The window before the current one is counted, though no reply shows it: alerts and
// late corrections go by it. Checkpoints have it.
func TestPreviousWindowIsCounted(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	day := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})
	_, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("tokens"), Label: "day", UsageLimit: bursar.Null[bursar.Amount](), Cadence: day}})
	r.must(err)
	_, _, err = r.Reserve(ctx, tester, "acme", spendOf("tokens", 100, "settles yesterday"), 60, bursar.ExpireSettle)
	r.must(err)
	_, err = r.consume("acme", 6, "yesterday")
	r.must(err)
	_, err = r.consume("acme", 1, "yesterday too")
	r.must(err)
	r.advance(12*time.Hour - time.Minute) // 23:59
	report := func(value int64, at string) {
		_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(value), Dimensions: onUser, Timestamp: mustTime(at)}})
		r.must(err)
	}
	r.advance(2 * time.Minute) // the next day
	_, err = r.consume("acme", 1000, "today")
	r.must(err)
	report(20, "2026-01-15T00:00:00Z")           // the first instant of yesterday
	report(40, "2026-01-15T23:59:59.999999999Z") // and the last
	report(2000, "2026-01-16T00:00:00Z")         // the first of today
	report(9, "2026-01-14T23:59:59.999999999Z")  // the day before: on no limit
	r.close()
	found := 0
	err = s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
		for _, c := range cp.Counters {
			if c.WindowStart != mustTime("2026-01-16T00:00:00Z") {
				continue
			}
			found++
			if c.PrevStart != mustTime("2026-01-15T00:00:00Z") || c.Previous != bursar.AmountFromInt(167) || c.Used != bursar.AmountFromInt(3000) {
				t.Errorf("%+v, want 167 in the window before and 3000 in this", c)
			}
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%d daily limits, %v", found, err)
	}
}

// A correction of the window before takes from it, and no more than it has, also when
// it is the first thing that happens in the new window.
func TestPreviousWindowIsCorrected(t *testing.T) {
	ctx := context.Background()
	for correction, want := range map[int64]int64{-2: 1, -5: 0} {
		s := mem.New()
		r := newRig(t, s, quiet)
		r.furnish("acme")
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"})
		r.must(err)
		_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("seats"),
			UsageLimit: bursar.Null[bursar.Amount](), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}})
		r.must(err)
		for i, value := range []int64{3, correction} {
			r.advance(time.Duration(i) * 24 * time.Hour)
			_, _, err = r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(value), Dimensions: onUser, Timestamp: scriptStart}})
			r.must(err)
		}
		r.close()
		found := false
		r.must(s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
			for _, c := range cp.Counters {
				if c.PrevStart == mustTime("2026-01-15T00:00:00Z") {
					found = true
					if c.Previous != bursar.AmountFromInt(want) || !c.Used.IsZero() {
						t.Errorf("3 of yesterday, %d today: %+v, want %d", correction, c, want)
					}
				}
			}
			return nil
		}))
		if !found {
			t.Error("no counter")
		}
	}
}

// A window is the previous one if it ended where the current one began: an older one is
// forgotten, and nothing is taken back from it.
func TestOlderWindowIsNotThePreviousOne(t *testing.T) {
	ctx := context.Background()
	for days, want := range map[int]int64{1: 7 - 5, 2: 0, 3: 0} {
		s := mem.New()
		r := newRig(t, s, quiet)
		r.furnish("acme")
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"})
		r.must(err)
		_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("seats"),
			UsageLimit: bursar.Null[bursar.Amount](), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}})
		r.must(err)
		report := func(value int64, at bursar.Time) {
			_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(value), Dimensions: onUser, Timestamp: at}})
			r.must(err)
		}
		report(7, scriptStart)
		r.advance(time.Duration(days) * 24 * time.Hour)
		yesterday := scriptStart + bursar.Time(time.Duration(days-1)*24*time.Hour)
		report(-5, yesterday)
		r.close()
		found := false
		r.must(s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
			for _, c := range cp.Counters {
				if c.PrevStart == yesterday-bursar.Time(12*time.Hour) {
					found = true
					if c.Previous != bursar.AmountFromInt(want) || !c.Used.IsZero() {
						t.Errorf("%d days after: %+v, want %d in the window before", days, c, want)
					}
				}
			}
			return nil
		}))
		if !found {
			t.Errorf("%d days after: no counter", days)
		}
	}
}
