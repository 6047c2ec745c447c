package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
)

// Bounds of a guarded call.
const (
	maxGuardAttempts = 20               // with one idempotency key
	guardEnd         = 15 * time.Second // to record what was used, also when the caller's context is over
	guardUndo        = 2 * time.Second  // to take back a hold whose reply was lost
)

// Guard governs one call of a model: it holds what in says on every budget of its path, has do
// make the call, and records what do says was used. If there is no room, do is not called: see
// Denied. The reply is the reservation as it ended.
//
// What is recorded follows from what do returns:
//   - usage, with an error or without: that, exactly, even if ctx is over;
//   - an error made by NothingUsed: nothing, and the hold is free again;
//   - neither: what was held, as an estimate, once the hold ends (in.TTLSeconds, 300 s): the call may
//     have been billed. So it is when do panics or the process dies. CommitEvent puts it right within
//     7 days; the reply is the open reservation.
//
// An error of do is returned as it is. An *UnrecordedError tells that the call was made and its
// usage could not be recorded.
//
// in.OnExpire is settle unless it is set. in.IdempotencyKey and in.CallID, if set, are of one
// attempt at a time: one that comes after another has ended is a call of its own by the key, and
// the same call by the id. A hold that another attempt may have made is not freed.
func (c *Client) Guard(ctx context.Context, customer string, in EventReserve, do func(context.Context) (CallUsed, error)) (Reservation, error) {
	if in.OnExpire == "" {
		in.OnExpire = bursar.ExpireSettle
	}
	own := in.IdempotencyKey == "" && in.CallID == "" // no other attempt can have made its hold
	hold, err := c.holdFor(ctx, customer, in, own)
	if err != nil {
		return Reservation{}, err
	}
	used, failed := do(ctx)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), guardEnd)
	defer cancel()
	var nothing *nothingUsed
	switch {
	case used.says():
		done, err := c.recordCall(late, customer, in, hold, used)
		if err != nil {
			return hold, errors.Join(failed, &UnrecordedError{Reservation: hold, Used: used, Err: err})
		}
		return done, failed
	case errors.As(failed, &nothing) && (own || !hold.Duplicate):
		freed, err := c.Release(late, customer, hold.ID)
		if err != nil { // it is settled when it ends
			return hold, errors.Join(failed, &UnrecordedError{Reservation: hold, Err: err})
		}
		return freed, failed
	}
	return hold, failed
}

// holdFor makes an open hold. What may have been made although no reply came is taken back, if it
// is nobody else's.
func (c *Client) holdFor(ctx context.Context, customer string, in EventReserve, own bool) (Reservation, error) {
	key, last := in.IdempotencyKey, ""
	if key == "" {
		key = rand.Text()
	}
	for n := range maxGuardAttempts {
		in.IdempotencyKey = key
		if n > 0 {
			in.IdempotencyKey += "~" + strconv.Itoa(n+1)
		}
		hold, err := c.ReserveEvent(ctx, customer, in)
		switch {
		case err != nil && own:
			return hold, c.takeBack(ctx, customer, in, err)
		case err != nil:
			return hold, err
		case hold.Status == bursar.HoldOpen:
			return hold, nil
		case hold.ID == last:
			return hold, fmt.Errorf("bursar: the call %q was made and has ended: reservation %s", in.CallID, hold.ID)
		}
		last = hold.ID
	}
	return Reservation{}, fmt.Errorf("bursar: the idempotency key %q was used for %d calls", key, maxGuardAttempts)
}

// takeBack frees a hold whose reply was lost.
func (c *Client) takeBack(ctx context.Context, customer string, in EventReserve, err error) error {
	var e *Error
	if errors.As(err, &e) && !e.Retryable && e.Status < 500 {
		return err // the server said that there is none
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), guardUndo)
	defer cancel()
	once := *c
	once.Retries = 0
	hold, again := once.ReserveEvent(ctx, customer, in)
	if again == nil && hold.Status == bursar.HoldOpen {
		_, again = once.Release(ctx, customer, hold.ID)
	}
	if again == nil || errors.As(again, &e) && !e.Retryable && e.Status < 500 {
		return err
	}
	return fmt.Errorf("%w (the call was not made; if the hold was, it is settled as an estimate when it ends)", err)
}

// recordCall commits what a call used. If something else has ended the hold meanwhile, the call
// was made all the same: it is reported as an event of its own.
func (c *Client) recordCall(ctx context.Context, customer string, in EventReserve, hold Reservation, used CallUsed) (Reservation, error) {
	used.CallID = cmp.Or(used.CallID, in.CallID)
	done, err := c.CommitEvent(ctx, customer, hold.ID, used)
	var e *Error
	if !errors.As(err, &e) || e.Code != bursar.CodeReservationClosed {
		return done, err
	}
	event := EventInput{CustomerID: customer, EventName: in.EventName, IdempotencyKey: rand.Text(), Dimensions: map[string]any{}, Usage: used.Usage}
	maps.Copy(event.Dimensions, in.Dimensions)
	maps.Copy(event.Dimensions, in.Properties)
	maps.Copy(event.Dimensions, used.Properties)
	for kind, n := range used.Tokens.byKind() {
		event.Dimensions["tokens."+kind] = n
	}
	if used.Model != "" {
		event.Dimensions["model"] = used.Model
	}
	_, err = c.ReportEvents(ctx, event)
	return hold, err
}

func (t *Tokens) byKind() map[string]int64 {
	if t == nil {
		return nil
	}
	return map[string]int64{"input": t.Input, "cache_read": t.CacheRead, "cache_write": t.CacheWrite, "cache_write_1h": t.CacheWrite1h,
		"output": t.Output, "reasoning": t.Reasoning}
}

func (u *CallUsed) says() bool { return len(u.Usage) > 0 || u.Tokens != nil || len(u.Properties) > 0 }

// UsageOf is what a call used as a provider's SDK has it: the usage object of a reply, or the
// reply itself, of which only the usage is read. What cannot be written as JSON says nothing.
func UsageOf(v any) CallUsed {
	b, err := json.Marshal(v) // and not what came first: of a stream the SDKs add the rest up
	if err != nil || string(b) == "null" {
		return CallUsed{}
	}
	return CallUsed{Used: Used{Usage: b}}
}

// NothingUsed is an error of a call that was not billed, as a provider's answer of 400 or 503 is, or
// one that was never sent.
func NothingUsed(err error) error { return &nothingUsed{err} }

type nothingUsed struct{ err error }

func (n *nothingUsed) Error() string { return n.err.Error() }
func (n *nothingUsed) Unwrap() error { return n.err }

// UnrecordedError tells that a call was made and that its end could not be recorded: when the
// hold ends, what it held counts, as an estimate. Send Used by CommitEvent within 7 days to put
// that right.
type UnrecordedError struct {
	Reservation Reservation
	Used        CallUsed // says nothing where the hold was only to be released
	Err         error
}

func (e *UnrecordedError) Error() string {
	return fmt.Sprintf("bursar: the end of reservation %s could not be recorded: %v", e.Reservation.ID, e.Err)
}

func (e *UnrecordedError) Unwrap() error { return e.Err }
