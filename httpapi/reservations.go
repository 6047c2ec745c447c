package httpapi

import (
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type reserveIn struct {
	spendIn
	expectedIn
	Amount     *bursar.Amount   `json:"amount" is:"positive" doc:"Required, unless eventName is given."`
	TTLSeconds *int             `json:"ttlSeconds" is:"n=1-86400,default=300"`
	OnExpire   *bursar.OnExpire `json:"onExpire" is:"enum=release|settle,default=release" doc:"What becomes of the amount when nobody closes the reservation in time."`
}

type reservationOut struct {
	ID              string                `json:"id"`
	CustomerID      string                `json:"customerId"`
	FeatureID       *string               `json:"featureId,omitempty"`
	CurrencyID      *string               `json:"currencyId,omitempty"`
	Amount          *bursar.Amount        `json:"amount,omitempty" doc:"Left out of an event."`
	EventName       *string               `json:"eventName,omitempty"`
	Held            []capabilityAmountOut `json:"held,omitempty" doc:"Of an event: what is held of each feature and currency, or was until it ended."`
	Used            []capabilityAmountOut `json:"used,omitempty" doc:"Of an event: what was recorded of each feature and currency."`
	Tokens          *tokensOut            `json:"tokens,omitempty" doc:"Of an event: tokens by kind, as expected while it is open, then as recorded."`
	Estimated       bool                  `json:"estimated,omitzero" doc:"Of an event: nobody said what was used, and what was held is recorded until somebody does."`
	Tightest        *bindingReply         `json:"tightest,omitempty" doc:"Of an event: the hard limit that has room for the fewest more of such events."`
	Learned         *learnedOut           `json:"learned,omitempty" doc:"Of an event with hold: what was taken from calls before; in the reply that made the reservation alone."`
	Alerts          []alertOut            `json:"alerts,omitempty" doc:"Of an event: thresholds that its usage reached; in the reply to the commit alone."`
	Dimensions      dims                  `json:"dimensions"`
	Status          bursar.HoldStatus     `json:"status" is:"enum=OPEN|COMMITTED|RELEASED|EXPIRED"`
	OnExpire        bursar.OnExpire       `json:"onExpire" is:"enum=release|settle"`
	CreatedAt       bursar.Time           `json:"createdAt"`
	ExpiresAt       bursar.Time           `json:"expiresAt"`
	ClosedAt        *bursar.Time          `json:"closedAt"`
	CommittedAmount *bursar.Amount        `json:"committedAmount"`
	Overshoot       *bursar.Amount        `json:"overshoot,omitempty" doc:"How much more was committed than held; left out of an event."`
	LateCommit      bool                  `json:"lateCommit"`
	Cost            []cost                `json:"cost" doc:"Held while it is open, then charged; none after a release."`
	Chains          chains                `json:"chains" doc:"The limits on its path, and their figures when this was answered."`
	Advice          *adviceOut            `json:"advice" doc:"How to go on, with what this one holds or used; null where no hard limit counts."`
	Duplicate       bool                  `json:"duplicate"`
	Warnings        []string              `json:"warnings,omitempty" doc:"Of the request that made it; in the reply to that alone."`
}

type learnedOut struct {
	Quantile string  `json:"quantile" doc:"As it was asked for."`
	Samples  int     `json:"samples" doc:"Calls that it is taken from, at most 64; 0: there were fewer than 10, and maxTokens is held."`
	Of       *string `json:"of" doc:"The entity whose calls they were; null: the customer's."`
	Tokens   int64   `json:"tokens" doc:"Of output, that are held."`
	Capped   bool    `json:"capped" doc:"There was room for no more than that."`
}

func viewLearned(l *bursar.Learned) *learnedOut {
	if l == nil {
		return nil
	}
	return &learnedOut{Quantile: "p" + strconv.Itoa(l.Quantile), Samples: l.Samples, Of: orNil(&l.EntityID), Tokens: l.Tokens, Capped: l.Capped}
}

func viewReservation(r bursar.Reservation) reservationOut {
	out := reservationOut{
		ID: r.ID, CustomerID: r.CustomerID, Dimensions: r.Dimensions, Status: r.Status, OnExpire: r.OnExpire,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, CommittedAmount: r.CommittedAmount,
		LateCommit: r.LateCommit, Cost: viewCosts(r.Costs), Duplicate: r.Duplicate,
	}
	if e := r.Event; e != nil {
		out.EventName, out.Held, out.Used, out.Tokens = &e.Name, viewAmounts(e.Held), viewAmounts(e.Used), viewTokens(e.Properties)
		out.Estimated, out.Tightest, out.Alerts = e.Estimated, viewBinding(e.Tightest), viewAlerts(e.Alerts)
		out.Learned = viewLearned(e.Learned)
	} else {
		overshoot := r.Overshoot()
		out.Amount, out.Overshoot = &r.Amount, &overshoot
		out.FeatureID, out.CurrencyID = capabilityIDs(r.Capability)
	}
	out.ClosedAt = timeOrNil(r.ClosedAt)
	if r.Decision != nil {
		out.Chains, out.Advice, out.Warnings = r.Decision.Chains, viewAdvice(&r.Decision.Advice), r.Decision.Warnings
	}
	return out
}

// replayedReservation notes whether r was made, or ended, by an earlier request.
func (c call) replayedReservation(r bursar.Reservation, version uint64, err error) (bursar.Reservation, uint64, error) {
	c.replayed = err == nil && r.Duplicate
	r.ID = c.markedID(r.ID)
	return r, version, err
}

func (in *reserveIn) items(keys *itemKeys) bursar.SpendInput {
	saidInput, saidOutput := in.said(in.Dimensions, &in.measuresIn)
	bounded := in.bounded(in.Dimensions, &in.measuresIn)
	in.expectedIn.onto(&in.measuresIn, &keys.problems)
	spend := in.input(keys, in.Amount, true)
	spend.SaidInput, spend.SaidOutput, spend.Bounded = saidInput, saidOutput, bounded
	if in.Hold != nil {
		spend.Percentile, spend.MostSaid = in.percentile(), in.MaxTokens != nil
	}
	return spend
}

func (a *API) reserve(c call, in *reserveIn, spend bursar.SpendInput) (bursar.Reservation, uint64, error) {
	got, version, err := a.engine.Reserve(c.ctx, c.by, in.CustomerID, spend, c.ending(or(in.TTLSeconds, bursar.DefaultHoldTTL)), or(in.OnExpire, bursar.ExpireRelease))
	c.spent(kindReserve, &spend, got.Decision, err, got.Duplicate)
	got.ID = c.markedID(got.ID)
	return got, version, err
}

type commitIn struct {
	reservationPath
	Amount *bursar.Amount `json:"amount" is:"min=0" doc:"Required, unless the reservation is of an event. All of it is recorded, even above the hold."`
	measuresIn
	CallID *string `json:"callId" is:"key" doc:"Of an event: your id of the call, where the reservation was not given it. If an event without reservation counted that call already, the reservation ends without usage of its own."`
	Model  *string `json:"model" is:"len=1-255" doc:"Of an event: the model that answered, where it is another one. It is priced as when the reservation was made."`
}

// event is the event of the reservation as it really was.
func (in *commitIn) event(rules []bursar.UsageRule, p *bursar.Problems) bursar.EventInput {
	if in.Amount != nil {
		p.Add("/amount", bursar.CodeValidationFailed, "usage, tokens, properties, model and callId are of an event, amount of a plain reservation: give the one or the other")
	} else if !in.measuresIn.given() {
		p.Add("/usage", bursar.CodeValidationFailed, "say what was used: usage, tokens or properties")
	}
	dims := []bursar.Dimension{}
	if in.Model != nil {
		dims = append(dims, bursar.Dimension{Key: "model", Value: *in.Model})
	}
	e, _ := in.measuresIn.onto(dims, rules, p)
	e.CallID = orZero(in.CallID)
	return e
}

func (a *API) commitReservation(c call, in *commitIn) (bursar.Reservation, uint64, error) {
	var got bursar.Reservation
	var version uint64
	var err error
	switch {
	case in.measuresIn.given() || in.Model != nil || in.CallID != nil:
		var p bursar.Problems
		used := in.event(c.usageRules(), &p)
		err = c.said("", "properties", in.Properties)
		if err == nil {
			err = p.Err()
		}
		if err == nil { // what the usage told
			err = c.said("", "dimensions", used.Dimensions)
		}
		if err == nil {
			err = c.noCall(in.CallID)
		}
		if err == nil && hasKey(used.Dimensions, bursar.ModelKey) && !hasKey(used.Derived, bursar.ModelKey) {
			err = c.ofModel("", used.Dimensions)
		}
		if used.CallID = c.scoped(used.CallID); err == nil {
			got, version, err = a.engine.CommitEvent(c.ctx, c.by, in.CustomerID, in.ReservationID, used)
		}
	case in.Amount == nil:
		err = bursar.ErrorAt("/amount", bursar.CodeValidationFailed,
			"is required; or, of a reservation of an event, usage, tokens or properties")
	default:
		got, version, err = a.engine.CommitReservation(c.ctx, c.by, in.CustomerID, in.ReservationID, *in.Amount)
	}
	if err == nil && !got.Duplicate {
		a.observed.used(c.now, 1)
		if got.Decision != nil {
			a.metrics.warned(got.Decision.Warnings, got.Dimensions)
		}
	}
	return c.replayedReservation(got, version, err)
}

func (a *API) releaseReservation(c call, in *reservationPath) (bursar.Reservation, uint64, error) {
	return c.replayedReservation(a.engine.ReleaseReservation(c.ctx, c.by, in.CustomerID, in.ReservationID))
}

type extendIn struct {
	reservationPath
	TTLSeconds *int      `json:"ttlSeconds" is:"n=1-86400" doc:"From now. Required, unless tokens are given."`
	Tokens     *tokensIn `json:"tokens" doc:"Of an event: how many more are expected. They are held on every limit, or refused as a reservation is; then what was held stays."`
}

func (a *API) extendReservation(c call, in *extendIn) (bursar.Reservation, uint64, error) {
	if in.Tokens != nil {
		return a.raiseReservation(c, in)
	}
	if in.TTLSeconds == nil {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "is required; or, of a reservation of an event, tokens")
	}
	return c.replayedReservation(a.engine.ExtendReservation(c.ctx, c.by, in.CustomerID, in.ReservationID, c.ending(*in.TTLSeconds)))
}

