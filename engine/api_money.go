package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
)

// CreateRateCard makes a rate card. Pointers of errors begin at the body.
func (e *Engine) CreateRateCard(ctx context.Context, c Caller, in RateCardInput) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.RateCard, error) { return w.createCard(&in) })
}

// AddRateVersion adds a version to a card that is not archived.
func (e *Engine) AddRateVersion(ctx context.Context, c Caller, cardID string, in RateVersionInput) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.RateCard, error) { return w.addCardVersion(cardID, &in) })
}

// ArchiveRateCard ends a card's pricing from now on; it is idempotent.
func (e *Engine) ArchiveRateCard(ctx context.Context, c Caller, id string) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.RateCard, error) { return w.archiveCard(id) })
}

// CreateGrant adds credits to a customer's pool and settles its overdraft first.
func (e *Engine) CreateGrant(ctx context.Context, c Caller, in bursar.GrantInput) (bursar.Grant, uint64, error) {
	return govern[bursar.Grant](ctx, e, &c, in.CustomerID, &createGrant{c, in})
}

// VoidGrant takes back what is left of an ACTIVE or SCHEDULED grant; of another one it
// is GrantNotVoidable. It gives the customer's id, too.
func (e *Engine) VoidGrant(ctx context.Context, c Caller, id string) (g bursar.Grant, version uint64, err error) {
	u, ok := parseID(id)
	if !ok {
		return g, 0, errNoGrant(id)
	}
	owners, err := e.store.Users(ctx, Use{"grant", id}, 1)
	if err != nil {
		return g, 0, e.unavailable(err)
	}
	if len(owners) == 0 {
		return g, 0, errNoGrant(id)
	}
	return govern[bursar.Grant](ctx, e, &c, owners[0], &voidGrant{c, u})
}

// Grants lists the grants of a customer.
func (e *Engine) Grants(ctx context.Context, o ReadOptions, q GrantQuery) (p Page[bursar.Grant], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *view) error {
		p.Items = []bursar.Grant{}
		var all []bursar.Grant
		for ord := uint32(1); ord < v.nextGrant(); ord++ {
			g := v.grant(ord)
			if (q.CurrencyID == "" || g.CurrencyID == q.CurrencyID) && g.CreatedAt >= q.CreatedFrom && (q.CreatedTo == 0 || g.CreatedAt < q.CreatedTo) {
				all = append(all, g.Grant)
			}
		}
		slices.SortFunc(all, func(a, b bursar.Grant) int { return strings.Compare(a.ID, b.ID) })
		if q.Before != nil {
			all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID >= q.Before.ID })
			all = all[max(0, len(all)-q.Limit-1):]
		}
		if q.After != nil {
			all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID <= q.After.ID })
		}
		p.Items = append(p.Items, all[:min(len(all), q.Limit+1)]...)
		p.cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}

// ReportEvents turns events into usage by the meters of their names. It gives the warnings
// of each and the versions of the customers. Pointers of errors begin with /events/i.
func (e *Engine) ReportEvents(ctx context.Context, c Caller, in []bursar.EventInput) (warnings [][]string, versions map[string]uint64, err error) {
	byCustomer := map[string]*reportEvents{}
	for i := range in {
		it := eventItem{index: i, in: in[i]}
		it.in.Dimensions = sortDims(it.in.Dimensions)
		it.key = keyOf(&e.secret, "\x03"+it.in.EventName, it.in.IdempotencyKey, eventContent(&it.in))
		r := byCustomer[it.in.CustomerID]
		if r == nil {
			r = &reportEvents{}
			byCustomer[it.in.CustomerID] = r
		}
		r.items = append(r.items, it)
	}
	order := sortedKeys(byCustomer)
	if len(order) > 1 {
		if err := rehearseAll(ctx, e, order, byCustomer); err != nil {
			return nil, nil, err
		}
	}
	warnings, versions = make([][]string, len(in)), make(map[string]uint64, len(order))
	var mu sync.Mutex
	err = e.writeAll(order, func(id string) error {
		reply, version, err := e.write(ctx, &c, id, byCustomer[id])
		if err != nil {
			return err
		}
		mu.Lock()
		versions[id] = version
		mu.Unlock()
		e.noteUnpriced(byCustomer[id].unpriced)
		for i, w := range reply.([][]string) {
			warnings[byCustomer[id].items[i].index] = w
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return warnings, versions, nil
}

// Entitlements is a check of amount 0 for every feature and currency that the customer
// has used or has a promotional entitlement, limit or grant of, by capability.
func (e *Engine) Entitlements(ctx context.Context, o ReadOptions, customer string) ([]bursar.Decision, uint64, error) {
	cat := e.cat.Load()
	out := []bursar.Decision{}
	version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		caps := slices.Clone(v.caps.list)
		slices.SortFunc(caps, func(a, b bursar.Capability) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
		})
		for _, c := range caps {
			if cat.features[c.ID] != nil && c.Kind == bursar.KindFeature || cat.currencies[c.ID] != nil && c.Kind == bursar.KindCurrency {
				asks := []ask{{c: c, cap: v.capOrd(c)}}
				out = append(out, v.judge(cat, asks, nil))
			}
		}
		return nil
	})
	return out, version, err
}

