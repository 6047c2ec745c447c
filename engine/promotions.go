package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// Entitlements is a check of amount 0 for every feature and currency that the customer
// has used or has a promotional entitlement, limit or grant of, by capability.
func (e *Engine) Entitlements(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Decision, uint64, error) {
	cat := e.cat.Load()
	out := []bursar.Decision{}
	version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		caps := slices.Clone(v.Caps.List)
		slices.SortFunc(caps, func(a, b bursar.Capability) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
		})
		for _, c := range caps {
			if cat.FeatureOf[c.ID] != nil && c.Kind == bursar.KindFeature || cat.CurrencyOf[c.ID] != nil && c.Kind == bursar.KindCurrency {
				asks := []ledger.Ask{{C: c, Cap: v.CapOrd(c)}}
				out = append(out, v.Judge(cat, asks, nil))
			}
		}
		return nil
	})
	return out, version, err
}

// PutPromotions gives a customer promotional entitlements, all or none; one replaces the
// feature's last. Pointers of errors begin with /promotionalEntitlements/i.
func (e *Engine) PutPromotions(ctx context.Context, c catalogue.Caller, customer string, in []bursar.PromotionInput) ([]bursar.Promotion, uint64, error) {
	return govern[[]bursar.Promotion](ctx, e, &c, customer, &ledger.PutPromotions{Caller: c, In: in})
}

// Promotions lists a customer's promotional entitlements, expired ones too, by
// (CreatedAt, ID).
func (e *Engine) Promotions(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Promotion, uint64, error) {
	out := []bursar.Promotion{}
	version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		for _, p := range v.Promos {
			out = append(out, v.PromotionOut(p))
		}
		slices.SortFunc(out, func(a, b bursar.Promotion) int {
			return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
		})
		return nil
	})
	return out, version, err
}

// DeletePromotion takes a promotional entitlement away.
func (e *Engine) DeletePromotion(ctx context.Context, c catalogue.Caller, customer, featureID string) (bursar.Promotion, uint64, error) {
	return govern[bursar.Promotion](ctx, e, &c, customer, &ledger.DeletePromotion{Caller: c, Feature: featureID})
}
