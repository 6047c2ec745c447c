package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
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

	id    string              // request id
	actor string              // id of the API key or access token
	token *bursar.AccessToken // limits what is seen and done; nil = an API key
	wrote *atomic.Int64       // of a token: what the request wrote
	now   bursar.Time         // of the engine, when the caller was identified

	query []pair // of the URL, decoded
	body  []byte // as sent, at most maxBody
	taken int64  // of the budget of bodies
	out   []byte // the reply

	version  uint64 // of the customer that the reply is about; 0 = none
	aged     bool   // some age was accepted, of which the reply has
	age      time.Duration
	replayed bool
	keyed    bool // the operation has asked for the Idempotency-Key
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
	q.r, q.w, q.ctx, q.route, q.token, q.wrote, q.err = nil, nil, nil, nil, nil, nil, nil
	if cap(q.body) > pooledBytes {
		q.body = nil
	}
	if cap(q.out) > pooledBytes {
		q.out = nil
	}
	requests.Put(q)
}

var errPanic = errors.New("panic")

// errKeyIgnored is a bug that every use of its route shows.
var errKeyIgnored = errors.New("the operation writes without asking for the Idempotency-Key")

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

// operation is what a route does, with the types that it reads and answers.
type operation struct {
	in, out reflect.Type
	jobs    bool // what takes long is answered with 202 and a job
	shape   *shape
	run     func(*request) error
}

// nothing is the input of an operation that takes none, or its output.
type nothing struct{}

// op makes the operation that reads an In, calls do and answers the Out, in the
// envelope {data} unless it has its own.
func op[In, Out any](do func(*request, *In) (Out, error)) operation {
	o := operation{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	o.shape = shapeOf(o.in)
	o.run = func(q *request) error {
		in := new(In)
		if err := q.read(o.shape, reflect.ValueOf(in).Elem()); err != nil {
			return err
		}
		out, err := do(q, in)
		if err != nil {
			return err
		}
		if !q.keyed && q.route.changes() {
			return errKeyIgnored
		}
		if r, ok := any(out).(revised); ok {
			q.w.Header().Set("ETag", `"`+r.revision()+`"`)
		}
		b, err := appendReply(q.out[:0], out)
		if err != nil {
			return err
		}
		status := q.route.status
		if q.accepted {
			status = http.StatusAccepted
		}
		q.send(status, b)
		return nil
	}
	return o
}

// raw is an operation that parses and writes by itself; In and Out only describe it.
func raw[In, Out any](run func(*request) error) operation {
	o := operation{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), run: run}
	o.shape = shapeOf(o.in)
	return o
}

// read fills v, of shape s, from the query and the body.
func (q *request) read(s *shape, v reflect.Value) error {
	var problems bursar.Problems
	if err := q.parseQuery(); err != nil {
		return err
	}
	if q.route.access != open { // probes and scrapers add what they like
		q.unknownQuery(s, &problems)
	}
	q.bind(s, v, &problems)
	if err := q.condition(s); err != nil {
		return err
	}
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		if err := q.readBody(); err != nil {
			return err
		}
		if err := q.decode(s, v, &problems); err != nil {
			return err
		}
	}
	return problems.Err()
}

// requestIDs makes ids that are unique among processes.
type requestIDs struct {
	prefix string
	last   *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [8]byte
	rand.Read(b[:])
	return requestIDs{prefix: hex.EncodeToString(b[:]) + "-", last: new(atomic.Uint64)}
}

// of is the request's own id if it is fit to be echoed, else a new one.
func (g requestIDs) of(r *http.Request) string {
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && validRequestID(ids[0]) {
		return ids[0]
	}
	var buf [40]byte
	return string(strconv.AppendUint(append(buf[:0], g.prefix...), g.last.Add(1), 36))
}

func validRequestID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// traceID is the trace id of a W3C traceparent header, "" if it is none.
func traceID(h string) string {
	parts := strings.Split(h, "-")
	if len(parts) < 4 || len(parts[1]) != 32 {
		return ""
	}
	for _, c := range []byte(parts[1]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return parts[1]
}

// reporter is who asks, for operations whose body has keys of its own: itemKey and
// requiredKey are where an Idempotency-Key goes then. All others ask caller.
func (q *request) reporter() catalogue.Caller {
	c := catalogue.Caller{ActorType: "API_KEY", ActorID: q.actor, RequestID: q.id}
	if q.token != nil {
		c.ActorType, c.Subject, c.Token, c.Wrote = "ACCESS_TOKEN", q.token.Subject, q.token, q.wrote
	}
	return c
}

// caller says who asks for a write. When the request has an Idempotency-Key header,
// view is how the engine's result becomes the reply, which is then kept.
func caller[Result, Out any](q *request, view func(Result) Out) (catalogue.Caller, error) {
	c := q.reporter()
	var err error
	if c.IfMatch, err = q.ifMatch(); err != nil {
		return c, err
	}
	key, err := q.idempotencyKey()
	if err != nil || key == "" {
		return c, err
	}
	status := q.route.status // Render may run when q serves another request
	c.Key = &catalogue.RequestKey{Key: key, Content: q.contentHash(), Render: func(result any) (int, []byte) {
		b, err := appendReply(nil, view(result.(Result)))
		if err != nil {
			panic(err) // the types of replies can all be written
		}
		return status, b
	}}
	return c, nil
}
