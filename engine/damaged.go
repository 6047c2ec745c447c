package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// makeAnew folds a customer's log from its beginning, since what was saved of the customer is
// damaged (why), and saves the result in its place. It takes the time and memory
// of a first load without a checkpoint. Where the log is damaged too, or does not reach back,
// the customer is refused.
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
// damaged is made anew in the background, and the customer is read again after that.
func (e *Engine) savedUnreadable(customer string, err error) error {
	if errors.Is(err, store.ErrDamaged) && !e.closing.Load() {
		if _, made := e.making.LoadOrStore(customer, true); !made {
			e.loops.Go(func() {
				defer e.making.Delete(customer)
				e.makeAnewBeside(customer, err)
			})
		}
	}
	return e.unavailable(err)
}

// anewPause is how long a customer is not made anew again: readers that met the damage before
// it was mended may tell of it after.
const anewPause = 10 * time.Second

func (e *Engine) makeAnewBeside(customer string, why error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if _, err := e.makeAnew(ctx, customer, why); err != nil {
		e.o.Log.Error("store unavailable", "err", err)
	} else {
		e.dropID(customer)
	}
	select {
	case <-e.stop:
	case <-time.After(anewPause):
	}
}
