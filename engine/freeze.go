package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// Freeze stops all that would be granted to an entity and below it, or with entity "" to
// the customer; it is idempotent.
func (e *Engine) Freeze(ctx context.Context, c catalogue.Caller, customer, entity, reason string) (bursar.Freezing, uint64, error) {
	return govern[bursar.Freezing](ctx, e, &c, customer, &ledger.SetFreeze{Caller: c, EntityID: entity, Freeze: true, Reason: reason})
}

// Thaw ends a freeze; it is idempotent.
func (e *Engine) Thaw(ctx context.Context, c catalogue.Caller, customer, entity string) (bursar.Freezing, uint64, error) {
	return govern[bursar.Freezing](ctx, e, &c, customer, &ledger.SetFreeze{Caller: c, EntityID: entity})
}

// Freezes lists what is frozen in a customer, the oldest first.
func (e *Engine) Freezes(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Freeze, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Freeze, error) { return v.Freezes(), nil })
}
