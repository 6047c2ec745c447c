// Package otlp takes traces as OpenTelemetry's exporters send them, and reports the calls of
// language models among their spans as events. It decides nothing: a Bursar server does, which
// it asks with the exporter's own key.
package otlp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
	"github.com/prometheus/client_golang/prometheus"
)

// Path is where exporters send traces to by themselves, below the endpoint that they are given.
const Path = "/v1/traces"

// Handler answers requests of exporters. It is a collector of its metrics, too.
type Handler struct {
	server *client.Client
	turns  chan struct{}
	spans  *prometheus.CounterVec
}

// maxAtOnce bounds the requests that are unpacked at a time, and with maxPlain the memory for that.
const maxAtOnce = 4

// New makes a handler that asks server with the key of each request.
func New(server *client.Client) *Handler {
	return &Handler{server: server, turns: make(chan struct{}, maxAtOnce),
		spans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_otlp_spans_total", Help: "Spans that exporters sent, by what became of them.",
		}, []string{"result"})}
}

// Describe and Collect make a handler a collector of its metrics.
func (h *Handler) Describe(ch chan<- *prometheus.Desc) { h.spans.Describe(ch) }

// Collect gives the metrics as they are.
func (h *Handler) Collect(ch chan<- prometheus.Metric) { h.spans.Collect(ch) }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := replyFor(w, r)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		out.fail(&problem{status: http.StatusMethodNotAllowed, message: "send traces by POST"})
		return
	}
	server, p := h.caller(r)
	if p != nil {
		out.fail(p)
		return
	}
	defaults, p := defaultsOf(r.Header)
	if p != nil {
		out.fail(p)
		return
	}
	body, p := receive(w, r)
	if p != nil {
		out.fail(p)
		return
	}
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-r.Context().Done():
		return
	}
	sent := &report{ctx: gateway.From(r.Context(), r.RemoteAddr), server: server, by: defaults}
	if p = read(body, r.Header, &reader{wants: defaults.wants, visit: sent.take}); p == nil {
		p = sent.send()
	}
	h.count(sent)
	if p != nil {
		out.fail(p)
		return
	}
	out.succeed(sent)
}

func (h *Handler) count(r *report) {
	for result, n := range map[string]int64{"counted": r.counted, "duplicate": r.duplicates, "rejected": r.rejected, "no_usage": r.silent, "other": r.others} {
		h.spans.WithLabelValues(result).Add(float64(n))
	}
}

// caller is the server as asked with the key of a request, which it takes: nothing of a request
// is read for a key that may not report.
func (h *Handler) caller(r *http.Request) (*client.Client, *problem) {
	key, err := bursar.Credential(r.Header["X-Api-Key"], r.Header["Authorization"])
	if err != nil || key == "" {
		return nil, &problem{status: http.StatusUnauthorized, message: "show one Bursar API key (bsk_…): have the exporter send the header authorization=Bearer bsk_…, and no other key"}
	}
	server := h.server.WithKey(key)
	_, err = server.ReportEvents(gateway.From(r.Context(), r.RemoteAddr))
	if p := problemOf(err); p != nil && p.status != http.StatusBadRequest { // no events is all that is wrong
		return nil, p
	}
	return server, nil
}

// problem is why a request is answered with an error.
type problem struct {
	status  int
	message string
	wait    time.Duration // before it is sent again; 0 = a moment, if at all
}

// problemOf is what the server said. nil = it did as it was asked.
func problemOf(err error) *problem {
	var e *client.Error
	var bad *json.UnsupportedValueError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		if e.Status >= http.StatusInternalServerError || e.Retryable && e.Status != http.StatusTooManyRequests {
			return &problem{status: http.StatusServiceUnavailable, message: e.Message, wait: e.RetryAfter()} // which exporters send again
		}
		return &problem{status: e.Status, message: e.Message, wait: e.RetryAfter()}
	case errors.As(err, &bad):
		return &problem{status: http.StatusBadRequest, message: err.Error()}
	}
	return &problem{status: http.StatusServiceUnavailable, message: "the Bursar server cannot be asked"}
}

// Headers by which an exporter says what its spans do not say themselves.
const (
	headerEvent      = "Bursar-Event"
	headerAttributes = "Bursar-Attributes"
)

// defaultEvent is the event that a call is.
const defaultEvent = "llm"

// defaults are what holds for all spans of a request, unless they say otherwise.
type defaults struct {
	customer string
	event    string
	dims     map[string]any
	from     []source // in order of their dimensions
}

// source is the attribute that has a dimension.
type source struct{ dimension, attribute string }

func defaultsOf(h http.Header) (*defaults, *problem) {
	d := &defaults{customer: h.Get(gateway.HeaderCustomer), event: h.Get(headerEvent), dims: map[string]any{}}
	if d.event == "" {
		d.event = defaultEvent
	}
	for _, text := range h[gateway.HeaderDimensions] {
		if err := gateway.ReadDimensions(text, d.dims); err != nil {
			return nil, &problem{status: http.StatusBadRequest, message: err.Error()}
		}
	}
	named := map[string]any{}
	for _, text := range h[headerAttributes] {
		if err := gateway.ReadDimensions(text, named); err != nil {
			return nil, &problem{status: http.StatusBadRequest, message: headerAttributes + ": write dimension=attribute,dimension=attribute, such as agentId=gen_ai.agent.id"}
		}
	}
	for _, dimension := range slices.Sorted(maps.Keys(named)) {
		attribute, _ := named[dimension].(string)
		if attribute == "" {
			return nil, &problem{status: http.StatusBadRequest, message: headerAttributes + ": " + strconv.Quote(dimension) + " is taken from no attribute"}
		}
		d.from = append(d.from, source{dimension, attribute})
	}
	if n := len(d.dims) + len(d.from); n > bursar.MaxDimensions {
		return nil, &problem{status: http.StatusBadRequest, message: fmt.Sprintf("%s and %s name %d dimensions of at most %d", gateway.HeaderDimensions, headerAttributes, n, bursar.MaxDimensions)}
	}
	return d, nil
}
