package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what the API does. No label ever names a customer, an entity or a
// key. Children are resolved once: a check looks none up by label.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	checkSeconds prometheus.Histogram
	granted      prometheus.Counter
	denied       map[bursar.Code]prometheus.Counter
	deniedOther  prometheus.Counter
	recorded     prometheus.Counter
	duplicates   prometheus.Counter
	refused      prometheus.Counter
	warnings     map[string]prometheus.Counter // by code
	ungoverned   *prometheus.CounterVec        // by entity type
	typesNamed   func([]bursar.Dimension) []string
	requests     map[*route]*[6]prometheus.Counter // by status class
	unrouted     *[6]prometheus.Counter
}

// denialReasons are the reasons that a check may give.
var denialReasons = []bursar.Code{
	bursar.CodeCustomerNotFound, bursar.CodeCustomerIsArchived, bursar.CodeFeatureNotFound, bursar.CodeEntitlementNotFound,
	bursar.CodeRequestedUsageExceeding, bursar.CodeInsufficientCredits, bursar.CodeBudgetExceeded,
	bursar.CodeFeatureTypeMismatch, bursar.CodeCustomerResourceNotFound, bursar.CodeEntityIsFrozen, bursar.CodeCustomerIsFrozen,
	bursar.CodeEntityNotFound, bursar.CodeUngoverned,
}

// warningCodes are what replies to others than estimates may warn of.
var warningCodes = []string{
	bursar.WarnEnrolled, bursar.WarnWouldEnrol, bursar.WarnNotEnrolled, bursar.WarnDidYouMean, bursar.WarnNotResolved, bursar.WarnUnknownKey, bursar.WarnNoEntity, bursar.WarnUngoverned, bursar.WarnNoRate, bursar.WarnNoPrice, bursar.WarnNothingHeld, bursar.WarnUnmetered, bursar.WarnTooManyLimits, bursar.WarnStaleSet, bursar.WarnCallCounted, bursar.WarnCallDiffers, bursar.WarnHoldKept, bursar.WarnNothingRecorded,
	bursar.WarnUnread, bursar.WarnUsageCut, bursar.WarnUnreadProperty, bursar.WarnUsageTotal, bursar.WarnPossibleDouble,
}

func newMetrics(e *engine.Engine, routes []*route, o *Options) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), denied: map[bursar.Code]prometheus.Counter{}, requests: map[*route]*[6]prometheus.Counter{}}
	m.checkSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "bursar_check_duration_seconds", Help: "Time to answer a check, from its headers to its last byte.",
		Buckets: []float64{25e-6, 50e-6, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 1e-2, 5e-2, 0.25, 1, 5},
	})
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_checks_total", Help: "Checks answered, by result and reason of denial.",
	}, []string{"result", "reason"})
	m.granted = checks.WithLabelValues("granted", "")
	for _, reason := range denialReasons {
		m.denied[reason] = checks.WithLabelValues("denied", string(reason))
	}
	m.deniedOther = checks.WithLabelValues("denied", "Unknown")
	ingest := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_ingest_events_total", Help: "Usage items, by what became of them.",
	}, []string{"result"})
	m.recorded, m.duplicates, m.refused = ingest.WithLabelValues("recorded"), ingest.WithLabelValues("duplicate"), ingest.WithLabelValues("refused")
	warnings := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_warnings_total", Help: "Warnings in replies to checks, spending and reports, by code.",
	}, []string{"code"})
	m.ungoverned = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_ungoverned_total", Help: "Replies about use that nothing limits, by the type of entity that a dimension of the request names; none = it names nobody.",
	}, []string{"entity_type"})
	m.ungoverned.WithLabelValues("")
	m.typesNamed = func(dims []bursar.Dimension) []string { return e.Catalogue().TypesNamed(dims) }
	m.warnings = map[string]prometheus.Counter{}
	for _, code := range warningCodes {
		m.warnings[code] = warnings.WithLabelValues(code)
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_http_requests_total", Help: "Requests answered, by route and class of status.",
	}, []string{"method", "route", "class"})
	classes := func(method, pattern string) *[6]prometheus.Counter {
		var c [6]prometheus.Counter
		for i, class := range []string{"", "", "2xx", "3xx", "4xx", "5xx"} {
			if class != "" && class != "3xx" {
				c[i] = requests.WithLabelValues(method, pattern, class)
			}
		}
		return &c
	}
	for _, r := range routes {
		m.requests[r] = classes(r.method, r.pattern)
	}
	m.unrouted = classes("", "none")
	m.registry.MustRegister(m.checkSeconds, checks, ingest, warnings, m.ungoverned, requests, engineCollector{e, o.WebhookBacklog, o.WebhookStats},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(o.Metrics...)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) request(q *request) {
	classes := m.unrouted
	if q.route != nil {
		classes = m.requests[q.route]
	}
	if c := classes[min(q.status/100, 5)]; c != nil {
		c.Inc()
	}
}

func (m *metrics) check(granted bool, reason bursar.Code) {
	if granted {
		m.granted.Inc()
	} else if c := m.denied[reason]; c != nil {
		c.Inc()
	} else {
		m.deniedOther.Inc()
	}
}

