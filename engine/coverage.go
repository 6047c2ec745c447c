package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// Coverage tells what of a customer is under no limit: of its entities, and of what it used
// since from; 0 = in this month. As it gathers much, a few are made at a time.
func (e *Engine) Coverage(ctx context.Context, o ledger.ReadOptions, customer string, from bursar.Time) (ledger.Coverage, uint64, error) {
	if err := e.scans.take(ctx, customer); err != nil {
		return ledger.Coverage{}, 0, err
	}
	defer e.scans.give()
	run := ledger.NewCoverage(from)
	version, err := e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		return run.EntitiesOn(v, e.cat.Load()) // which is as new as v
	})
	if err != nil {
		return ledger.Coverage{}, 0, err
	}
	left := ledger.MaxBuckets
	for _, s := range run.Sources() { // one by one: each looks through what is not saved yet
		s.Most = max(1, left)
		err = e.share.turn(ctx, customer, func(ctx context.Context) error {
			rows, _, err := e.seriesRows(ctx, o, customer, s)
			run.Add(rows)
			left -= len(rows)
			return err
		})
		if err != nil {
			return ledger.Coverage{}, 0, err
		}
	}
	run.Gathered()
	if _, err = e.readTurn(ctx, o, customer, run.UsageOn); err != nil {
		return ledger.Coverage{}, 0, err
	}
	return run.End(), version, nil
}
