package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// CreateRateCard makes a rate card. Pointers of errors begin at the body.
func (e *Engine) CreateRateCard(ctx context.Context, c catalogue.Caller, in catalogue.RateCardInput) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.RateCard, error) { return w.CreateCard(&in) })
}

// AddRateVersion adds a version to a card that is not archived.
func (e *Engine) AddRateVersion(ctx context.Context, c catalogue.Caller, cardID string, in catalogue.RateVersionInput) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.RateCard, error) { return w.AddCardVersion(cardID, &in) })
}

// ArchiveRateCard ends a card's pricing from now on; it is idempotent.
func (e *Engine) ArchiveRateCard(ctx context.Context, c catalogue.Caller, id string) (bursar.RateCard, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.RateCard, error) { return w.ArchiveCard(id) })
}

// Estimate tells what usage or an event would cost. The first of warnings is
// FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing is priced.
func (e *Engine) Estimate(ctx context.Context, o ledger.ReadOptions, in bursar.EstimateInput) (out []bursar.Estimate, warnings []string, version uint64, err error) {
	in.Dimensions = record.SortDims(in.Dimensions)
	cat := e.cat.Load()
	version, err = e.readCustomer(ctx, o, in.CustomerID, func(v *ledger.View) (err error) {
		d := ledger.Decider{View: v, Cat: cat, Horizon: e.o.LateHorizon, Rehearsal: true}
		out, warnings, err = d.Estimate(&in)
		return err
	})
	return out, warnings, version, err
}

// maxUnpriced bounds the combinations without a rate that are told apart.
const maxUnpriced = 1000

// unpricedUse counts usage that came without a rate since the process started.
type unpricedUse struct {
	mu    sync.Mutex
	total uint64
	by    map[string]*ledger.Unpriced
}

func (e *Engine) noteUnpriced(list []ledger.Unpriced) {
	if len(list) == 0 {
		return
	}
	s := &e.unpriced
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]*ledger.Unpriced{}
	}
	for i := range list {
		u := &list[i]
		s.total++
		key := u.FeatureID + "\x00" + u.CurrencyID + "\x00" + record.EncodeCombo(u.Dimensions)
		old := s.by[key]
		switch {
		case old != nil:
			old.Count++
			old.Amount = old.Amount.Add(u.Amount)
			old.LastSeen = max(old.LastSeen, u.LastSeen)
		case len(s.by) < maxUnpriced:
			s.by[key] = u
		}
	}
}

// Unpriced lists combinations that came without a rate since this process started, at
// most 1,000, the most frequent first; UnpricedTotal counts them all.
func (e *Engine) Unpriced() []ledger.Unpriced {
	s := &e.unpriced
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ledger.Unpriced, 0, len(s.by))
	for _, key := range slices.Sorted(maps.Keys(s.by)) {
		out = append(out, *s.by[key])
	}
	slices.SortStableFunc(out, func(a, b ledger.Unpriced) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func (e *Engine) UnpricedTotal() uint64 {
	e.unpriced.mu.Lock()
	defer e.unpriced.mu.Unlock()
	return e.unpriced.total
}
