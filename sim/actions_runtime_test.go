package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// decision is d with the model's ids; the engine's value is not changed.
func (w *world) decision(d bursar.Decision) bursar.Decision {
	if d.Chains != nil {
		chains := make([][]bursar.Node, len(d.Chains))
		for i, chain := range d.Chains {
			chains[i] = slices.Clone(chain)
			for j := range chains[i] {
				chains[i][j].AssignmentID = w.modelID(chains[i][j].AssignmentID)
				chains[i][j].DefaultOf = w.source(chains[i][j].DefaultOf)
			}
		}
		d.Chains = chains
	}
	if d.Binding != nil {
		b := *d.Binding
		b.Node.AssignmentID = w.modelID(b.Node.AssignmentID)
		b.Node.DefaultOf = w.source(b.Node.DefaultOf)
		d.Binding = &b
	}
	if a := &d.Advice; a.Limit.Source == bursar.BindingEntity {
		a.Limit.AssignmentID = w.modelID(a.Limit.AssignmentID)
	}
	if d.Gate.Promotion != nil {
		p := w.promotion(*d.Gate.Promotion)
		d.Gate.Promotion = &p
	}
	return d
}

// comparable drops what the contract does not say: the figures of a decision that was
// never reached, the members of a pool's node that a pool does not have.
func comparable(d bursar.Decision) bursar.Decision {
	switch d.Reason {
	case bursar.CodeCustomerNotFound, bursar.CodeCustomerIsArchived, bursar.CodeFeatureNotFound, bursar.CodeEntitlementNotFound, bursar.CodeUnknown:
		return bursar.Decision{Granted: d.Granted, Reason: d.Reason, Capability: d.Capability}
	}
	d.Because = ""                   // in whatever words
	d.Named = nil                    // for lists of denials, which the model does not have
	d.Feature, d.Currency = nil, nil // the catalogue is compared as such
	d.Warnings = slices.Sorted(slices.Values(d.Warnings))
	d.Gate.UpdatedAt = d.Gate.UpdatedAt.Milli()
	d.Gate.Soft = d.Gate.Soft && !d.Gate.Unlimited
	d.Costs = slices.Clone(d.Costs)
	for i := range d.Costs {
		d.Costs[i].Gate.UpdatedAt = d.Costs[i].Gate.UpdatedAt.Milli()
	}
	if d.Binding != nil && d.Binding.Source != bursar.BindingEntity {
		n := d.Binding.Node
		d.Binding = &bursar.Binding{Source: d.Binding.Source, Node: bursar.Node{
			Capability: n.Capability, UsageLimit: n.UsageLimit, CurrentUsage: n.CurrentUsage, Reserved: n.Reserved, ResetsAt: n.ResetsAt,
		}}
	}
	return d
}

// current drops what tells whether a request of the past would be granted now.
func current(d bursar.Decision) bursar.Decision {
	for _, chain := range d.Chains {
		for j := range chain {
			chain[j].Granted, chain[j].Exceeded = false, false
		}
	}
	d.Granted, d.Reason, d.Binding, d.Frozen, d.Warnings = false, "", nil, nil, nil
	d.Advice = bursar.Advice{} // by the currencies, too, in which it was free
	return d
}

type check struct {
	Customer string
	In       []ledger.CheckInput
}

func (a check) run(w *world) string {
	got, v, err := w.engine.Check(w.ctx, w.fresh(a.Customer), a.Customer, a.In)
	if err != nil {
		return err.Error()
	}
	want := w.model.check(a.Customer, a.In)
	got = slices.Clone(got)
	for i := range got {
		got[i] = comparable(w.decision(got[i]))
	}
	for i := range want {
		want[i] = comparable(want[i])
	}
	if d := diff(got, want); d != "" || w.model.customers[a.Customer] == nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type reportUsage struct{ In []bursar.UsageInput }

func (a reportUsage) run(w *world) string { return w.runReport(ofUsage, a.In) }

// consumeCredits reports that currencies were consumed.
type consumeCredits struct{ In []bursar.UsageInput }

func (a consumeCredits) run(w *world) string { return w.runReport(ofConsumption, a.In) }

func (w *world) runReport(o reporting, in []bursar.UsageInput) string {
	customers := map[string]bool{}
	for _, x := range in {
		customers[x.CustomerID] = true
	}
	got := make([]ledger.UsageItem, len(in))
	for i := range in {
		got[i].In = in[i]
	}
	var versions map[string]uint64
	var err error
	if o == ofUsage {
		versions, err = w.engine.ReportUsage(w.ctx, caller, got)
	} else {
		versions, err = w.engine.ReportConsumption(w.ctx, caller, o.base, got)
	}
	want, f := w.model.reportUsage(o, in)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d results, model %d", len(got), len(want))
	}
	for i := range got {
		if want[i].Duplicate {
			w.againCredit(in[i].CustomerID, got[i].Credit, &want[i].Credit, !slices.ContainsFunc(want[i].Costs, func(c bursar.Cost) bool { return w.model.currencies[c.CurrencyID].Prepaid }))
		}
		if d := first(w.bind(in[i].CustomerID, got[i].ID, want[i].ID), diff(usageReply(got[i].UsageResult), usageReply(want[i]))); d != "" {
			return fmt.Sprintf("usage %d: %s", i, d)
		}
	}
	for _, id := range sortedKeys(customers) {
		if d := w.sawVersion(id, versions[id]); d != "" {
			return d
		}
	}
	return ""
}

