package main

import (
	"encoding/json"
	"math"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// reply is what Envoy is told: of each descriptor what is left of its tightest limit, and of the first that was denied
// why, as headers and as the body of the reply to whoever sent the request.
func reply(wants []*want, answers []answer, now time.Time) *ratelimit.RateLimitResponse {
	out := &ratelimit.RateLimitResponse{OverallCode: ratelimit.RateLimitResponse_OK}
	for i := range answers {
		a := &answers[i]
		out.Statuses = append(out.Statuses, statusFor(wants[i], a, now))
		if a.denied != nil && out.OverallCode == ratelimit.RateLimitResponse_OK {
			out.OverallCode = ratelimit.RateLimitResponse_OVER_LIMIT
			out.ResponseHeadersToAdd, out.RawBody = denialOf(a.denied, len(answers) == 1)
		}
	}
	return out
}

func statusFor(w *want, a *answer, now time.Time) *ratelimit.RateLimitResponse_DescriptorStatus {
	out := &ratelimit.RateLimitResponse_DescriptorStatus{Code: ratelimit.RateLimitResponse_OK}
	n := w.tightest(a.chains)
	if a.denied != nil {
		if out.Code = ratelimit.RateLimitResponse_OVER_LIMIT; a.denied.Binding != nil {
			n = &a.denied.Binding.Node
		}
	}
	if n == nil || n.UsageLimit == nil {
		return out
	}
	out.CurrentLimit = &ratelimit.RateLimitResponse_RateLimit{Name: n.EntityID, RequestsPerUnit: hitsOf(n.UsageLimit, w.unit)}
	if a.denied == nil {
		out.LimitRemaining = hitsOf(n.Remaining, w.unit)
	}
	if n.ResetsAt != nil {
		out.DurationUntilReset = durationpb.New(max(0, n.ResetsAt.Std().Sub(now)))
	}
	return out
}

// tightest is the hard limit of what is asked for that leaves the least; nil = there is none.
func (w *want) tightest(chains [][]client.Node) (least *client.Node) {
	for _, chain := range chains {
		for i := range chain {
			n := &chain[i]
			if n.Enforcement == bursar.Hard && n.FeatureID == w.FeatureID && n.CurrencyID == w.CurrencyID && n.Remaining != nil && (least == nil || n.Remaining.Less(*least.Remaining)) {
				least = n
			}
		}
	}
	return least
}

// hitsOf is how many hits of a unit an amount is, rounded down, as far as Envoy can be told.
func hitsOf(a *bursar.Amount, unit bursar.Amount) uint32 {
	if a == nil {
		return 0
	}
	return uint32(min(max(0, math.Floor(a.Ratio(unit))), math.MaxUint32))
}

// denialOf is why a request is denied, in the words of the API's own denials. alone tells that there was one descriptor:
// of several, what one holds for a moment may be what denies another request, which may be sent again.
func denialOf(e *client.Error, alone bool) ([]*core.HeaderValue, []byte) {
	headers := []*core.HeaderValue{{Key: "content-type", Value: "application/json"}, {Key: "bursar-denied", Value: string(e.Code)}}
	if alone {
		headers = append(headers, &core.HeaderValue{Key: "x-should-retry", Value: "false"})
	}
	said := map[string]any{"code": e.Code, "retryable": !alone}
	if e.Message != "" {
		said["detail"] = e.Message
	}
	if e.Frozen != nil {
		said["frozen"] = e.Frozen
	}
	if e.Binding != nil {
		said["binding"] = e.Binding
		if e.Binding.EntityID != "" {
			headers = append(headers, &core.HeaderValue{Key: "bursar-denied-by", Value: e.Binding.EntityID})
		}
	}
	body, err := json.Marshal(said)
	if err != nil {
		return headers[1:], nil
	}
	return headers, body
}
