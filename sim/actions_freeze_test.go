package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// setFreeze freezes or thaws an entity, or under "" the customer.
type setFreeze struct {
	Customer, Entity string
	Freeze           bool
	Reason           string
}

func (a setFreeze) run(w *world) string {
	set := func() (bursar.Freezing, uint64, error) { return w.engine.Thaw(w.ctx, caller, a.Customer, a.Entity) }
	if a.Freeze {
		set = func() (bursar.Freezing, uint64, error) {
			return w.engine.Freeze(w.ctx, caller, a.Customer, a.Entity, a.Reason)
		}
	}
	got, v, err := set()
	want, f := w.model.setFreeze(a.Customer, a.Entity, a.Freeze, a.Reason)
	if d := reply(got, err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listFreezes struct{ Customer string }

func (a listFreezes) run(w *world) string {
	got, _, err := w.engine.Freezes(w.ctx, w.fresh(a.Customer), a.Customer)
	want, f := w.model.listFreezes(a.Customer)
	slices.SortFunc(got, compareFreezes) // of one instant they may come in any order
	return reply(got, err, want, f)
}
