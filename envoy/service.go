package main

import (
	"context"
	"errors"
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
	holdSeconds    = 30 // how long what some descriptors hold waits for what the others do
)

// service answers by what a Bursar server decides.
type service struct {
	ratelimit.UnimplementedRateLimitServiceServer
	server *client.Client
	by     defaults
}

// ShouldRateLimit grants a request if each of its descriptors is granted, and then counts all; a request that is
// denied counts nothing. What a descriptor says was used already is recorded in any case, and denied where
// nothing is left. An error says that nothing could be decided: Envoy goes by its failure_mode_deny.
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
		return nil, statusOf(err)
	}
	return reply(answers, time.Now()), nil
}

// answer is what became of a descriptor.
type answer struct {
	denied *client.Error // nil = granted
	chains [][]client.Node
	hold   string // a reservation that is to be committed or released
}

// decide asks for all at once. Where there is more than one, what may be denied is held first, so that all
// count or none.
func (s *service) decide(ctx context.Context, wants []*want) ([]answer, error) {
	answers := make([]answer, len(wants))
	err := each(len(wants), func(i int) error { return s.ask(ctx, wants[i], len(wants) == 1, &answers[i]) })
	granted := err == nil && !slices.ContainsFunc(answers, func(a answer) bool { return a.denied != nil })
	// A caller that went away changes nothing of what is held.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdSeconds*time.Second)
	defer cancel()
	ended := each(len(wants), func(i int) error {
		a, customer := &answers[i], wants[i].customer
		switch {
		case a.hold == "":
			return nil
		case granted:
			r, err := s.server.Commit(end, customer, a.hold, wants[i].Amount)
			a.chains = r.Chains
			return err
		}
		_, err := s.server.Release(end, customer, a.hold)
		return err
	})
	return answers, errors.Join(err, ended)
}

// ask asks for one descriptor.
func (s *service) ask(ctx context.Context, w *want, alone bool, a *answer) (err error) {
	switch {
	case w.used:
		return s.record(ctx, w, a)
	case w.asks:
		return s.check(ctx, w, a)
	case alone:
		var c client.Consumption
		c, err = s.server.Consume(ctx, w.customer, w.SpendInput)
		a.chains = c.Chains
	default:
		var r client.Reservation
		r, err = s.server.Reserve(ctx, w.customer, client.ReserveInput{SpendInput: w.SpendInput, TTLSeconds: holdSeconds})
		a.chains, a.hold = r.Chains, r.ID
	}
	if denied, ok := client.Denied(err); ok {
		a.denied, a.chains, err = denied, denied.Chains, nil
	}
	return err
}

// record records what was used, and asks whether anything is left.
func (s *service) record(ctx context.Context, w *want, a *answer) (err error) {
	if w.CurrencyID != "" {
		_, err = s.server.ConsumeCredits(ctx, client.ConsumptionInput{CustomerID: w.customer, CurrencyID: w.CurrencyID, Amount: w.Amount, Dimensions: w.Dimensions})
	} else {
		_, err = s.server.ReportUsage(ctx, client.UsageInput{CustomerID: w.customer, FeatureID: w.FeatureID, Value: w.Amount, Dimensions: w.Dimensions})
	}
	if err != nil {
		return err
	}
	return s.check(ctx, w, a)
}

// check asks whether a smallest amount would be granted, and changes nothing.
func (s *service) check(ctx context.Context, w *want, a *answer) error {
	least := w.Amount
	if w.used {
		least = bursar.AmountFromNanos(1)
	}
	d, err := s.server.Check(ctx, w.customer, client.CheckInput{FeatureID: w.FeatureID, CurrencyID: w.CurrencyID, Requested: &least, Dimensions: w.Dimensions})
	if a.chains = d.Chains; err == nil && !d.Granted {
		a.denied = &client.Error{Status: http.StatusPaymentRequired, Code: d.Reason, Binding: d.Binding, Message: d.Detail}
	}
	return err
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
	if !errors.As(err, &e) {
		return status.FromContextError(err).Err()
	}
	code := codes.Unavailable
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict:
		code = codes.InvalidArgument
	case http.StatusUnauthorized:
		code = codes.Unauthenticated
	case http.StatusForbidden:
		code = codes.PermissionDenied
	}
	return status.Error(code, e.Error())
}