// raiseReservation holds more for an event. A denial is one of a reservation.
func (a *API) raiseReservation(c call, in *extendIn) (bursar.Reservation, uint64, error) {
	more := slices.DeleteFunc(in.Tokens.dimensions(), func(d bursar.Dimension) bool { return d.Value == "0" })
	if len(more) == 0 {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/tokens", bursar.CodeValidationFailed, "say how many more are expected, of at least one kind")
	}
	got, version, err := a.engine.RaiseReservation(c.ctx, c.by, in.CustomerID, in.ReservationID, more, c.ending(orZero(in.TTLSeconds)))
	asked := bursar.SpendInput{EventName: "event"}
	if err != nil { // what a denial is remembered with
		if held, _, err := a.engine.Reservation(c.ctx, c.options(), in.CustomerID, in.ReservationID); err == nil && held.Event != nil {
			asked.EventName, asked.Dimensions = held.Event.Name, held.Dimensions
		}
	}
	c.spent(kindReserve, &asked, got.Decision, err, got.Duplicate)
	got.ID = c.markedID(got.ID)
	return got, version, err
}

type reservationQuery struct {
	reservationPath
	freshness
}

func (a *API) getReservation(c call, in *reservationQuery) (bursar.Reservation, uint64, error) {
	return c.replayedReservation(a.engine.Reservation(c.ctx, c.options(), in.CustomerID, in.ReservationID))
}

type reservationList struct {
	customerPath
	paging
	freshness
	Status   bursar.HoldStatus `query:"status" is:"enum=OPEN|COMMITTED|RELEASED|EXPIRED,default=OPEN"`
	EntityID string            `query:"entityId" doc:"Only those of this entity and below it."`
}

func reservationAt(r *bursar.Reservation) ledger.ListPos {
	return ledger.ListPos{CreatedAt: r.CreatedAt, ID: r.ID}
}

func (a *API) listReservations(c call, in *reservationList, p ledger.ListPage) (ledger.Page[bursar.Reservation], uint64, error) {
	return a.engine.Reservations(c.ctx, c.options(), in.CustomerID,
		ledger.ReservationQuery{Status: in.Status, EntityID: in.EntityID, ListPage: p})
}
