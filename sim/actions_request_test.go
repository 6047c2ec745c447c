package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

// requestBoost names the limit by its id where it has a key, else by what is in In.
type requestBoost struct {
	Customer, By string
	Key          naturalKey
	In           bursar.BoostRequestInput
}

func actor(id string) catalogue.Caller {
	by := caller
	by.ActorID = id
	return by
}

func (a requestBoost) run(w *world) string {
	asked, in := a.In, a.In
	if a.Key != (naturalKey{}) {
		asked.AssignmentID = w.rowID(a.Customer, a.Key)
		in.AssignmentID = w.engineID(asked.AssignmentID)
	}
	got, v, err := w.engine.AskBoost(w.ctx, actor(a.By), a.Customer, engine.BoostAsk{In: in})
	want, f := w.model.requestBoost(a.Customer, a.By, asked)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	return first(w.bind("requests of "+a.Customer, got.ID, want.ID), diff(w.request(got), want), w.sawVersion(a.Customer, v))
}

// request is the engine's request with the model's ids.
func (w *world) request(r bursar.BoostRequest) bursar.BoostRequest {
	r.ID, r.AssignmentID = w.modelID(r.ID), w.modelID(r.AssignmentID)
	if r.BoostID != nil {
		id := w.modelID(*r.BoostID)
		r.BoostID = &id
	}
	return r
}

// decideRequest names a request by its place among those of the customer.
type decideRequest struct {
	Customer, By string
	Ref          int
	To           bursar.BoostRequestStatus
	In           bursar.BoostRequestDecision
}

func (a decideRequest) run(w *world) string {
	id := "q-unknown"
	if c := w.model.customers[a.Customer]; c != nil && a.Ref < len(c.requests) {
		id = c.requests[a.Ref].id
	}
	by, asked := actor(a.By), w.engineID(id)
	var got bursar.BoostRequest
	var v uint64
	var err error
	switch a.To {
	case bursar.BoostRequestApproved:
		got, v, err = w.engine.ApproveBoost(w.ctx, by, a.Customer, asked, a.In)
	case bursar.BoostRequestDeclined:
		got, v, err = w.engine.DeclineBoost(w.ctx, by, a.Customer, asked, a.In.Note)
	default:
		got, v, err = w.engine.WithdrawBoost(w.ctx, by, a.Customer, asked)
	}
	want, f := w.model.decideRequest(a.Customer, a.By, id, a.To, a.In)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if got.BoostID != nil && want.BoostID != nil {
		if d := w.bind("boosts of "+a.Customer, *got.BoostID, *want.BoostID); d != "" {
			return d
		}
	}
	return first(diff(w.request(got), want), w.sawVersion(a.Customer, v))
}

// listRequests walks all pages.
type listRequests struct {
	Customer, Entity string
	Status           bursar.BoostRequestStatus
	Limit            int
}

func (a listRequests) run(w *world) string {
	want, f := w.model.listRequests(a.Customer, a.Entity, a.Status)
	all := []bursar.BoostRequest{}
	q := ledger.BoostRequestQuery{Status: a.Status, EntityID: a.Entity, ListPage: ledger.ListPage{Limit: a.Limit}}
	for {
		page, _, err := w.engine.BoostRequests(w.ctx, w.fresh(a.Customer), a.Customer, q)
		if d := diffErr(err, f); d != "" || f != nil {
			return d
		}
		if q.After != nil && len(page.Items) > 0 { // back, and the page before ends where this begins
			back := q
			back.After, back.Before = nil, &ledger.ListPos{ID: page.Items[0].ID}
			before, _, err := w.engine.BoostRequests(w.ctx, w.fresh(a.Customer), a.Customer, back)
			if err != nil {
				return err.Error()
			}
			if d := diff(before.Items, all[max(0, len(all)-a.Limit):]); d != "" {
				return "the page before: " + d
			}
		}
		all = append(all, page.Items...)
		if !page.HasNext {
			break
		}
		q.After = &ledger.ListPos{ID: page.Items[len(page.Items)-1].ID}
	}
	all = slices.Clone(all)
	for i := range all {
		all[i] = w.request(all[i])
	}
	return diff(all, want)
}
