package engine

import "context"

// Save saves what changed in a customer since its last checkpoint, which housekeeping does
// in its time. On a shared store it does nothing where another node does it.
func (e *Engine) Save(ctx context.Context, customer string) error {
	c, err := e.acquire(ctx, customer)
	if err != nil {
		return err
	}
	defer e.release(c)
	return e.checkpoint(ctx, c)
}

// Unload saves a customer and lets it leave memory, as housekeeping does when memory is
// short. It tells whether the customer left: it stays while somebody uses it.
func (e *Engine) Unload(ctx context.Context, customer string) (bool, error) {
	c, err := e.acquire(ctx, customer)
	if err != nil {
		return false, err
	}
	e.release(c)
	if !e.evictOne(c) {
		return false, nil
	}
	e.keeper.forget(c)
	return true, nil
}