// PutPromotions gives a customer promotional entitlements, all or none; one replaces the
// feature's last. Pointers of errors begin with /promotionalEntitlements/i.
func (e *Engine) PutPromotions(ctx context.Context, c Caller, customer string, in []bursar.PromotionInput) ([]bursar.Promotion, uint64, error) {
	return govern[[]bursar.Promotion](ctx, e, &c, customer, &putPromotions{c, in})
}

// Promotions lists a customer's promotional entitlements, expired ones too, by
// (CreatedAt, ID).
func (e *Engine) Promotions(ctx context.Context, o ReadOptions, customer string) ([]bursar.Promotion, uint64, error) {
	out := []bursar.Promotion{}
	version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		for _, p := range v.promos {
			out = append(out, v.promotionOut(p))
		}
		slices.SortFunc(out, func(a, b bursar.Promotion) int {
			return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
		})
		return nil
	})
	return out, version, err
}

// DeletePromotion takes a promotional entitlement away.
func (e *Engine) DeletePromotion(ctx context.Context, c Caller, customer, featureID string) (bursar.Promotion, uint64, error) {
	return govern[bursar.Promotion](ctx, e, &c, customer, &deletePromotion{c, featureID})
}

// CreateBoost raises an assignment's limit for a time.
func (e *Engine) CreateBoost(ctx context.Context, c Caller, customer, assignmentID string, in bursar.BoostInput) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &createBoost{c, assignmentID, in})
}

// Boosts lists an assignment's boosts, ended ones too, by ID.
func (e *Engine) Boosts(ctx context.Context, o ReadOptions, customer, assignmentID string) ([]bursar.Boost, uint64, error) {
	out := []bursar.Boost{}
	version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		ord := v.findRowID(assignmentID)
		if ord == 0 {
			return errNoAssignment(assignmentID)
		}
		for _, b := range v.boostsOf(ord) {
			out = append(out, boostOut(v.rowID(ord), b))
		}
		return nil
	})
	return out, version, err
}

// EndBoost ends a boost now; one that has ended stays as it is.
func (e *Engine) EndBoost(ctx context.Context, c Caller, customer, assignmentID, boostID string) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &endBoost{c, assignmentID, boostID})
}

// DueDeliveries, SaveDeliveries and DisableWebhook are what a sender of webhooks works
// with; see Store for the first two. The catalogue has the endpoints of all that is due:
// another node may have made them a moment ago.
func (e *Engine) DueDeliveries(ctx context.Context, limit func(endpoint string) int) ([]DueDelivery, error) {
	if !e.has(claimWebhooks) {
		return nil, nil // another node sends them
	}
	due, err := e.store.DueDeliveries(ctx, e.now(), limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	if err := e.Newest(ctx); err != nil {
		return nil, err
	}
	return due, nil
}

func (e *Engine) SaveDeliveries(ctx context.Context, ds []Delivery) error {
	return e.store.SaveDeliveries(ctx, ds)
}
