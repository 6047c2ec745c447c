// Package webhook delivers what the outbox holds: it signs, sends, retries and gives up.
// It never decides what is sent or to whom; the engine did that in the commit that the
// message tells of.
//
// A delivery is at least once and in no particular order: a crash between a request and
// the record of its outcome sends again, with the same message id. Nothing is claimed in
// the outbox, so two Senders over one outbox would send everything twice: run one.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"code.dny.dev/ssrf"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// Outbox is what a Sender works on; *engine.Engine is one.
type Outbox interface {
	// DueDeliveries lists PENDING deliveries that are due, of each endpoint up to limit of
	// its id, the earliest first.
	DueDeliveries(ctx context.Context, limit func(endpoint string) int) ([]store.DueDelivery, error)
	// SaveDeliveries records where deliveries stand.
	SaveDeliveries(ctx context.Context, ds []store.Delivery) error
	// DisableWebhook ends deliveries to an endpoint; doing so twice is harmless.
	DisableWebhook(ctx context.Context, id string) error
	// Catalogue has the endpoints as they are now; one that it lacks is gone.
	Catalogue() *catalogue.Catalogue
	Now() bursar.Time
}

// Options configures a Sender. The zero value delivers to public https endpoints only,
// and no mail.
type Options struct {
	// AllowPrivate lets endpoints be on this host and in private networks (RFC 1918,
	// 100.64/10, fc00::/7). Link-local addresses, where clouds serve their credentials,
	// stay refused. AllowNetworks permits any networks by name.
	AllowPrivate  bool
	AllowNetworks []netip.Prefix
	AllowHTTP     bool // endpoints may be http, too

	// SMTPURL is smtp://[user:password@]host[:587] (STARTTLS when offered, required with
	// a password) or smtps://[user:password@]host[:465]; "" = mail is not sent. MailFrom
	// is the sender's address. The server is the operator's and may be anywhere.
	SMTPURL  string
	MailFrom string

	// SlackHosts are the hosts that notifications of customers may post to, as URLs write them, in small letters;
	// nil = Slack's own.
	SlackHosts []string
	// AlertPage is where readers of their messages find the budgets; {customerId} and {entityId}
	// in it are replaced. "" = there is no such page.
	AlertPage string
	// DecideURL, when set, gives the address of the page at which the recipient of a delivery
	// decides a boost request that was made at an instant; "" = there is none.
	DecideURL func(customer, endpoint, request string, made bursar.Time) string

	Log         *slog.Logger  // nil = none
	Poll        time.Duration // between looks into the outbox; 0 = 500 ms
	Concurrency int           // requests under way at most; 0 = 16
	PerEndpoint int           // of which to one endpoint; 0 = 4
}

// The limits of one attempt.
const (
	attemptTimeout = 10 * time.Second // to the end of the reply
	stopGrace      = 3 * time.Second  // for attempts under way when Run is told to end
	maxReply       = 64 << 10         // bytes of a reply that are read
	userAgent      = "Bursar/1"
)

// Stats counts since New.
type Stats struct {
	Succeeded uint64 // deliveries
	Failed    uint64 // attempts
	Dead      uint64 // deliveries given up
}

// Sender delivers. Use Run once.
type Sender struct {
	outbox   Outbox
	endpoint func(id string) *bursar.Webhook
	opts     Options
	guard    *ssrf.Guardian
	client   *http.Client
	mail     *mailer // nil = not configured
	// Constants, but for tests.
	timeout, grace time.Duration

	succeeded, failed, dead atomic.Uint64
}

// New makes a Sender. It refuses options that cannot work; no error shows a password.
func New(o Outbox, opts Options) (*Sender, error) {
	if opts.Poll < 0 || opts.Concurrency < 0 || opts.PerEndpoint < 0 {
		return nil, errors.New("webhooks: poll interval and concurrency must not be negative")
	}
	if opts.Poll == 0 {
		opts.Poll = 500 * time.Millisecond
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = 16
	}
	if opts.PerEndpoint == 0 {
		opts.PerEndpoint = 4
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sender{outbox: o, opts: opts, guard: opts.guard(), timeout: attemptTimeout, grace: stopGrace}
	s.endpoint = func(id string) *bursar.Webhook { return o.Catalogue().Webhook(id) }
	s.client = newClient(s.guard, opts.PerEndpoint)
	if opts.SMTPURL != "" {
		var err error
		if s.mail, err = newMailer(opts.SMTPURL, opts.MailFrom); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Stats reads the counts.
func (s *Sender) Stats() Stats {
	return Stats{s.succeeded.Load(), s.failed.Load(), s.dead.Load()}
}

// newClient makes a client that connects to permitted addresses alone. The guard looks at
// each address as it is dialled, so a name that resolves differently the second time, or
// to several addresses, gains nothing. There is no proxy, which would dial in our stead,
// and no redirect is followed.
func newClient(guard *ssrf.Guardian, idlePerHost int) *http.Client {
	dialer := &net.Dialer{Control: guard.Safe}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			DisableCompression:     true, // what is not read need not be small
			MaxResponseHeaderBytes: maxReply,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    idlePerHost,
			IdleConnTimeout:        30 * time.Second,
		},
	}
}
