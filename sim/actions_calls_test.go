package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// reserveCall reserves for an event.
type reserveCall struct {
	Customer string
	In       bursar.SpendInput
	TTL      int
	OnExpire bursar.OnExpire
}

func (a reserveCall) run(w *world) string {
	got, v, err := w.engine.Reserve(w.ctx, caller, a.Customer, a.In, a.TTL, a.OnExpire)
	want, f := w.model.reserveCall(a.Customer, a.In, a.TTL, a.OnExpire)
	if d := w.diffDenial(err, f); d != "" || f != nil {
		return d
	}
	if d := w.bind(a.Customer, got.ID, want.ID); d != "" {
		return d
	}
	if got.Decision == nil || got.Event == nil {
		return "reserved without a decision or without the event"
	}
	if want.Duplicate {
		got.Decision = nil
	} else if d := diff(w.tightest(got.Event.Tightest), bound(want.Event.Tightest)); d != "" {
		return "tightest: " + d
	}
	return first(diff(w.hold(got), comparableHold(want)), w.sawVersion(a.Customer, v))
}

// tightest is the engine's with the model's ids.
func (w *world) tightest(b *bursar.Binding) *bursar.Binding {
	return bound(w.decision(bursar.Decision{Binding: b}).Binding)
}

func bound(b *bursar.Binding) *bursar.Binding { return comparable(bursar.Decision{Binding: b}).Binding }

type consumeCall struct {
	Customer string
	In       bursar.SpendInput
}

func (a consumeCall) run(w *world) string {
	got, v, err := w.engine.Consume(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.consumeCall(a.Customer, a.In)
	if d := w.diffDenial(err, f); d != "" || f != nil {
		return d
	}
	if want.ID != "" || !want.Duplicate { // an event that was reported has no id of its own
		if d := w.bind(a.Customer, got.ID, want.ID); d != "" {
			return d
		}
	}
	shown := func(r bursar.ConsumeResult) bursar.ConsumeResult {
		return bursar.ConsumeResult{EventName: r.EventName, Timestamp: r.Timestamp.Milli(), Used: r.Used, Costs: r.Costs, Duplicate: r.Duplicate}
	}
	if d := diff(shown(got), shown(want)); d != "" {
		return d
	}
	if want.Duplicate {
		return w.sawVersion(a.Customer, v)
	}
	return first(diff(comparable(w.decision(got.Decision)), comparable(want.Decision)),
		diff(w.tightest(got.Tightest), bound(want.Tightest)), w.sawVersion(a.Customer, v))
}

// commitCall ends a reservation with what its event was.
type commitCall struct {
	Customer  string
	Ref       holdRef
	Dims      []bursar.Dimension
	CallID    string
	Illegible bool
	Unread    *bursar.UnreadReading
}

func (a commitCall) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.CommitEvent(w.ctx, caller, a.Customer, w.engineID(id), bursar.EventInput{Dimensions: a.Dims, CallID: a.CallID, Illegible: a.Illegible, Unread: a.Unread})
	want, f := w.model.commitCall(a.Customer, id, a.Dims, a.CallID, a.Illegible, a.Unread)
	return w.onHold(a.Customer, got, v, err, want, f)
}

// raiseCall holds more for an event.
type raiseCall struct {
	Customer string
	Ref      holdRef
	More     []bursar.Dimension
	TTL      int
}

func (a raiseCall) run(w *world) string {
	id := w.holdID(a.Customer, a.Ref)
	got, v, err := w.engine.RaiseReservation(w.ctx, caller, a.Customer, w.engineID(id), a.More, a.TTL)
	want, f := w.model.raiseCall(a.Customer, id, a.More, a.TTL)
	if f != nil && f.denial != nil {
		var e *bursar.Error
		if errors.As(err, &e); e == nil || e.Denial == nil {
			return fmt.Sprintf("got %v, want a denial", err)
		}
		return ""
	}
	return w.onHold(a.Customer, got, v, err, want, f)
}

// comparableEvent drops from what a reservation of an event shows what is compared apart, or
// may be nil or empty.
func comparableEvent(e *bursar.ReservedEvent) *bursar.ReservedEvent {
	if e == nil {
		return nil
	}
	x := *e
	x.Properties, x.Tightest, x.Alerts = noneOr(x.Properties), nil, nil
	return &x
}

func noneOr(dims []bursar.Dimension) []bursar.Dimension {
	if len(dims) == 0 {
		return nil
	}
	return sortedDims(dims)
}

// eventResult is the engine's with the model's ids.
func (w *world) eventResult(r bursar.EventResult) bursar.EventResult {
	r.ReservationID = w.modelID(r.ReservationID)
	return comparableResult(r)
}

func comparableResult(r bursar.EventResult) bursar.EventResult {
	r.Warnings = slices.Sorted(slices.Values(r.Warnings))
	if len(r.Used) == 0 {
		r.Used = nil
	}
	return r
}
