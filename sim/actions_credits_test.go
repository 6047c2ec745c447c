package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

type createCard struct{ In catalogue.RateCardInput }

func (a createCard) run(w *world) string {
	got, err := w.engine.CreateRateCard(w.ctx, caller, a.In)
	want, f := w.model.createCard(a.In)
	return reply(got, err, want, f)
}

type addVersion struct {
	Card  string
	Input catalogue.RateVersionInput
}

func (a addVersion) run(w *world) string {
	got, err := w.engine.AddRateVersion(w.ctx, caller, a.Card, a.Input)
	want, f := w.model.addVersion(a.Card, a.Input)
	return reply(got, err, want, f)
}

type archiveCard struct{ Card string }

func (a archiveCard) run(w *world) string {
	got, err := w.engine.ArchiveRateCard(w.ctx, caller, a.Card)
	want, f := w.model.archiveCard(a.Card)
	return reply(got, err, want, f)
}

type createGrant struct{ Grant bursar.GrantInput }

func (a createGrant) run(w *world) string {
	customer := a.Grant.CustomerID
	got, v, err := w.engine.CreateGrant(w.ctx, caller, a.Grant)
	want, f := w.model.createGrant(a.Grant)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	return first(w.bindAtOnce("grants of "+customer, got.ID, want.ID), diff(w.grant(got), want), w.sawVersion(customer, v))
}

// bindAtOnce is bind, but ids of one millisecond may come in any order.
func (w *world) bindAtOnce(kind, got, want string) string {
	const millis = len("019f344c-431c-")
	if last := w.newest[kind]; len(got) > millis && len(last) > millis && got[:millis] == last[:millis] {
		w.newest[kind] = got[:millis]
	}
	return w.bind(kind, got, want)
}

// grant is the engine's grant with the model's id.
func (w *world) grant(g bursar.Grant) bursar.Grant {
	g.ID = w.modelID(g.ID)
	return g
}

// grantRef names a grant by its place among those of the customer; -1 is none.
type voidGrant struct {
	Customer string
	Ref      int
}

func (a voidGrant) run(w *world) string {
	id := "g-unknown"
	if c := w.model.customers[a.Customer]; c != nil && a.Ref >= 0 && a.Ref < len(c.grants) {
		if g := c.grants[a.Ref]; w.toEngine[g.ID] != "" {
			id = g.ID
		}
	}
	got, v, err := w.engine.VoidGrant(w.ctx, caller, w.engineID(id))
	want, f := w.model.voidGrant(id)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	return first(diff(w.grant(got), want), w.sawVersion(a.Customer, v))
}

type listGrants struct {
	Customer string
	Q        ledger.GrantQuery
}

func (a listGrants) run(w *world) string {
	if c := w.model.customers[a.Customer]; c != nil && c.grantsAtOnce() {
		return a.together(w)
	}
	query := func(p ledger.ListPage) ledger.GrantQuery {
		q := a.Q
		q.CustomerID, q.ListPage = a.Customer, p
		return q
	}
	return comparePages(pages[bursar.Grant]{
		got: func(p ledger.ListPage) (ledger.Page[bursar.Grant], error) {
			page, _, err := w.engine.Grants(w.ctx, w.fresh(a.Customer), query(p))
			return page, err
		},
		want:  func(p ledger.ListPage) (ledger.Page[bursar.Grant], *fail) { return w.model.listGrants(query(p)) },
		place: func(g bursar.Grant) ledger.ListPos { return ledger.ListPos{ID: g.ID} },
		norm: func(g bursar.Grant) bursar.Grant {
			w.knowOverdraft(a.Customer, g)
			return w.grant(g)
		},
		toEngine: w.enginePos,
	}, a.Q.ListPage)
}

// grantsAtOnce: grants of one millisecond are listed in an order that nothing says.
func (c *mCust) grantsAtOnce() bool {
	for i, g := range c.grants {
		if slices.ContainsFunc(c.grants[:i], func(o *mGrant) bool { return o.CreatedAt == g.CreatedAt }) {
			return true
		}
	}
	return false
}

// together compares all grants, in whatever order.
func (a listGrants) together(w *world) string {
	q := a.Q
	q.CustomerID, q.ListPage = a.Customer, ledger.ListPage{Limit: 1 << 20}
	want, f := w.model.listGrants(q)
	page, _, err := w.engine.Grants(w.ctx, w.fresh(a.Customer), q)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	var got []bursar.Grant
	for _, g := range page.Items {
		w.knowOverdraft(a.Customer, g)
		got = append(got, w.grant(g))
	}
	slices.SortFunc(got, func(x, y bursar.Grant) int { return compareText(x.ID, y.ID) })
	return diff(got, want.Items)
}

// knowOverdraft notes the id of an overdraft, which nothing told when it was made.
func (w *world) knowOverdraft(customer string, g bursar.Grant) {
	if _, known := w.toModel[g.ID]; known || g.Type != bursar.GrantOverdraft {
		return
	}
	if c := w.model.customers[customer]; c != nil {
		if o := c.overdraft(g.CurrencyID); o != nil && w.toEngine[o.ID] == "" {
			w.toModel[g.ID], w.toEngine[o.ID] = o.ID, g.ID
		}
	}
}

// promotion is the engine's promotional entitlement with the model's id.
func (w *world) promotion(p bursar.Promotion) bursar.Promotion {
	p.ID, p.CustomEnd = w.modelID(p.ID), p.CustomEnd.Milli() // shown as the end date only
	return p
}

// readCards compares all rate cards, in list order.
type readCards struct{}

func (readCards) run(w *world) string {
	var got []bursar.RateCard
	for _, c := range w.catalogue().RateCards() {
		got = append(got, *c)
	}
	want := pageOf(values(w.model.cards), func(c bursar.RateCard) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} },
		ledger.ListPage{Limit: 1 << 20})
	return diff(slices.Clone(got), want.Items)
}
