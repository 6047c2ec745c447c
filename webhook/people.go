package webhook

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	if u, err := url.Parse(to); err != nil || !slices.Contains(hosts, u.Host) {
		return errors.New("is of a host that this server does not post to; it takes " + strings.Join(hosts, ", ") + " (--slack-hosts)")
	}
	return nil
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

// A saying is what a delivery says, with links of a message to people.
type saying struct {
	sentence string
	links    []link
}

type link struct{ text, url string }

func (s *Sender) sayings(ds []store.DueDelivery) []saying {
	out := make([]saying, len(ds))
	for i := range ds {
		out[i] = saying{sentence(ds[i].EventType, ds[i].Body), s.links(&ds[i], new(read(ds[i].Body)))}
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
	if d.EventType == bursar.EventBoostRequested && s.opts.DecideURL != nil {
		if to := s.opts.DecideURL(d.CustomerID, d.EndpointID, t.Data.Request.ID, d.CreatedAt); to != "" {
			out = append(out, link{"Approve or decline", to})
		}
	}
	if page := s.opts.AlertPage; page != "" {
		out = append(out, link{"Open budgets", strings.NewReplacer("{customerId}", url.QueryEscape(d.CustomerID), "{entityId}", url.QueryEscape(t.Data.Entity.ID)).Replace(page)})
	}
	return out
}
