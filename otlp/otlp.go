// Package otlp takes traces as OpenTelemetry's exporters send them, and reports the calls of
// language models among their spans as events. It decides nothing: a Bursar server does, which
// it asks with the exporter's own key.
package otlp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

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
			Name: "bursar_otlp_spans_total", Help: "Spans that exporters sent: counted as an event, refused, without usage, or no call of a model.",
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
		out.fail(&problem{http.StatusMethodNotAllowed, "send traces by POST"})
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
	in, p := unpack(body, r.Header)
	if p != nil {
		out.fail(p)
		return
	}
	sent := &report{ctx: gateway.From(r.Context(), r.RemoteAddr), server: server}
	sent.take(in, defaults)
	p = sent.send()
	h.count(sent)
	if p != nil {
		if p.status == http.StatusServiceUnavailable || p.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		out.fail(p)
		return
	}
	out.send(http.StatusOK, sent.reply())
}

func (h *Handler) count(r *report) {
	for result, n := range map[string]int64{"counted": r.counted, "rejected": r.rejected, "no_usage": r.silent, "other": r.others} {
		h.spans.WithLabelValues(result).Add(float64(n))
	}
}

// caller is the server as asked with the key of a request, which it takes: nothing of a request
// is read for a key that may not report.
func (h *Handler) caller(r *http.Request) (*client.Client, *problem) {
	key := r.Header.Get("X-Api-Key")
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); key == "" && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(token)
	}
	if key == "" {
		return nil, &problem{http.StatusUnauthorized, "show a Bursar API key (bsk_…): have the exporter send the header authorization=Bearer bsk_…"}
	}
	server := h.server.WithKey(key)
	_, err := server.ReportEvents(gateway.From(r.Context(), r.RemoteAddr))
	if p := problemOf(err); p != nil && p.status != http.StatusBadRequest { // no events is all that is wrong
		return nil, p
	}
	return server, nil
}

// problem is why a request is answered with an error.
type problem struct {
	status  int
	message string
}

// problemOf is what the server said. nil = it did as it was asked.
func problemOf(err error) *problem {
	var e *client.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		if e.Retryable && e.Status != http.StatusTooManyRequests {
			return &problem{http.StatusServiceUnavailable, e.Message} // the statuses that exporters send again for are few
		}
		return &problem{e.Status, e.Message}
	case errors.Is(err, context.Canceled):
		return &problem{http.StatusServiceUnavailable, "the request was given up"}
	}
	return &problem{http.StatusServiceUnavailable, "the Bursar server cannot be asked"}
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
	from     map[string]string // dimension by the attribute that has it
}

func defaultsOf(h http.Header) (*defaults, *problem) {
	d := &defaults{customer: h.Get(gateway.HeaderCustomer), event: h.Get(headerEvent), dims: map[string]any{}, from: map[string]string{}}
	if d.event == "" {
		d.event = defaultEvent
	}
	for _, text := range h[gateway.HeaderDimensions] {
		if err := gateway.ReadDimensions(text, d.dims); err != nil {
			return nil, &problem{http.StatusBadRequest, err.Error()}
		}
	}
	for _, text := range h[headerAttributes] {
		named := map[string]any{}
		if err := gateway.ReadDimensions(text, named); err != nil {
			return nil, &problem{http.StatusBadRequest, headerAttributes + ": write dimension=attribute,dimension=attribute, such as agentId=gen_ai.agent.id"}
		}
		for dimension, attribute := range named {
			name, ok := attribute.(string)
			if !ok || name == "" {
				return nil, &problem{http.StatusBadRequest, headerAttributes + ": " + strconv.Quote(dimension) + " is taken from no attribute"}
			}
			d.from[name] = dimension
		}
	}
	return d, nil
}
