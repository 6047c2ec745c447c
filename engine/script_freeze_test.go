package engine_test

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// frozenID is what an operation names; "-" is the customer.
func frozenID(it *item) string {
	if id := it.word(0); id != "-" {
		return id
	}
	return ""
}

func frozenText(z *bursar.Freeze) string {
	if z == nil {
		return ""
	}
	where := z.EntityID
	if where == "" {
		where = "-"
	}
	return fmt.Sprintf(", frozen at %s since %s: %s", where, instantText(z.FrozenAt), z.Reason)
}

func (w *world) opFreeze(o *op) error {
	it := o.item()
	z, _, err := w.engine.Freeze(w.t.Context(), tester, "acme", frozenID(it), it.pairs["because"])
	if err == nil && z.Freeze == nil {
		w.t.Errorf("%v is not frozen", z)
	}
	return err
}

func (w *world) opThaw(o *op) error {
	z, _, err := w.engine.Thaw(w.t.Context(), tester, "acme", frozenID(o.item()))
	if err == nil && z.Freeze != nil {
		w.t.Errorf("%v is still frozen", z)
	}
	return err
}

func (w *world) opFreezes(*op) error {
	list, _, err := w.engine.Freezes(w.t.Context(), ledger.ReadOptions{}, "acme")
	for i := range list {
		w.printf("frozen%s\n", frozenText(&list[i])[len(", frozen"):])
	}
	return err
}
