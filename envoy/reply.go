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
func reply(answers []answer, now time.Time) *ratelimit.RateLimitResponse {
	out := &ratelimit.RateLimitResponse{OverallCode: ratelimit.RateLimitResponse_OK}
	for i := range answers {
		a := &answers[i]
		out.Statuses = append(out.Statuses, statusFor(a, now))
		if a.denied != nil && out.OverallCode == ratelimit.RateLimitResponse_OK {
			out.OverallCode = ratelimit.RateLimitResponse_OVER_LIMIT
			out.ResponseHeadersToAdd, out.RawBody = denialOf(a.denied)
		}
	}
	return out
}

func statusFor(a *answer, now time.Time) *ratelimit.RateLimitResponse_DescriptorStatus {
	out := &ratelimit.RateLimitResponse_DescriptorStatus{Code: ratelimit.RateLimitResponse_OK}
	n := tightest(a.chains)
	if a.denied != nil {
		out.Code = ratelimit.RateLimitResponse_OVER_LIMIT
		if a.denied.Binding != nil {
			n = &a.denied.Binding.Node
		}
	}
	if n == nil || n.UsageLimit == nil {
		return out
	}
	out.CurrentLimit = &ratelimit.RateLimitResponse_RateLimit{Name: n.EntityID, RequestsPerUnit: whole(n.UsageLimit)}
	out.LimitRemaining = whole(n.Remaining)
	if n.ResetsAt != nil {
		out.DurationUntilReset = durationpb.New(max(0, n.ResetsAt.Std().Sub(now)))
	}
	return out
}

// tightest is the hard limit that leaves the least; nil = there is none.
func tightest(chains [][]client.Node) (least *client.Node) {
	for _, chain := range chains {
		for i := range chain {
			n := &chain[i]
			if n.Enforcement == bursar.Hard && n.Remaining != nil && (least == nil || n.Remaining.Less(*least.Remaining)) {
				least = n
			}
		}
	}
	return least
}

// whole is an amount in the whole units that Envoy knows, rounded down.
func whole(a *bursar.Amount) uint32 {
	if a == nil {
		return 0
	}
	return uint32(min(max(0, math.Floor(a.Float64())), math.MaxUint32))
}

// denialOf is why a request is denied, in the words of the API's own denials.
func denialOf(e *client.Error) ([]*core.HeaderValue, []byte) {
	headers := []*core.HeaderValue{{Key: "bursar-denied", Value: string(e.Code)}, {Key: "x-should-retry", Value: "false"}}
	said := map[string]any{"code": e.Code, "detail": e.Message, "retryable": false}
	if e.Binding != nil {
		said["binding"] = e.Binding
		if e.Binding.EntityID != "" {
			headers = append(headers, &core.HeaderValue{Key: "bursar-denied-by", Value: e.Binding.EntityID})
		}
	}
	body, err := json.Marshal(said)
	if err != nil {
		return headers, nil
	}
	return headers, body
}
