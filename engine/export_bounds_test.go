package engine

import (
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// crowdLimits makes limits that no write of this version would: each copies the one that
// entity has without a label, under a label of its own.
type crowdLimits struct {
	entity string
	c      bursar.Capability
	n      int
	def    func(i int, limit *bursar.Amount) (limited, soft bool)
}

func (o *crowdLimits) Decide(d *ledger.Decider) (any, error) {
	ent := d.EntOrd(o.entity)
	from := *d.Def(d.FindRow(ledger.Target{Ent: ent}, d.CapOrd(o.c), ""))
	for i := range o.n {
		def := from
		def.Own()
		def.Label = fmt.Sprintf("crowd-%d", i)
		def.Limited, def.Soft = o.def(i, &def.Limit)
		d.Emit(&record.LimitPut{Row: uint32(d.NextRowOrd()), ID: d.NextID(), Def: def})
	}
	return nil, nil
}

// Crowd puts n limits more on an entity, as versions before the bound on them could.
func (e *Engine) Crowd(ctx context.Context, customer, entity string, c bursar.Capability, n int, def func(i int, limit *bursar.Amount) (limited, soft bool)) error {
	_, _, err := e.write(ctx, system, customer, &crowdLimits{entity: entity, c: c, n: n, def: def})
	return err
}