// balance cuts the time of a balance to the precision of a reply.
func balance(b *bursar.Balance) *bursar.Balance {
	if b == nil {
		return nil
	}
	x := *b
	x.At = x.At.Milli()
	return &x
}

// usageReply drops the id, which was compared, what a duplicate does not repeat, and
// what is below the precision of a reply.
func usageReply(r bursar.UsageResult) bursar.UsageResult {
	r.ID = ""
	r.Timestamp, r.CreatedAt = r.Timestamp.Milli(), r.CreatedAt.Milli()
	r.Credit = balance(r.Credit)
	r.Warnings = slices.Sorted(slices.Values(r.Warnings))
	if r.Duplicate {
		r.Warnings = nil
	}
	return r
}

// diffDenial compares why something was refused.
func (w *world) diffDenial(err error, f *fail) string {
	if d := diffErr(err, f); d != "" || f == nil || f.denial == nil {
		return d
	}
	var e *bursar.Error
	if errors.As(err, &e); e.Denial == nil {
		return "denied without a decision"
	}
	return diff(comparable(w.decision(*e.Denial)), comparable(*f.denial))
}

type consume struct {
	Customer string
	In       bursar.SpendInput
}

func (a consume) run(w *world) string {
	got, v, err := w.engine.Consume(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.consume(a.Customer, a.In)
	if d := w.diffDenial(err, f); d != "" || f != nil {
		return d
	}
	if d := w.bind(a.Customer, got.ID, want.ID); d != "" {
		return d
	}
	got.Credit, want.Credit = balance(got.Credit), balance(want.Credit)
	got.ID, got.Timestamp, got.Decision = want.ID, got.Timestamp.Milli(), comparable(w.decision(got.Decision))
	want.Timestamp, want.Decision = want.Timestamp.Milli(), comparable(want.Decision)
	if want.Duplicate {
		got.Decision, want.Decision = current(paidOnly(got.Decision)), current(paidOnly(want.Decision))
		free := !slices.ContainsFunc(want.Costs, func(c bursar.Cost) bool { return w.model.currencies[c.CurrencyID].Prepaid })
		w.againCredit(a.Customer, got.Credit, &want.Credit, free && want.Capability.Kind == bursar.KindFeature)
		got.Credit, want.Credit = balance(got.Credit), balance(want.Credit)
	}
	return first(diff(got, want), w.sawVersion(a.Customer, v))
}

type reserve struct {
	Customer string
	In       bursar.SpendInput
	TTL      int
	OnExpire bursar.OnExpire
}

func (a reserve) run(w *world) string {
	got, v, err := w.engine.Reserve(w.ctx, caller, a.Customer, a.In, a.TTL, a.OnExpire)
	want, f := w.model.reserve(a.Customer, a.In, a.TTL, a.OnExpire)
	if d := w.diffDenial(err, f); d != "" || f != nil {
		return d
	}
	if d := w.bind(a.Customer, got.ID, want.ID); d != "" {
		return d
	}
	if want.Duplicate {
		got.Decision = nil
	} else if got.Decision == nil {
		return "reserved without a decision"
	}
	return first(diff(w.hold(got), comparableHold(want)), w.sawVersion(a.Customer, v))
}

// hold is the engine's reservation with the model's ids.
func (w *world) hold(r bursar.Reservation) bursar.Reservation {
	r.ID = w.modelID(r.ID)
	if r.Decision != nil {
		d := w.decision(*r.Decision)
		r.Decision = &d
	}
	return comparableHold(r)
}

// comparableHold cuts times to the precision of a reply, and what is free out of the
// costs.
func comparableHold(r bursar.Reservation) bursar.Reservation {
	r.Dimensions, r.Event = noneOr(r.Dimensions), comparableEvent(r.Event)
	r.Costs = slices.DeleteFunc(slices.Clone(r.Costs), func(c bursar.Cost) bool { return c.Amount.IsZero() })
	r.CreatedAt, r.ExpiresAt, r.ClosedAt = r.CreatedAt.Milli(), r.ExpiresAt.Milli(), r.ClosedAt.Milli()
	if r.Decision != nil {
		d := comparable(*r.Decision)
		r.Decision = &d
	}
	return r
}

// holdRef names a reservation by the key it was made under.
type holdRef struct{ Target, Key string }

// holdID is the model's id of a reservation; unknown when there is none.
func (w *world) holdID(customer string, ref holdRef) string {
	if c := w.model.customers[customer]; c != nil {
		if k := c.keys[keyID{ref.Target, ref.Key}]; k.hold != nil {
			return k.hold.ID
		}
	}
	return "r-unknown"
}

// onHold compares what two calls say about one reservation.
func (w *world) onHold(customer string, got bursar.Reservation, v uint64, err error, want bursar.Reservation, f *fail) string {
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	got.Decision, want.Decision = nil, nil
	return first(diff(w.hold(got), comparableHold(want)), w.sawVersion(customer, v))
}

type commitHold struct {
	Customer string
	Ref      holdRef
	Amount   bursar.Amount
}

func (a commitHold) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.CommitReservation(w.ctx, caller, a.Customer, w.engineID(id), a.Amount)
	want, f := w.model.commitReservation(a.Customer, id, a.Amount)
	return w.onHold(a.Customer, got, v, err, want, f)
}

