package webhook

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// Messages to people are sent by notifications, which customers make for themselves: so the message
// has who it is for, and only hosts that the operator names are posted to.

// defaultSlackHosts are the hosts of Slack's own incoming webhooks.
var defaultSlackHosts = []string{"hooks.slack.com", "hooks.slack-gov.com"}

// CheckRecipient tells whether a notification may have a recipient: of kind email an address of mail,
// of kind slack a URL.
func CheckRecipient(kind bursar.WebhookKind, to string, o Options) error {
	if kind == bursar.WebhookEmail {
		if !validAddress(to) {
			return errors.New("is not an email address; write ann@example.com")
		}
		if !namedHost(to[strings.LastIndexByte(to, '@')+1:]) {
			return errors.New("is of a host without a full name; write ann@example.com")
		}
		if o.SMTPURL == "" {
			return errors.New("cannot be sent to: this server knows no mail server (--smtp-url)")
		}
		return nil
	}
	if err := checkURL(to, o.AllowHTTP, o.guard()); err != nil {
		return err
	}
	hosts := o.SlackHosts
	if hosts == nil {
		hosts = defaultSlackHosts
	}
	if u, err := url.Parse(to); err != nil || !slices.Contains(hosts, strings.ToLower(u.Host)) {
		return errors.New("is of a host that this server does not post to; it takes " + strings.Join(hosts, ", ") + " (--slack-hosts)")
	}
	return nil
}

// namedHost tells whether a host has a name with a dot and is no IP address, whose last part is a number.
func namedHost(host string) bool {
	dot := strings.LastIndexByte(host, '.')
	return dot > 0 && strings.Trim(host[dot+1:], "0123456789") != ""
}

// people is what a Run knows of all lanes to people. A person is told in one message at a time of what there is
// to tell, so that alerts of thousands of limits make a few messages; meanwhile what else there is gathers in the outbox.
type people struct {
	quotas map[string]*quota
	mail   health // of the server through which mail goes
	held   int    // deliveries in work.known
	flying int
}

// personRoom is how many deliveries to a person may wait: as many as a message has.
const personRoom = mailMost

// A rate lets through so many at once, and beyond that one in every.
type rate struct {
	atOnce int
	every  time.Duration
}

// What each address gets of one customer, and of all, and what each customer sends, whoever it is for.
var (
	addressRate  = rate{10, time.Minute}
	mailboxRate  = rate{30, 10 * time.Second}
	customerRate = rate{100, 3 * time.Second}
)

// A quota counts what a rate lets through.
type quota struct {
	rate
	used  int
	since bursar.Time // when the wait for the next began
}

func (q *quota) open(now bursar.Time) bool {
	for ; q.used > 0 && now-q.since >= bursar.Time(q.every); q.used-- {
		q.since += bursar.Time(q.every)
	}
	if q.used == 0 {
		q.since = now
	}
	return q.used < q.atOnce
}

// of are the quotas of a lane whose customer is known.
func (p *people) of(l *lane) [3]*quota {
	get := func(key string, r rate) *quota {
		q := p.quotas[key]
		if q == nil {
			q = &quota{rate: r}
			p.quotas[key] = q
		}
		return q
	}
	address := catalogue.AddressOf(l.id)
	return [3]*quota{get(address+" of "+l.customer, addressRate), get(address, mailboxRate), get("of "+l.customer, customerRate)}
}

// hears tells whether the person of a lane may be sent a message now, as far as is known.
func (w *work) hears(l *lane, now bursar.Time) bool {
	if l.flying > 0 || l.resting(now) {
		return false
	}
	if l.customer == "" {
		return true
	}
	q := w.people.of(l)
	return q[0].open(now) && q[1].open(now) && q[2].open(now)
}

// know learns from a delivery what is said of its lane nowhere else.
func (w *work) know(l *lane, d *store.DueDelivery) {
	if l.customer != "" {
		return
	}
	l.customer = d.CustomerID
	if _, to := catalogue.Recipient(d.EndpointID, d.Body); strings.HasPrefix(to, "mailto:") {
		l.server = &w.people.mail
	}
}

