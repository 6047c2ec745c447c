package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// testSystem is a system's clock that somebody sets, and the time that passes whatever they
// do.
type testSystem struct{ clock, passed atomic.Int64 }

func (s *testSystem) read() (bursar.Time, time.Duration) {
	return scriptStart + bursar.Time(s.clock.Load()+s.passed.Load()), time.Duration(s.passed.Load())
}

func (s *testSystem) set(ahead time.Duration) { s.clock.Store(int64(ahead)) }

// newSystemRig is a rig whose engine goes by the clock of a system.
func newSystemRig(t *testing.T, s store.Store) (*rig, *testSystem) {
	sys := &testSystem{}
	r := &rig{t: t, store: s, options: engine.Options{System: sys.read, CheckpointEvery: time.Hour}}
	r.open()
	return r, sys
}

// While the system's clock is off by more than a few seconds from where it was left, nothing
// is decided, so no customer's time moves on with it.
func TestNothingIsDecidedUnderAClockThatJumped(t *testing.T) {
	ctx := t.Context()
	r, sys := newSystemRig(t, sqliteIn(t))
	r.furnish("acme")
	ask := func() error {
		_, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
		return err
	}
	for _, step := range []time.Duration{115 * 24 * time.Hour, -time.Hour, store.MaxClockStep + time.Second} {
		sys.set(step)
		sys.passed.Add(int64(time.Minute))
		if _, err := r.consume("acme", 1, ""); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%v ahead: consume: %v", step, err)
		}
		if err := ask(); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%v ahead: check: %v", step, err)
		}
		if _, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "late", DisplayName: "Late"}); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%v ahead: the catalogue: %v", step, err)
		}
		if r.Ready() == nil || r.Fresh(ctx) == nil {
			t.Errorf("%v ahead: the engine says that it is ready", step)
		}
		sys.set(0)
		if err := r.Ready(); err != nil {
			t.Errorf("back from %v: %v", step, err)
		}
	}
	at, _ := sys.read()
	_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Timestamp: at}})
	r.must(err)
	r.must(ask())
	r.close()
}

// A small step is followed, slowly: time neither leaps nor goes back.
func TestASmallStepOfTheClockIsFollowed(t *testing.T) {
	r, sys := newSystemRig(t, sqliteIn(t))
	for _, step := range []time.Duration{3 * time.Second, -time.Second} {
		sys.set(step)
		for last := r.Now(); ; {
			sys.passed.Add(int64(time.Second))
			r.must(r.Ready())
			now := r.Now()
			if d := time.Duration(now - last); d < 900*time.Millisecond || d > 1100*time.Millisecond {
				t.Fatalf("in a second the engine's clock went on by %v", d)
			}
			last = now
			if system, passed := sys.read(); system == now {
				break
			} else if passed > time.Hour {
				t.Fatalf("an hour after a step of %v the clock is %v off", step, time.Duration(system-now))
			}
		}
	}
	r.close()
}

// A token of a customer whose time was moved ahead by a wrong clock ends by the clock, not
// by that time.
func TestATokenEndsByTheClock(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, sqliteIn(t), engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	start := r.Now()
	r.advance(115 * 24 * time.Hour)
	_, err := r.consume("acme", 1, "")
	r.must(err)
	r.now.Store(int64(start))
	token, _, err := r.CreateAccessToken(context.WithoutCancel(ctx), tester, "acme", ledger.AccessTokenInput{Permissions: []bursar.Permission{bursar.PermissionRead}, TTLSeconds: 60})
	r.must(err)
	if left := time.Duration(token.ExpiresAt - start); left > time.Minute {
		t.Errorf("a token of 60 seconds lives %v", left)
	}
	r.close()
}
