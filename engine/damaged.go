package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// makeAnew folds a customer's log from its beginning, since what was saved of the customer is
// damaged (why), and saves what it comes to in the place of that. Where the log is damaged too,
// or does not reach back, the customer is refused.
func (e *Engine) makeAnew(ctx context.Context, id string, why error) (*ledger.State, error) {
	e.o.Log.Error("what was saved of a customer is damaged; it is made again from its log", "customerId", id, "err", why)
	saved, err := e.store.Saved(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	st := e.newState()
	if err := e.replay(ctx, id, st); err != nil {
		return nil, fmt.Errorf("%w, and cannot be made again: %w", why, err)
	}
	k, fill := st.Capture(id, e.o.LateHorizon)
	fill()
	k.Cp.Anew, k.Cp.Base = true, saved[0]
	if err := e.store.Save(ctx, &k.Cp); err != nil {
		return nil, fmt.Errorf("%w, and was not saved again: %w", why, err)
	}
	st.Saved(k)
	st.LetClosedGo(slices.Collect(maps.Values(k.Dirty.Holds)))
	return st, nil
}

// savedUnreadable is the error when what was saved of a customer cannot be read. What is
// damaged is made anew, once, and the customer is read again.
func (e *Engine) savedUnreadable(customer string, err error) error {
	if !errors.Is(err, store.ErrDamaged) {
		return e.unavailable(err)
	}
	if _, made := e.making.LoadOrStore(customer, true); !made {
		defer e.making.Delete(customer)
		if _, failed := e.makeAnew(context.Background(), customer, err); failed != nil {
			err = failed
		} else {
			e.dropID(customer)
		}
	}
	return e.unavailable(err)
}
