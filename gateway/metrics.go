package gateway

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the gateway does. No label ever names a customer, an entity or a key.
type metrics struct {
	calls   *prometheus.CounterVec
	ends    *prometheus.CounterVec
	open    prometheus.Gauge
	holding prometheus.Histogram
}

func newMetrics() *metrics {
	return &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_gateway_calls_total", Help: "Calls, by provider and what became of them.",
		}, []string{"upstream", "outcome"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_gateway_ends_total", Help: "Attempts to end the hold of a call, by how it was to end and the result.",
		}, []string{"how", "result"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bursar_gateway_calls_open", Help: "Governed calls under way."}),
		holding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "bursar_gateway_hold_duration_seconds", Help: "From a call's head until what it may use is held.",
			Buckets: []float64{1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 1e-2, 5e-2, 0.25, 1, 5},
		}),
	}
}

func (m *metrics) count(u *upstream, outcome string) { m.calls.WithLabelValues(u.Name, outcome).Inc() }

func (m *metrics) refused(u *upstream)  { m.count(u, "refused") }
func (m *metrics) passed(u *upstream)   { m.count(u, "ungoverned") }
func (m *metrics) replayed(u *upstream) { m.count(u, "replayed") }
func (m *metrics) died(u *upstream)     { m.count(u, "broken") }
func (m *metrics) unknown(u *upstream)  { m.count(u, "estimated") }
func (m *metrics) left(u *upstream)     { m.count(u, "caller_gone") }

func (m *metrics) stopped(u *upstream, p *problem) {
	switch {
	case p.status == http.StatusPaymentRequired:
		m.count(u, "denied")
	case p.code == codeUnavailable:
		m.count(u, "unavailable")
	default:
		m.count(u, "refused")
	}
}

func (m *metrics) held(took time.Duration) { m.holding.Observe(took.Seconds()) }

func (m *metrics) ended(how, result string) { m.ends.WithLabelValues(how, result).Inc() }

// Describe and Collect make a gateway a collector of its metrics.
func (g *Gateway) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// Collect collects them.
func (g *Gateway) Collect(ch chan<- prometheus.Metric) {
	g.metrics.calls.Collect(ch)
	g.metrics.ends.Collect(ch)
	g.metrics.open.Collect(ch)
	g.metrics.holding.Collect(ch)
	ch <- prometheus.MustNewConstMetric(descPending, prometheus.GaugeValue, float64(g.books.pending.Load()))
	ch <- prometheus.MustNewConstMetric(descMemory, prometheus.GaugeValue, float64(g.memory.used.Load()))
}

var (
	descPending = prometheus.NewDesc("bursar_gateway_pending", "Calls whose end waits to be recorded.", nil, nil)
	descMemory  = prometheus.NewDesc("bursar_gateway_memory_bytes", "Bytes of requests that are not sent yet, and of replies that are read whole.", nil, nil)
)
