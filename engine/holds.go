package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Reserve holds an amount, or all that an event is expected to use, on every limit of its path
// for ttlSeconds. A denial is a *bursar.Error with Denial set and holds nothing.
func (e *Engine) Reserve(ctx context.Context, c catalogue.Caller, customer string, in bursar.SpendInput, ttlSeconds int, onExpire bursar.OnExpire) (res bursar.Reservation, version uint64, err error) {
	if in.EventName == "" && in.Amount.Sign() <= 0 {
		return res, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "a reservation is of more than 0")
	}
	if ttlSeconds < bursar.MinHoldTTL || ttlSeconds > bursar.MaxHoldTTL {
		return res, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "ttlSeconds is %d to %d", bursar.MinHoldTTL, bursar.MaxHoldTTL)
	}
	if in.EventName != "" {
		return e.reserveEvent(ctx, c, customer, in, ttlSeconds, onExpire)
	}
	reply, version, err := e.write(ctx, &c, customer, &ledger.Reserve{Spend: e.spendOf(record.OpReserve, in), Ttl: ttlSeconds, Settle: onExpire == bursar.ExpireSettle})
	var twin *record.Place
	if errors.As(err, &twin) {
		return e.reservedBefore(ctx, customer, &in, twin, version)
	}
	if err != nil {
		return res, version, err
	}
	return reply.(bursar.Reservation), version, nil
}

// reservedBefore answers a reservation that came again, at a version or later.
func (e *Engine) reservedBefore(ctx context.Context, customer string, in *bursar.SpendInput, twin *record.Place, decided uint64) (res bursar.Reservation, version uint64, err error) {
	p, err := e.recordAt(ctx, customer, twin)
	if err != nil {
		return res, 0, err
	}
	rec, ok := p.Record.(*record.HoldOpened)
	if !ok {
		return res, 0, fmt.Errorf("%w: not a reservation", record.ErrRecord)
	}
	version, err = e.readHold(ctx, asDecided(decided), customer, rec.ID, func(v *ledger.View, h *record.Hold) error {
		res = v.ReservedAgain(e.cat.Load(), in, h)
		return nil
	})
	return res, version, err
}

// CommitReservation records what was used, even above the hold, and frees the rest.
func (e *Engine) CommitReservation(ctx context.Context, c catalogue.Caller, customer, id string, amount bursar.Amount) (bursar.Reservation, uint64, error) {
	if amount.Sign() < 0 {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "an amount is 0 or more")
	}
	res, version, err := e.changeHold(ctx, &c, customer, id, ledger.ChangeHold{Action: ledger.HoldCommit, Amount: amount})
	if err == nil && !res.Duplicate && res.Decision != nil && e.unlinked.since(res.CreatedAt, customer, res.Dimensions, res.Capability) {
		res.Decision.Warnings = append(res.Decision.Warnings, bursar.WarnPossibleDouble)
	}
	return res, version, err
}

// ReleaseReservation frees what is held. One that was released or has expired holds
// nothing: it stays as it is.
func (e *Engine) ReleaseReservation(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.Reservation, uint64, error) {
	return e.changeHold(ctx, &c, customer, id, ledger.ChangeHold{Action: ledger.HoldRelease})
}

// ExtendReservation lets an open hold expire ttlSeconds from now, at most 7 days from
// its creation.
func (e *Engine) ExtendReservation(ctx context.Context, c catalogue.Caller, customer, id string, ttlSeconds int) (bursar.Reservation, uint64, error) {
	if ttlSeconds < bursar.MinHoldTTL || ttlSeconds > bursar.MaxHoldTTL {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "ttlSeconds is %d to %d", bursar.MinHoldTTL, bursar.MaxHoldTTL)
	}
	return e.changeHold(ctx, &c, customer, id, ledger.ChangeHold{Action: ledger.HoldExtend, Ttl: ttlSeconds})
}

// RaiseReservation adds the numbers in more to those of a reserved event, and holds what that
// comes to on every limit of its path. If a limit denies that, the error says which, and the hold
// stays as it was. It expires ttlSeconds from now; 0 = when it would anyway.
func (e *Engine) RaiseReservation(ctx context.Context, c catalogue.Caller, customer, id string, more []bursar.Dimension, ttlSeconds int) (bursar.Reservation, uint64, error) {
	if ttlSeconds < 0 || ttlSeconds > bursar.MaxHoldTTL {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "ttlSeconds is %d to %d", bursar.MinHoldTTL, bursar.MaxHoldTTL)
	}
	return e.changeHold(ctx, &c, customer, id, ledger.ChangeHold{Action: ledger.HoldExtend, Ttl: ttlSeconds, More: more})
}

