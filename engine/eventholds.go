package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// spendEventOf is an event that is to be reserved or consumed.
func (e *Engine) spendEventOf(customer string, in *bursar.SpendInput, reserve bool) ledger.SpendEvent {
	s := ledger.SpendEvent{In: bursar.EventInput{CustomerID: customer, EventName: in.EventName, IdempotencyKey: in.IdempotencyKey,
		Dimensions: record.SortDims(in.Dimensions), CallID: in.CallID, Warnings: in.Warnings, Unread: in.Unread, Derived: in.Derived, Unruled: in.Unruled, Illegible: in.Unread != nil},
		Call: ledger.CallOf(&e.secret, in.EventName, in.CallID), Strict: in.Strict, SaidInput: in.SaidInput, SaidOutput: in.SaidOutput, Bounded: in.Bounded}
	asked := func(event *bursar.EventInput) []byte {
		content := ledger.EventContent(event)
		if in.Percentile != 0 {
			content = append(content, byte(in.Percentile))
		}
		return content
	}
	content := asked(&s.In)
	s.Content = ledger.ContentHash(content)
	s.Unruled = s.Content
	if plain := ledger.Unruled(&s.In); plain != nil {
		s.Unruled = ledger.ContentHash(asked(plain))
	}
	if in.IdempotencyKey != "" {
		s.Key = ledger.KeyOf(&e.secret, ledger.EventTarget(in.EventName), in.IdempotencyKey, content)
		if reserve {
			s.Key.Content = ledger.ReservesContent(in.EventName)
		}
	}
	return s
}

// reserveEvent holds all that an event is expected to use.
func (e *Engine) reserveEvent(ctx context.Context, c catalogue.Caller, customer string, in bursar.SpendInput, ttlSeconds int, onExpire bursar.OnExpire) (res bursar.Reservation, version uint64, err error) {
	s := e.spendEventOf(customer, &in, true)
	learn := ledger.Learn{Percent: in.Percentile, Most: in.MostSaid}
	reply, version, err := e.write(ctx, &c, customer, &ledger.ReserveEvent{SpendEvent: s, Ttl: ttlSeconds, Settle: onExpire == bursar.ExpireSettle, Learn: learn})
	var twin *record.Place
	if errors.As(err, &twin) {
		return e.eventReservedBefore(ctx, customer, &s, twin, version)
	}
	if err != nil {
		return res, version, err
	}
	return reply.(bursar.Reservation), version, nil
}

// eventReservedBefore answers a reservation that came again, at a version or later.
func (e *Engine) eventReservedBefore(ctx context.Context, customer string, s *ledger.SpendEvent, twin *record.Place, decided uint64) (res bursar.Reservation, version uint64, err error) {
	p, err := e.recordAt(ctx, customer, twin)
	if err != nil {
		return res, 0, err
	}
	id, err := ledger.HeldBy(p.Record)
	if err != nil {
		return res, 0, fmt.Errorf("%w: not a reservation of an event", err)
	}
	if was := ledger.ReservedWith(p.Record); was != s.Content && was != s.Unruled {
		return res, 0, ledger.Reused("/idempotencyKey", s.In.IdempotencyKey)
	}
	version, err = e.readHold(ctx, asDecided(decided), customer, id, func(v *ledger.View, h *record.Hold) error {
		res = e.reader(v).EventReservedAgain(s, h)
		return nil
	})
	return res, version, err
}

// reader decides on a view that is only read.
func (e *Engine) reader(v *ledger.View) *ledger.Decider {
	return &ledger.Decider{View: v, Cat: e.cat.Load(), Horizon: e.o.LateHorizon, Rehearsal: true}
}

// consumeEvent checks and records all that an event uses.
func (e *Engine) consumeEvent(ctx context.Context, c catalogue.Caller, customer string, in bursar.SpendInput) (res bursar.ConsumeResult, version uint64, err error) {
	s := e.spendEventOf(customer, &in, false)
	o := &ledger.ConsumeEvent{SpendEvent: s}
	reply, version, err := e.write(ctx, &c, customer, o)
	var twin *record.Place
	if errors.As(err, &twin) {
		p, err := e.recordAt(ctx, customer, twin)
		if err != nil {
			return res, 0, err
		}
		version, err = e.readCustomer(ctx, asDecided(version), customer, func(v *ledger.View) error {
			res = e.reader(v).EventConsumedAgain(&s.In, &p)
			return nil
		})
		return res, version, err
	}
	if err != nil {
		return res, version, err
	}
	e.noteUnread(in.Unread)
	e.noteUnpriced(o.Unpriced)
	return reply.(bursar.ConsumeResult), version, nil
}

// CommitEvent ends a reservation of an event with what the event really was: the dimensions of in
// take the place of those that were reserved for, and none of the expected measures counts.
func (e *Engine) CommitEvent(ctx context.Context, c catalogue.Caller, customer, id string, in bursar.EventInput) (bursar.Reservation, uint64, error) {
	u := &ledger.UsedEvent{Dims: in.Dimensions, Derived: in.Derived, Unruled: in.Unruled, Warnings: in.Warnings, Illegible: in.Illegible, Unread: in.Unread,
		CallOf: func(eventName string) ledger.Call { return ledger.CallOf(&e.secret, eventName, in.CallID) }}
	res, version, err := e.changeHold(ctx, &c, customer, id, ledger.ChangeHold{Action: ledger.HoldCommit, Event: u})
	if err != nil {
		return res, version, err
	}
	e.noteUnpriced(u.Unpriced)
	if !res.Duplicate {
		e.noteUnread(in.Unread)
	}
	return res, version, nil
}
