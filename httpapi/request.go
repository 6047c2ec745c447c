package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// request is one request while it is served. It is pooled: nothing that may outlive
// the reply (an engine call whose deadline passed still runs) may point into it.
type request struct {
	api   *API
	w     http.ResponseWriter
	r     *http.Request
	ctx   *deadline
	route *route // nil until found
	path  [maxPathParams]string
	start time.Time

	id     string              // request id
	actor  string              // id of the API key or access token
	access access              // what it opens
	token  *bursar.AccessToken // limits what is seen and done; nil = an API key
	spend  *spending           // of a spend token: what it is for; nil = anything
	bound  *bursar.APIKey      // of a key that is for some alone: which; nil = any other
	wrote  *atomic.Int64       // of a token: what the request wrote
	now    bursar.Time         // of the engine, when the caller was identified

	query []pair // of the URL, decoded
	body  []byte // as sent, at most maxBody
	taken int64  // of the budget of bodies
	out   []byte // the reply

	version  uint64 // of the customer that the reply is about; 0 = none
	aged     bool   // the caller accepts an answer of some age
	age      time.Duration
	replayed bool
	accepted bool // the work goes on as a job, which is the reply

	status int // 0 until the reply is written
	code   bursar.Code
	err    error // what the log tells and the reply does not
}

var requests = sync.Pool{New: func() any { return new(request) }}

// Buffers above this size are left to the collector.
const pooledBytes = 64 << 10

func newRequest(a *API, w http.ResponseWriter, r *http.Request) *request {
	q := requests.Get().(*request)
	query, body, out := q.query[:0], q.body[:0], q.out[:0]
	*q = request{api: a, w: w, r: r, query: query, body: body, out: out, start: time.Now()}
	q.ctx = &deadline{Context: r.Context(), at: q.start.Add(requestTimeout)}
	q.id = a.ids.of(r)
	return q
}

// end logs and counts the request, and answers a panic.
func (q *request) end() {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		q.api.log.Error("panic", "requestId", q.id, "err", p, "stack", string(debug.Stack()))
		q.fail(errPanic)
	}
	q.ctx.end()
	q.api.bodies.give(q)
	q.api.metrics.request(q)
	q.logRequest()
	clear(q.query[:cap(q.query)])
	q.r, q.w, q.ctx, q.route, q.token, q.spend, q.bound, q.wrote, q.err = nil, nil, nil, nil, nil, nil, nil, nil, nil
	if cap(q.body) > pooledBytes {
		q.body = nil
	}
	if cap(q.out) > pooledBytes {
		q.out = nil
	}
	requests.Put(q)
}

var errPanic = errors.New("panic")

func (q *request) logRequest() {
	level := slog.LevelDebug
	if q.status >= 500 && q.r.Context().Err() == nil { // else the client hung up
		level = slog.LevelError
	}
	if !q.api.log.Enabled(q.r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", q.r.Method),
		slog.Int("status", q.status),
		slog.String("requestId", q.id),
		slog.Float64("durationMs", float64(time.Since(q.start).Microseconds())/1000),
	}
	if q.route != nil {
		attrs = append(attrs, slog.String("route", q.route.pattern))
		if id := q.customer(); id != "" {
			attrs = append(attrs, slog.String("customerId", id))
		}
	}
	if trace := traceID(q.r.Header.Get("Traceparent")); trace != "" {
		attrs = append(attrs, slog.String("traceId", trace))
	}
	if q.actor != "" {
		attrs = append(attrs, slog.String("keyId", q.actor))
	}
	if q.code != "" {
		attrs = append(attrs, slog.String("code", string(q.code)))
	}
	if q.err != nil {
		attrs = append(attrs, slog.String("err", q.err.Error()))
	}
	q.api.log.LogAttrs(q.r.Context(), level, "request", attrs...)
}

// customer is the id of the customer that the path names, "" for none.
func (q *request) customer() string {
	if q.route == nil || !q.route.customer {
		return ""
	}
	return q.path[0]
}

func (q *request) serve() error {
	if len(q.r.TransferEncoding) > 0 {
		// A Content-Length beside it is gone by now, and a proxy that went by that one sees
		// the next request begin elsewhere: there is none.
		q.w.Header().Set("Connection", "close")
	}
	if done, err := q.crossOrigin(); done || err != nil {
		return err
	}
	rt, err := q.api.router.route(q)
	if err != nil {
		return err
	}
	q.route = rt
	if rt.access != open {
		if err := q.authenticate(); err != nil {
			return err
		}
	}
	if rt.customer && !rt.denies && bursar.CheckCustomerID(q.path[0]) != nil {
		return errNoSuchCustomer()
	}
	return q.run()
}
