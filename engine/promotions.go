package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// Entitlements is a check of amount 0 for every feature and currency that the customer
// has used or has a promotional entitlement, limit or grant of, by capability.
func (e *Engine) Entitlements(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Decision, uint64, error) {
	cat := e.cat.Load()
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Decision, error) { return v.Entitlements(cat), nil })
}

// PutPromotions gives a customer promotional entitlements, all or none; one replaces the
// feature's last. Pointers of errors begin with /promotionalEntitlements/i.
func (e *Engine) PutPromotions(ctx context.Context, c catalogue.Caller, customer string, in []bursar.PromotionInput) ([]bursar.Promotion, uint64, error) {
	return govern[[]bursar.Promotion](ctx, e, &c, customer, &ledger.PutPromotions{Caller: c, In: in})
}

// Promotions lists a customer's promotional entitlements, expired ones too, by
// (CreatedAt, ID).
func (e *Engine) Promotions(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Promotion, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Promotion, error) { return v.Promotions(), nil })
}

// DeletePromotion takes a promotional entitlement away.
func (e *Engine) DeletePromotion(ctx context.Context, c catalogue.Caller, customer, featureID string) (bursar.Promotion, uint64, error) {
	return govern[bursar.Promotion](ctx, e, &c, customer, &ledger.DeletePromotion{Caller: c, Feature: featureID})
}