func (e *Engine) changeHold(ctx context.Context, c *catalogue.Caller, customer, id string, o ledger.ChangeHold) (res bursar.Reservation, version uint64, err error) {
	u, ok := store.ParseID(id)
	if !ok {
		return res, 0, bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %.64q", id)
	}
	o.ID = u
	return govern[bursar.Reservation](ctx, e, c, customer, &o)
}

// Reservation reads one reservation, open or closed. Its Decision shows the limits that
// it is on as they stand now.
func (e *Engine) Reservation(ctx context.Context, o ledger.ReadOptions, customer, id string) (res bursar.Reservation, version uint64, err error) {
	u, ok := store.ParseID(id)
	if !ok {
		return res, 0, bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %.64q", id)
	}
	version, err = e.readHold(ctx, o, customer, u, func(v *ledger.View, h *record.Hold) error {
		res = v.ReservationOut(e.cat.Load(), h)
		return nil
	})
	return res, version, err
}

// readHold calls f with a customer and one of its holds, which the store has when memory does
// not.
func (e *Engine) readHold(ctx context.Context, o ledger.ReadOptions, customer string, id [16]byte, f func(*ledger.View, *record.Hold) error) (version uint64, err error) {
	var saved *record.Hold
	var base uint64 // the checkpoint that memory went by before saved was read
	for range maxAsked {
		found := false
		version, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
			h := v.Hold(id)
			if h == nil && base == v.SeriesBase {
				h = saved
			}
			base = v.SeriesBase
			if found = h != nil; found {
				return f(v, h)
			}
			return nil
		})
		if err != nil || found {
			return version, err
		}
		row, err := e.store.Hold(ctx, customer, store.FormatID(id))
		if err != nil {
			return 0, e.savedUnreadable(customer, err)
		}
		if row == nil {
			return 0, ledger.ErrNoReservation(id)
		}
		if saved, err = record.HoldFromRow(row); err != nil {
			return 0, err
		}
	}
	return 0, e.unavailable(fmt.Errorf("%w: of %q", errMoving, customer))
}

// Reservations lists the reservations of one status, in order of their IDs.
func (e *Engine) Reservations(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.ReservationQuery) (p ledger.Page[bursar.Reservation], version uint64, err error) {
	if q.Status == "" {
		q.Status = bursar.HoldOpen
	}
	l := ledger.HoldList{Q: &q}
	if _, err = e.readTurn(ctx, o, customer, l.InMemory); err == nil && !l.Nothing && q.Status != bursar.HoldOpen {
		err = e.holdsInStore(ctx, &l, customer)
	}
	p.Items = []bursar.Reservation{}
	if err != nil || l.Nothing {
		return p, 0, err
	}
	holds := l.Cut()
	version, err = e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		for _, h := range holds {
			p.Items = append(p.Items, v.ReservationOut(e.cat.Load(), h))
		}
		return nil
	})
	p.Cut(q.Limit, q.After != nil, q.Before != nil)
	return p, version, err
}

// holdsInStore gathers the holds of the page that the store has. Where memory has a hold
// too, the store's row may be older.
func (e *Engine) holdsInStore(ctx context.Context, l *ledger.HoldList, customer string) error {
	hq := store.HoldQuery{Status: l.Q.Status, EntityOrd: l.Ent, Limit: l.Q.Limit + 1}
	if l.Q.After != nil {
		hq.After = l.Q.After.ID
	}
	if l.Q.Before != nil {
		hq.Before = l.Q.Before.ID
	}
	for n := 0; ; {
		rows, err := e.store.Holds(ctx, customer, hq)
		if err != nil {
			return e.savedUnreadable(customer, err)
		}
		if len(rows) == 0 {
			return nil
		}
		holds := make([]*record.Hold, len(rows))
		for i := range rows {
			if holds[i], err = record.HoldFromRow(&rows[i]); err != nil {
				return err
			}
		}
		_, err = e.readTurn(ctx, ledger.ReadOptions{}, customer, func(v *ledger.View) error {
			for _, h := range holds {
				if v.Hold(h.ID) == nil {
					l.Found = append(l.Found, h)
					n++
				}
			}
			return nil
		})
		if err != nil || n > l.Q.Limit || len(rows) < hq.Limit {
			return err
		}
		if hq.After = rows[len(rows)-1].ID; l.Q.Before != nil {
			hq.After, hq.Before = "", rows[0].ID
		}
	}
}