// tell counts a message to the lane's person, and is how many of the deliveries that wait are in it. Boost
// requests, which somebody waits for, come first, but leave half of the message to what else there is.
func (w *work) tell(l *lane, hook *bursar.Webhook) int {
	for _, q := range w.people.of(l) {
		q.used++
	}
	most := mailMost
	if hook != nil && hook.Kind == bursar.WebhookSlack {
		most = slackMost
	}
	var requests, others []store.DueDelivery
	for _, d := range l.waiting {
		if d.EventType == bursar.EventBoostRequested {
			requests = append(requests, d)
		} else {
			others = append(others, d)
		}
	}
	first := min(len(requests), most/2)
	l.waiting = slices.Concat(requests[:first], others, requests[first:])
	return min(len(l.waiting), most)
}

// prune forgets people to whom nothing is due.
func (w *work) prune(now bursar.Time) {
	w.turn = slices.DeleteFunc(w.turn, func(l *lane) bool {
		if !l.person || l.due || l.held > 0 || l.flying > 0 {
			return false
		}
		delete(w.lanes, l.id)
		return true
	})
	maps.DeleteFunc(w.people.quotas, func(_ string, q *quota) bool { return q.open(now) && q.used == 0 })
}

// target is where a delivery goes; nil = nowhere any more.
func (s *Sender) target(d *store.DueDelivery) *bursar.Webhook {
	if !catalogue.ToPeople(d.EndpointID) {
		return s.endpoint(d.EndpointID)
	}
	_, to := catalogue.Recipient(d.EndpointID, d.Body)
	if to == "" {
		return nil
	}
	h := &bursar.Webhook{ID: d.EndpointID, Kind: bursar.WebhookSlack, URL: to, Enabled: true}
	if strings.HasPrefix(to, "mailto:") {
		h.Kind = bursar.WebhookEmail
	}
	return h
}

// checkHook judges where an attempt goes.
func (s *Sender) checkHook(hook *bursar.Webhook) error {
	if catalogue.ToPeople(hook.ID) {
		return CheckRecipient(hook.Kind, strings.TrimPrefix(hook.URL, "mailto:"), s.opts)
	}
	return checkTarget(hook.Kind, hook.URL, s.opts.AllowHTTP, s.guard)
}

// A saying is what a delivery says, with links of a message to people and what somebody wrote, which comes last.
type saying struct {
	sentence string
	links    []link
	quote    string
}

type link struct{ text, url string }

func (s *Sender) sayings(ds []store.DueDelivery) []saying {
	out := make([]saying, len(ds))
	for i := range ds {
		t := read(ds[i].Body)
		out[i] = saying{sentence(ds[i].EventType, ds[i].Body), s.links(&ds[i], &t), quote(ds[i].EventType, &t)}
	}
	return out
}

// summary is one line for all of them.
func summary(said []saying) string {
	if len(said) == 1 {
		return said[0].sentence
	}
	return strconv.Itoa(len(said)) + " alerts, the first: " + clip(said[0].sentence, maxSentence)
}

// links are where the reader of a message may go on.
func (s *Sender) links(d *store.DueDelivery, t *told) (out []link) {
	if !catalogue.ToPeople(d.EndpointID) {
		return nil
	}
	if d.EventType == bursar.EventBoostRequested && s.opts.DecideURL != nil && !t.Data.MayNot {
		if to := s.opts.DecideURL(d.CustomerID, d.EndpointID, t.Data.Request.ID, d.CreatedAt); to != "" {
			out = append(out, link{"Approve or decline", to})
		}
	}
	if page := s.opts.AlertPage; page != "" {
		out = append(out, link{"Open budgets", strings.NewReplacer("{customerId}", url.QueryEscape(d.CustomerID), "{entityId}", url.QueryEscape(t.Data.Entity.ID)).Replace(page)})
	}
	return out
}
