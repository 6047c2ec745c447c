package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// hold is what a call holds, or, while the server could not be asked, what it will be
// recorded as.
type hold struct {
	g        *Gateway
	by       *caller
	dims     map[string]any
	asked    *asked
	key      string // idempotency key of the hold and of its event
	to       *upstream
	unheld   bool        // the server could not be asked, and calls go on
	reached  atomic.Bool // the server may have been asked
	id       string
	tightest *client.Binding
	advice   *client.Advice
	warnings []string
	degraded string // what was changed of the call; "" = nothing
}

// Limits of reserving.
const (
	reserveTimeout = 5 * time.Second
	maxAttempts    = 20 // of one call that is sent again with the same idempotency key
)

// reserve holds what a call may use. given is the caller's idempotency key: it names one
// logical call, and each time that one is sent to a provider is an attempt. An attempt that
// nobody ended, as of a gateway that was killed, is taken over by the next one; but not with a
// spend token, whose holder is not trusted to send the same call again.
//
// A call that goes on as a policy says has attempts of its own. If it may not be made as that, as
// with a model that its key is not for, it goes on as it was.
func (g *Gateway) reserve(ctx context.Context, by *caller, a *asked, to *upstream, given string) (*hold, *problem) {
	if p := g.guard.refusal(by, g.known); p != nil {
		return nil, p
	}
	h := g.holdOf(by, a, to)
	ctx, cancel := context.WithTimeout(by.context(context.WithoutCancel(ctx)), reserveTimeout)
	defer cancel()
	if given == "" {
		given = rand.Text()
	}
	got, n, err := h.open(ctx, given, 0)
	other, changed, p := g.degraded(a, adviceOf(&got, err))
	if (p != nil || other != nil) && err == nil {
		g.letGo(ctx, by, got.ID)
	}
	if p != nil {
		return nil, p
	}
	if other != nil {
		as := g.holdOf(by, other, to)
		as.degraded = strings.Join(changed, ",")
		held, _, failed := as.open(ctx, keyOfDegraded(given, as.degraded), 0)
		if failed == nil || decides(failed) {
			*a = *other
			return as.opened(&held, failed)
		}
		if err == nil {
			got, _, err = h.open(ctx, given, n+1)
		}
	}
	return h.opened(&got, err)
}

// holdOf is a hold for a call that is not made yet.
func (g *Gateway) holdOf(by *caller, a *asked, to *upstream) *hold {
	h := &hold{g: g, by: by, to: to, asked: a.without(), dims: map[string]any{}}
	if !by.spend {
		maps.Copy(h.dims, a.dims)
	}
	maps.Copy(h.dims, by.dims)
	for _, name := range []string{"model", "estimated"} { // decide a price, and what is put right: never the caller's
		delete(h.dims, name)
	}
	h.dims["provider"] = to.Name
	if a.model != "" {
		h.dims["model"] = a.model
	}
	return h
}

// open makes the hold of the first attempt from n on that has not ended, and tells which that is.
func (h *hold) open(ctx context.Context, given string, n int) (client.Reservation, int, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { h.reached.Store(true) }})
	for ; n < maxAttempts; n++ {
		if h.key = given; h.by.spend { // a call takes over no hold: whoever holds a token could end that of another call
			h.key = rand.Text()
		} else if n > 0 {
			h.key += "~" + strconv.Itoa(n+1)
		}
		got, err := h.by.server.ReserveEvent(ctx, h.by.customer, h.input())
		if err != nil {
			return got, n, err
		}
		h.g.known.note(h.by, true)
		if got.Status != bursar.HoldOpen {
			continue // an attempt that has ended
		}
		if _, running := h.g.running.LoadOrStore(got.ID, true); !running {
			return got, n, nil
		}
	}
	return client.Reservation{}, n, &client.Error{Status: http.StatusConflict, Code: bursar.CodeIdempotencyKeyReused, Message: "this idempotency key was used for too many attempts"}
}

// opened is the hold as got says, or what becomes of the call if there is none.
func (h *hold) opened(got *client.Reservation, err error) (*hold, *problem) {
	if err != nil {
		return h.refused(err)
	}
	h.id, h.tightest, h.advice, h.warnings = got.ID, got.Tightest, got.Advice, got.Warnings
	if h.by.spend { // an event in its place says of whom it is by itself
		h.dims = got.Dimensions
	}
	return h, nil
}

// adviceOf is the advice of a hold, or of the denial of one by a limit. Of a freeze there is none: no
// other call may pass, either.
func adviceOf(got *client.Reservation, err error) *client.Advice {
	if err == nil {
		return got.Advice
	}
	var e *client.Error
	if errors.As(err, &e) && e.Status == http.StatusPaymentRequired && e.Binding != nil {
		return e.Advice
	}
	return nil
}

// decides tells whether a degraded call that was not held for is not made as it was, either: it was
// denied, or the server could not be asked.
func decides(err error) bool {
	p := problemOf(err)
	return p.status == http.StatusPaymentRequired || p.code == codeUnavailable
}

// keyOfDegraded names a call as it was changed. A key without room for that is not shown in it.
func keyOfDegraded(given, changed string) string {
	sum := sha256.Sum256([]byte(changed))
	name := "~degraded:" + hex.EncodeToString(sum[:8])
	if len(given)+len(name) > bursar.MaxKeyLen-len("~99") {
		of := sha256.Sum256([]byte(given))
		given = hex.EncodeToString(of[:])
	}
	return given + name
}

// letGo releases the hold of a call that goes on as another one.
func (g *Gateway) letGo(ctx context.Context, by *caller, id string) {
	defer g.running.Delete(id)
	if _, err := by.books.Release(ctx, by.customer, id); err != nil {
		old := &hold{g: g, by: by, id: id}
		g.books.later(old.release())
	}
}

