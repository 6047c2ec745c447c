package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Limits of a request.
const (
	maxDescriptors = 16
	askFor         = 5 * time.Second  // how long it may take to decide
	holdFor        = 30 * time.Second // how long what some descriptors hold waits for what the others do
	finishFor      = 15 * time.Second // how long what is settled may take to be told, whoever went away
)

// service answers by what a Bursar server decides.
type service struct {
	ratelimit.UnimplementedRateLimitServiceServer
	server *client.Client
	by     defaults
	log    *slog.Logger
}

// ShouldRateLimit grants a request if each of its descriptors is granted, and then counts all; a request that is
// denied counts nothing. What was used already is recorded, and what is given back is taken, in any
// case. An error says that nothing could be decided: what becomes of the request then, Envoy's failure_mode_deny says.
func (s *service) ShouldRateLimit(ctx context.Context, r *ratelimit.RateLimitRequest) (*ratelimit.RateLimitResponse, error) {
	if n := len(r.GetDescriptors()); n == 0 || n > maxDescriptors {
		return nil, status.Errorf(codes.InvalidArgument, "a request has 1 to %d descriptors, not %d", maxDescriptors, n)
	}
	wants := make([]*want, len(r.GetDescriptors()))
	for i, d := range r.GetDescriptors() {
		var err error
		if wants[i], err = wantOf(d, r.GetHitsAddend(), s.by); err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "descriptors[%d]: %v", i, err)
		}
	}
	answers, err := s.decide(ctx, wants)
	if err != nil {
		s.log.Warn("not decided", "err", err)
		return nil, statusOf(err)
	}
	for i := range answers {
		if warnings := answers[i].warnings; len(warnings) > 0 {
			s.log.Warn("decided", "customer", wants[i].customer, "warnings", warnings)
		}
	}
	return reply(wants, answers, time.Now()), nil
}

// answer is what became of a descriptor.
type answer struct {
	denied   *client.Error // nil = granted
	chains   [][]client.Node
	warnings []string
	hold     string // a reservation that is to be committed or released
}

// decide asks for all at once. Where there is more than one, what may be denied is held first, so that all
// count or none.
func (s *service) decide(ctx context.Context, wants []*want) ([]answer, error) {
	answers := make([]answer, len(wants))
	asking, stop := context.WithTimeout(ctx, askFor)
	defer stop()
	err := each(len(wants), func(i int) error {
		if answers[i].denied = wants[i].refused(); answers[i].denied != nil {
			return nil
		}
		return s.ask(asking, wants[i], len(wants) == 1, &answers[i])
	})
	granted := err == nil && ctx.Err() == nil && !slices.ContainsFunc(answers, func(a answer) bool { return a.denied != nil })
	// Who went away changes nothing of what happened.
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishFor)
	defer cancel()
	ended := each(len(wants), func(i int) error { return s.end(finish, wants[i], &answers[i], granted) })
	return answers, errors.Join(err, ended)
}

// end settles what a descriptor holds, and records what needs no grant.
func (s *service) end(ctx context.Context, w *want, a *answer, granted bool) error {
	switch {
	case w.kind == records || w.kind == refunds:
		if a.denied != nil {
			s.log.Error("not recorded", "customer", w.customer, "amount", w.Amount.String(), "why", a.denied.Message)
			return nil
		}
		return s.record(ctx, w, a)
	case a.hold == "":
		return nil
	case granted:
		r, err := s.server.Commit(ctx, w.customer, a.hold, w.Amount)
		a.chains = r.Chains
		return err
	}
	if _, err := s.server.Release(ctx, w.customer, a.hold); err != nil { // it ends by itself soon
		s.log.Warn("not released", "customer", w.customer, "reservation", a.hold, "err", err)
	}
	return nil
}

// ask asks for one descriptor.
func (s *service) ask(ctx context.Context, w *want, alone bool, a *answer) (err error) {
	switch {
	case w.kind == records || w.kind == refunds:
		return nil
	case w.kind == asks:
		return s.check(ctx, w, w.unit, a)
	case alone:
		var c client.Consumption
		c, err = s.server.Consume(ctx, w.customer, w.SpendInput)
		a.chains, a.warnings = c.Chains, c.Warnings
	default:
		err = s.reserve(ctx, w, a)
	}
	return a.deny(err)
}