type releaseHold struct {
	Customer string
	Ref      holdRef
}

func (a releaseHold) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.ReleaseReservation(w.ctx, caller, a.Customer, w.engineID(id))
	want, f := w.model.releaseReservation(a.Customer, id)
	return w.onHold(a.Customer, got, v, err, want, f)
}

type extendHold struct {
	Customer string
	Ref      holdRef
	TTL      int
}

func (a extendHold) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.ExtendReservation(w.ctx, caller, a.Customer, w.engineID(id), a.TTL)
	want, f := w.model.extendReservation(a.Customer, id, a.TTL)
	return w.onHold(a.Customer, got, v, err, want, f)
}

type getHold struct {
	Customer string
	Ref      holdRef
}

func (a getHold) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.Reservation(w.ctx, w.fresh(a.Customer), a.Customer, w.engineID(id))
	want, f := w.model.reservation(a.Customer, id)
	return w.onHold(a.Customer, got, v, err, want, f)
}

type listHolds struct {
	Customer string
	Q        ledger.ReservationQuery
}

func (a listHolds) run(w *world) string {
	query := func(p ledger.ListPage) ledger.ReservationQuery {
		q := a.Q
		q.ListPage = p
		return q
	}
	return comparePages(pages[bursar.Reservation]{
		got: func(p ledger.ListPage) (ledger.Page[bursar.Reservation], error) {
			page, _, err := w.engine.Reservations(w.ctx, w.fresh(a.Customer), a.Customer, query(p))
			return page, err
		},
		want: func(p ledger.ListPage) (ledger.Page[bursar.Reservation], *fail) {
			page, f := w.model.listReservations(a.Customer, query(p))
			for i := range page.Items {
				page.Items[i] = comparableHold(page.Items[i])
			}
			return page, f
		},
		place: func(r bursar.Reservation) ledger.ListPos { return ledger.ListPos{ID: r.ID} },
		norm: func(r bursar.Reservation) bursar.Reservation {
			r.Decision = nil
			return w.hold(r)
		},
		toEngine: w.enginePos,
	}, a.Q.ListPage)
}

// paidOnly drops the currencies in which a feature was free: whether a duplicate shows
// them is open.
func paidOnly(d bursar.Decision) bursar.Decision {
	if d.Capability.Kind == bursar.KindCurrency {
		return d
	}
	d.Costs = slices.DeleteFunc(slices.Clone(d.Costs), func(c bursar.PricedGate) bool { return c.Amount.IsZero() })
	var chains [][]bursar.Node
	for _, chain := range d.Chains {
		chain = slices.DeleteFunc(slices.Clone(chain), func(n bursar.Node) bool {
			return n.Capability.Kind == bursar.KindCurrency && n.Requested.IsZero()
		})
		if len(chain) > 0 {
			chains = append(chains, chain)
		}
	}
	if d.Chains != nil && chains == nil {
		chains = [][]bursar.Node{}
	}
	d.Chains = chains
	return d
}

// againCredit: which pool a duplicate shows is open, of the currencies that the feature
// was or is priced in, and none if it was free; the figures are today's.
func (w *world) againCredit(customer string, got *bursar.Balance, want **bursar.Balance, free bool) {
	c, _ := w.model.customer(customer)
	if got == nil && free {
		*want = nil
	}
	if got != nil && w.model.currencies[got.CurrencyID] != nil && (*want == nil || (*want).CurrencyID != got.CurrencyID) {
		*want = c.credit(got.CurrencyID, &num{})
	}
}