func (h *hold) input() client.EventReserve {
	return client.EventReserve{
		EventSpend: client.EventSpend{EventName: h.g.config.EventName, Dimensions: h.dims, IdempotencyKey: h.key},
		MaxTokens:  h.asked.maxTokens, InputCharacters: max(min(h.asked.characters, maxExpected), 1),
		TTLSeconds: h.g.config.HoldSeconds, OnExpire: bursar.ExpireSettle, NoOutput: h.asked.maxTokens == 0,
	}
}

// refused says what becomes of a call whose hold was refused, or not answered.
func (h *hold) refused(err error) (*hold, *problem) {
	p := problemOf(err)
	if p.code != codeUnavailable {
		if p.status == http.StatusUnauthorized || p.status == http.StatusForbidden {
			h.g.known.note(h.by, false)
		}
		h.g.guard.note(h.by, p)
		return nil, p
	}
	if h.g.config.Unavailable == policyAllow && !h.by.spend && h.g.known.has(h.by) && h.g.books.keepPlace() {
		h.g.log.Warn("a call goes on although the server cannot be asked", "customer", h.by.customer, "err", err)
		h.unheld = true
		return h, nil
	}
	h.g.log.Error("a call was refused because the server cannot be asked", "customer", h.by.customer, "err", err)
	if h.reached.Load() {
		h.g.books.later(h.undo())
	}
	return nil, p
}

// undo takes back a hold that may have been made though no answer came: the call was not sent.
func (h *hold) undo() *task {
	return &task{what: "undo", by: h.by, do: func(ctx context.Context) (*client.Reservation, error) {
		if !h.reached.Load() {
			return nil, nil
		}
		got, err := h.by.server.ReserveEvent(ctx, h.by.customer, h.input())
		if err != nil {
			return nil, err
		}
		if _, running := h.g.running.Load(got.ID); running || got.Status != bursar.HoldOpen {
			return nil, nil // of another attempt
		}
		got, err = h.by.books.Release(ctx, h.by.customer, got.ID)
		return &got, err
	}}
}

// commit records what the call used.
func (h *hold) commit(used json.RawMessage, model string) *task {
	again := rand.Text()
	t := &task{what: "commit", by: h.by, hold: h.id, unheld: h.unheld, placed: h.unheld}
	t.do = func(ctx context.Context) (*client.Reservation, error) {
		if h.unheld {
			return nil, h.reportOnce(ctx, again, used, model, false)
		}
		got, err := h.by.books.CommitEvent(ctx, h.by.customer, h.id, client.CallUsed{Used: client.Used{Usage: used}, Model: model})
		var e *client.Error
		switch {
		case err == nil:
			return &got, nil
		case !errors.As(err, &e):
		case e.Code == bursar.CodeReservationClosed: // another attempt has ended it: this one was billed, too
			return nil, h.report(ctx, again, used, model, false)
		case e.Status == http.StatusBadRequest:
			h.g.log.Error("the usage of a call was refused; it is settled as an estimate", "hold", h.id, "err", err)
			if err = h.estimate(ctx); err == nil {
				h.g.metrics.unknown(h.to)
			}
			return nil, err
		}
		return nil, err
	}
	return t
}

// reportOnce records the call under the key of its hold, which ends it if it was made after
// all; and under another key if that one was used by an attempt before.
func (h *hold) reportOnce(ctx context.Context, again string, used json.RawMessage, model string, estimated bool) error {
	err := h.report(ctx, h.key, used, model, estimated)
	var e *client.Error
	if errors.As(err, &e) && e.Status == http.StatusConflict {
		return h.report(ctx, again, used, model, estimated)
	}
	return err
}

// report records the call as an event that nothing was held for.
func (h *hold) report(ctx context.Context, key string, used json.RawMessage, model string, estimated bool) error {
	dims := maps.Clone(h.dims)
	if model != "" {
		dims["model"] = model
	}
	if estimated {
		dims["estimated"] = true
	}
	_, err := h.by.books.ReportEvents(ctx, client.EventInput{
		CustomerID: h.by.customer, EventName: h.g.config.EventName, IdempotencyKey: key, Dimensions: dims, Usage: used})
	return err
}

// settle records what was held, as nobody knows what was used.
func (h *hold) settle() *task {
	h.g.metrics.unknown(h.to)
	again := rand.Text()
	return &task{what: "settle", by: h.by, hold: h.id, unheld: h.unheld, placed: h.unheld, do: func(ctx context.Context) (*client.Reservation, error) {
		if !h.unheld {
			return nil, h.estimate(ctx)
		}
		used, err := json.Marshal(map[string]int64{"input_tokens": (h.asked.characters + 2) / 3, "output_tokens": h.asked.maxTokens})
		if err != nil {
			return nil, err
		}
		return nil, h.reportOnce(ctx, again, used, "", true)
	}}
}

// estimate has the hold end in a second, as one that nobody ended: what it holds is recorded
// as an estimate. One that has ended stays as it is.
func (h *hold) estimate(ctx context.Context) error {
	_, err := h.by.books.Extend(ctx, h.by.customer, h.id, 1)
	var e *client.Error
	if errors.As(err, &e) && e.Code == bursar.CodeReservationClosed {
		return nil
	}
	return err
}

// release frees the hold of a call that used nothing.
func (h *hold) release() *task {
	if h.unheld {
		t := h.undo()
		t.placed = true
		return t
	}
	return &task{what: "release", by: h.by, hold: h.id, do: func(ctx context.Context) (*client.Reservation, error) {
		got, err := h.by.books.Release(ctx, h.by.customer, h.id)
		return &got, err
	}}
}
