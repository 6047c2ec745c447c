package engine

import (
	"context"

	"github.com/bursarhq/bursar"
)

// oldUsage records usage as versions did that did not number paths.
type oldUsage struct {
	c      bursar.Capability
	amount bursar.Amount
	dims   []bursar.Dimension
}

func (o *oldUsage) decide(d *decider) (any, error) {
	path := d.resolve(d.cat, o.dims)
	cap := d.capFor(o.c)
	d.emit(&usageRec{op: opUsage, cap: cap, amount: o.amount, timestamp: d.now, at: d.now, dims: o.dims, combo: d.comboFor(o.dims),
		path: path.path, delta: o.amount, total: o.amount, charges: d.charges(d.rowsOn(&path, cap).rows, d.now, o.amount, true)})
	return nil, nil
}

// UseAsBefore records usage as versions did that did not number paths.
func (e *Engine) UseAsBefore(ctx context.Context, customer string, c bursar.Capability, a bursar.Amount, dims []bursar.Dimension) error {
	_, _, err := e.write(ctx, system, customer, &oldUsage{c, a, dims})
	return err
}

// The bound on the paths that a customer's usage is told apart by.
const (
	MaxPaths       = maxPaths
	PathsPerEntity = pathsPerEntity
)
