package engine

import (
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
)

// crowdLimits makes limits that no write of this version would: each copies the one that
// entity has without a label, under a label of its own.
type crowdLimits struct {
	entity string
	c      bursar.Capability
	n      int
	def    func(i int, limit *bursar.Amount) (limited, soft bool)
}

func (o *crowdLimits) decide(d *decider) (any, error) {
	ent := d.entOrd(o.entity)
	from := *d.def(d.findRow(target{ent: ent}, d.capOrd(o.c), ""))
	for i := range o.n {
		def := from
		def.label = fmt.Sprintf("crowd-%d", i)
		def.limited, def.soft = o.def(i, &def.limit)
		d.emit(&rowRec{ord: uint32(d.nextRowOrd()), id: d.nextID(), def: def})
	}
	return nil, nil
}

// Crowd puts n limits more on an entity, as versions before the bound on them could.
func (e *Engine) Crowd(ctx context.Context, customer, entity string, c bursar.Capability, n int, def func(i int, limit *bursar.Amount) (limited, soft bool)) error {
	_, _, err := e.write(ctx, system, customer, &crowdLimits{entity: entity, c: c, n: n, def: def})
	return err
}
