package engine

import (
	"context"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// Simulate replays past usage against drafts of limits. It writes nothing, and drafts
// are checked as PutAssignments checks them: pointers of errors begin with
// /assignments/i.
//
// Usage is replayed in the order in which it was accepted; it counts in the window that
// its effective time is in, on the entities that it was attributed to at the time. What
// was used before From, in the windows that From is in, counts without being judged. A
// usage and what it cost are one act: a hard draft that has no room for either stops
// both. The drafts alone are judged, those of defaults on each entity that they would limit now, without boosts and without asking whether entities
// were archived or shares allocated. All that one event used is one act, too. Usage of MAX
// and UNIQUE features is compared by what it added to the customer's figure; what re-pricing
// corrected later counts as it was charged.
func (e *Engine) Simulate(ctx context.Context, o ledger.ReadOptions, customer string, in ledger.SimulateInput) (ledger.Simulation, uint64, error) {
	return e.simulate(ctx, o, customer, in, nil)
}

// simulate tells progress, unless it is nil, how many commits were replayed, and of how many.
func (e *Engine) simulate(ctx context.Context, o ledger.ReadOptions, customer string, in ledger.SimulateInput, progress func(done, total uint64)) (ledger.Simulation, uint64, error) {
	if err := e.recordTime(ctx, o, customer); err != nil {
		return ledger.Simulation{}, 0, err
	}
	var s *ledger.Backtest
	version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) (err error) {
		s, err = ledger.NewSimulation(v, e.cat.Load(), &in)
		return err
	})
	if err != nil {
		return ledger.Simulation{}, version, err
	}
	s.Horizon = bursar.Time(e.o.LateHorizon)
	// Holds that ended since then were made at most that much earlier.
	if _, whole, err := e.logSince(ctx, customer, version, s.Since); err != nil {
		return ledger.Simulation{}, 0, err
	} else if !whole {
		return ledger.Simulation{}, version, ledger.ErrTrimmed(customer, s.Since)
	}
	after, _, err := e.logSince(ctx, customer, version, s.Since-bursar.MaxHoldLife)
	if err != nil {
		return ledger.Simulation{}, 0, err
	}
	tree := o // of whom defaults limit: a minute ago will do, as the tree may change while this runs
	tree.MaxStaleness, tree.Age = time.Minute, nil
	holds := ledger.OpenHolds{}
	err = e.scanLog(ctx, customer, after, version, progress, func(row *record.Row) error {
		acts := ledger.OneByEvent(holds.ActsOf(row))
		for i := range acts {
			if acts[i].Ended && acts[i].Hold == nil && acts[i].At >= s.Since {
				return ledger.ErrTrimmed(customer, s.Since-bursar.MaxHoldLife)
			}
			if ents := s.Strangers(&acts[i]); len(ents) > 0 {
				if _, err := e.readCustomer(ctx, tree, customer, func(v *ledger.View) error { return s.Meet(v, ents) }); err != nil {
					return err
				}
			}
			s.Replay(&acts[i], row.Head.Now)
		}
		return nil
	})
	if err != nil {
		return ledger.Simulation{}, 0, err
	}
	return s.Result(), version, nil
}