// warned counts the warnings of a reply to a request with dims, because callers whose SDK does not
// know of warnings never see them.
func (m *metrics) warned(warnings []string, dims []bursar.Dimension) {
	ungoverned := false
	for _, w := range warnings {
		code, _, _ := strings.Cut(w, ":")
		if c := m.warnings[code]; c != nil {
			c.Inc()
		}
		ungoverned = ungoverned || code == bursar.WarnUngoverned
	}
	if !ungoverned {
		return
	}
	types := m.typesNamed(dims)
	for _, typ := range types {
		m.ungoverned.WithLabelValues(typ).Inc()
	}
	if len(types) == 0 {
		m.ungoverned.WithLabelValues("").Inc()
	}
}

func (m *metrics) checked(since time.Time) { m.checkSeconds.Observe(time.Since(since).Seconds()) }

// collectTimeout bounds what a scrape asks the store.
const collectTimeout = time.Second

// engineCollector reads the engine's figures when they are asked for.
type engineCollector struct {
	engine   *engine.Engine
	backlog  func(context.Context) (int, error) // nil = not told here, as webhooks
	webhooks func() WebhookStats
}

func engineDesc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

var (
	descResident    = engineDesc("bursar_customers_resident", "Customers in memory.")
	descBytes       = engineDesc("bursar_resident_bytes", "Estimated memory of the customers in memory.")
	descHolds       = engineDesc("bursar_holds_open", "Open reservations of the customers in memory.")
	descKeys        = engineDesc("bursar_idempotency_keys", "Idempotency keys in memory.")
	descCommits     = engineDesc("bursar_commits_total", "Commits written.")
	descRecords     = engineDesc("bursar_commit_records_total", "Records written.")
	descCheckpoints = engineDesc("bursar_checkpoints_total", "Checkpoints saved.")
	descEvictions   = engineDesc("bursar_customer_evictions_total", "Customers that left memory.")
	descLoads       = engineDesc("bursar_customer_loads_total", "Customers read into memory.")
	descReady       = engineDesc("bursar_ready", "1 while the engine can answer.")
	descUnread      = engineDesc("bursar_unread_usage_total", "Events with usage that was not understood, or not all of it.")
	descUnpriced    = engineDesc("bursar_unpriced_total", "Usage that a rate card prices in general, but no rate of it matched.")
	descDenials     = engineDesc("bursar_denials_kept_total", "Denials that were written as samples.")
	descDenialsLost = prometheus.NewDesc("bursar_denials_lost_total", "Denials for which there was no room: as samples that were to be written (sample), or in the counts (count).", []string{"as"}, nil)
	descBacklog     = engineDesc("bursar_webhook_backlog", "Webhook deliveries that wait or are retried.")
	descDeliveries  = prometheus.NewDesc("bursar_webhook_deliveries_total", "Webhooks: deliveries that succeeded, attempts that failed, deliveries given up (dead).", []string{"result"}, nil)
)

func (c engineCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

func (c engineCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.engine.Stats()
	ready := 0.0
	if c.engine.Ready() == nil {
		ready = 1
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(descResident, float64(s.ResidentCustomers))
	gauge(descBytes, float64(s.ResidentBytes))
	gauge(descHolds, float64(s.OpenHolds))
	gauge(descKeys, float64(s.KeysInMemory))
	counter(descCommits, s.Commits)
	counter(descRecords, s.Records)
	counter(descCheckpoints, s.Checkpoints)
	counter(descEvictions, s.Evictions)
	counter(descLoads, s.Loads)
	gauge(descReady, ready)
	counter(descUnpriced, c.engine.UnpricedTotal())
	counter(descUnread, c.engine.UnreadTotal())
	denials := c.engine.DenialStats()
	counter(descDenials, denials.Kept)
	for as, n := range map[string]uint64{"sample": denials.Lost, "count": denials.Untold} {
		ch <- prometheus.MustNewConstMetric(descDenialsLost, prometheus.CounterValue, float64(n), as)
	}
	c.collectWebhooks(ch)
}

// collectWebhooks leaves the backlog out when the store does not tell it in time.
func (c engineCollector) collectWebhooks(ch chan<- prometheus.Metric) {
	if c.backlog != nil {
		ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
		defer cancel()
		if n, err := c.backlog(ctx); err == nil {
			ch <- prometheus.MustNewConstMetric(descBacklog, prometheus.GaugeValue, float64(n))
		}
	}
	if c.webhooks == nil {
		return
	}
	w := c.webhooks()
	for result, n := range map[string]uint64{"succeeded": w.Succeeded, "failed": w.Failed, "dead": w.Dead} {
		ch <- prometheus.MustNewConstMetric(descDeliveries, prometheus.CounterValue, float64(n), result)
	}
}

// MetricsHandler serves the metrics to anybody: for a listener of its own.
func (a *API) MetricsHandler() http.Handler { return a.metrics.handler }

// serveMetrics serves them on the API's address, to bearers of the metrics token. It is by
// hand because another library writes the reply, which is no JSON.
func (a *API) serveMetrics(q *request) error {
	if a.metricsToken == "" {
		return bursar.Errorf(bursar.CodeNotFound, "metrics are not served here: configure a metrics token or a metrics listener")
	}
	token, _ := bursar.Credential(nil, q.r.Header["Authorization"])
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.metricsToken))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return q.refused("send Authorization: Bearer <the metrics token>")
	}
	q.status = http.StatusOK
	a.metrics.handler.ServeHTTP(q.w, q.r)
	return nil
}
