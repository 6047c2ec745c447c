package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// oldUsage records usage as versions did that did not number paths.
type oldUsage struct {
	c      bursar.Capability
	amount bursar.Amount
	dims   []bursar.Dimension
}

func (o *oldUsage) Decide(d *ledger.Decider) (any, error) {
	path := d.Resolve(d.Cat, o.dims)
	cap := d.CapFor(o.c)
	d.Emit(&record.Usage{Op: record.OpUsage, Cap: cap, Amount: o.amount, Timestamp: d.Now, At: d.Now, Dims: o.dims, Combo: d.ComboFor(o.dims),
		Path: path.Path, Delta: o.amount, Total: o.amount, Charges: d.Charges(d.RowsOn(&path, cap).Rows, d.Now, o.amount, true)})
	return nil, nil
}

// UseAsBefore records usage as versions did that did not number paths.
func (e *Engine) UseAsBefore(ctx context.Context, customer string, c bursar.Capability, a bursar.Amount, dims []bursar.Dimension) error {
	_, _, err := e.write(ctx, system, customer, &oldUsage{c, a, dims})
	return err
}

// The bound on the paths that a customer's usage is told apart by.
const (
	MaxPaths       = ledger.MaxPaths
	PathsPerEntity = ledger.PathsPerEntity
)
