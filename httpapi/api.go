package httpapi

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/spendtoken"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits of the HTTP layer; those on what a request may say are in the root package.
const (
	maxBodyBytes      = 1 << 20
	maxEventsBytes    = 10 << 20 // of POST /events
	maxRatesBytes     = 16 << 20 // of what has the rates of a card
	maxItemBytes      = 1 << 20  // of one of them
	maxBodyDepth      = 32
	maxMembers        = 1000 // of one object of a body
	maxHeaderBytes    = 16 << 10
	maxQueryPairs     = 1000
	maxProblems       = 100 // bad places that one reply names
	requestTimeout    = 10 * time.Second
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second // of a request with its body
	writeTimeout      = time.Minute      // of a request until its reply is read
	idleTimeout       = 2 * time.Minute
)

// Options configure an API. The zero value is usable: no admin key, no metrics on the
// API's own address, no browser origins.
type Options struct {
	// AdminKey acts as an API key of full scope named "admin"; only its SHA-256 is kept.
	AdminKey string
	// MetricsToken, when set, serves GET /metrics to requests that bear it.
	MetricsToken string
	// CheckTarget, when set, says what is wrong with where a webhook would be delivered
	// to. Its error is shown.
	CheckTarget func(kind bursar.WebhookKind, url string) error
	// CheckRecipient, when set, says what is wrong with a recipient of a notification: of kind
	// email an address, of kind slack a URL.
	CheckRecipient func(kind bursar.WebhookKind, to string) error
	// WebhookBacklog and WebhookStats, when set, are asked for the metrics: how many
	// deliveries are pending, and what the sender of webhooks counted.
	WebhookBacklog func(context.Context) (int, error)
	WebhookStats   func() WebhookStats
	// Metrics are collected beside the API's own.
	Metrics []prometheus.Collector
	// CORSOrigins are the browser origins that may call the API, compared exactly.
	CORSOrigins []string
	// Log takes errors, and with level debug every request. Default: discard.
	Log *slog.Logger
}

// WebhookStats count since the process started.
type WebhookStats struct {
	Succeeded uint64 // deliveries
	Failed    uint64 // attempts
	Dead      uint64 // deliveries given up
}

// API is the HTTP interface of one engine. Its methods are safe for concurrent use.
type API struct {
	engine    *engine.Engine
	log       *slog.Logger
	router    *router
	admin     *[sha256.Size]byte // nil = no admin key
	metrics   *metrics
	observed  *observed
	overviews overviewCache
	guard     *guard
	uses      *tokenUses
	lastUse   *lastUse
	large     chan struct{} // has an element for each large body that is being decoded and each large reply that is being made
	cors      map[string]bool
	cursors   cursorKey
	decides   DecideKey
	tokens    tokenKey
	spendKey  *spendtoken.Key
	holdKey   [sha256.Size]byte // of the marks of reservations that spend tokens made
	// What holders of spend tokens have a node do: what they ask for that changes something,
	// how often they end one reservation, and the entities and caps that are made for their tokens.
	spendTurns, spendEnds, spendEntries *turns
	ids                                 requestIDs

	metricsToken   string
	checkTarget    func(bursar.WebhookKind, string) error
	checkRecipient func(bursar.WebhookKind, string) error
	draining       atomic.Bool
	drained        chan struct{} // closed with draining: streams end
	streams        atomic.Int64
	pace           pace
	jobWait        time.Duration
	bodies         *bodyBudget
}

// New serves e.
func New(e *engine.Engine, o Options) *API {
	a := &API{
		engine:         e,
		log:            o.Log,
		guard:          newGuard(),
		uses:           newTokenUses(),
		observed:       newObserved(e.Now()),
		lastUse:        newLastUse(),
		large:          make(chan struct{}, e.LongAtOnce()),
		cors:           map[string]bool{},
		cursors:        newCursorKey(e.Secret()),
		decides:        NewDecideKey(e.Secret()),
		tokens:         newTokenKey(e.Secret()),
		spendKey:       spendtoken.NewKey(e.Secret()),
		holdKey:        newHoldKey(e.Secret()),
		spendTurns:     newTurns(2000, 100),
		spendEnds:      newTurns(4, 1./60),
		spendEntries:   newTurns(400, 2),
		ids:            newRequestIDs(),
		metricsToken:   o.MetricsToken,
		checkTarget:    o.CheckTarget,
		checkRecipient: o.CheckRecipient,
		drained:        make(chan struct{}),
		pace:           pace{poll: streamPoll, beat: streamBeat},
		jobWait:        jobWait,
		bodies:         newBodyBudget(),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if o.AdminKey != "" {
		sum := sha256.Sum256([]byte(o.AdminKey))
		a.admin = &sum
	}
	for _, origin := range o.CORSOrigins {
		a.cors[origin] = true
	}
	routes := a.routes()
	a.router = newRouter(routes)
	a.metrics = newMetrics(e, routes, &o)
	return a
}

// Server returns a server of h whose limits suit the API: slow or endless requests
// end, and headers are bounded.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// Drain makes /readyz answer 503, so that balancers stop sending, and ends streams; other
// requests are still served.
func (a *API) Drain() {
	if !a.draining.Swap(true) {
		close(a.drained)
	}
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := newRequest(a, w, r)
	defer q.end()
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}