// reserve holds. Where nobody knows whether it did, what it may hold is taken back.
func (s *service) reserve(ctx context.Context, w *want, a *answer) error {
	in := client.ReserveInput{SpendInput: w.SpendInput, TTLSeconds: int(holdFor / time.Second), OnExpire: bursar.ExpireRelease}
	in.IdempotencyKey = "envoy-" + rand.Text()
	r, err := s.server.Reserve(ctx, w.customer, in)
	if ctx.Err() != nil && err != nil {
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishFor)
		defer cancel()
		if r, again := s.server.Reserve(again, w.customer, in); again == nil {
			a.hold = r.ID // which is released, as the request failed
		}
		return err
	}
	a.chains, a.warnings, a.hold = r.Chains, r.Warnings, r.ID
	return err
}

// deny takes a denial out of err. So it does an id, said by whoever sent the request, that names nothing that can be
// charged.
func (a *answer) deny(err error) error {
	denied, ok := client.Denied(err)
	if !ok && errors.As(err, &denied) {
		ok = slices.Contains([]bursar.Code{bursar.CodeEntityNotFound, bursar.CodeRateNotFound, bursar.CodeTooManyLimits, bursar.CodeCustomerIsArchived}, denied.Code)
	}
	if ok {
		a.denied, a.chains, a.warnings = denied, denied.Chains, denied.Warnings
		return nil
	}
	return err
}

// record records what was used or given back. What was used is followed by the question whether anything is left.
func (s *service) record(ctx context.Context, w *want, a *answer) (err error) {
	if w.CurrencyID != "" {
		var c client.CreditConsumption
		c, err = s.server.ConsumeCredits(ctx, client.ConsumptionInput{CustomerID: w.customer, CurrencyID: w.CurrencyID, Amount: w.Amount, Dimensions: w.Dimensions})
		a.warnings = c.Warnings
	} else {
		var u []client.UsageResult
		if u, err = s.server.ReportUsage(ctx, client.UsageInput{CustomerID: w.customer, FeatureID: w.FeatureID, Value: w.Amount, Dimensions: w.Dimensions}); err == nil {
			a.warnings = u[0].Warnings
		}
	}
	if err != nil {
		s.log.Error("not recorded", "customer", w.customer, "amount", w.Amount.String(), "err", err)
		return err
	}
	if w.kind == records {
		err = s.check(ctx, w, bursar.AmountFromNanos(1), a)
	}
	return err
}

// check asks whether an amount would be granted, and changes nothing.
func (s *service) check(ctx context.Context, w *want, amount bursar.Amount, a *answer) error {
	d, err := s.server.Check(ctx, w.customer, client.CheckInput{FeatureID: w.FeatureID, CurrencyID: w.CurrencyID, Requested: &amount, Dimensions: w.Dimensions, Strict: w.Strict})
	if err != nil {
		return a.deny(err)
	}
	a.chains, a.warnings = d.Chains, append(a.warnings, d.Warnings...)
	switch {
	case d.Granted:
	case d.Reason == bursar.CodeCustomerNotFound || d.Reason == bursar.CodeFeatureNotFound || d.Reason == bursar.CodeCurrencyNotFound:
		return &client.Error{Status: http.StatusNotFound, Code: d.Reason, Message: "there is no such customer, feature or currency"}
	default:
		a.denied = &client.Error{Status: http.StatusPaymentRequired, Code: d.Reason, Binding: d.Binding, Frozen: d.Frozen, Message: d.Detail}
	}
	return nil
}

// each does f for 0 to n-1 at once.
func each(n int, f func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// statusOf is what an error of the server, or on the way to it, is to Envoy.
func statusOf(err error) error {
	var e *client.Error
	code := codes.Unavailable
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case !errors.As(err, &e):
	case e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound:
		code = codes.InvalidArgument
	case e.Status == http.StatusUnauthorized:
		code = codes.Unauthenticated
	case e.Status == http.StatusForbidden:
		code = codes.PermissionDenied
	}
	return status.Error(code, err.Error())
}
