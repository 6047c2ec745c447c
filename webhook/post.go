package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// outcome is how one attempt ended. problem is "" when it succeeded; it is one of our own
// texts, since an error's may have the URL, which of a Slack endpoint is a secret.
type outcome struct {
	status  int // of the reply; 0 = there was none, or it was mail
	problem string
	// ofServer tells that the problem is not of who is sent to: it is of a server that takes messages of many.
	ofServer bool
}

// attempt sends ds once, of which there are several only to people, and waits for the end of it.
func (s *Sender) attempt(ctx context.Context, hook *bursar.Webhook, ds []store.DueDelivery) outcome {
	d := &ds[0]
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.checkHook(hook); err != nil {
		return outcome{problem: "the URL " + err.Error()}
	}
	switch hook.Kind {
	case bursar.WebhookEmail:
		if s.mail == nil {
			return outcome{problem: "mail is not configured on this server"}
		}
		return s.mail.send(ctx, s.outbox.Now(), hook, d, s.sayings(ds))
	case bursar.WebhookSlack:
		return s.post(ctx, hook.URL, slackBody(d.EventType, d.Body, s.sayings(ds)), nil)
	default:
		now := s.outbox.Now()
		signature, err := sign(hook, now, d)
		if err != nil {
			return outcome{problem: "the endpoint has no valid secret"}
		}
		return s.post(ctx, hook.URL, d.Body, map[string]string{
			standardwebhooks.HeaderWebhookID:        d.MessageID,
			standardwebhooks.HeaderWebhookTimestamp: strconv.FormatInt(now.Std().Unix(), 10),
			standardwebhooks.HeaderWebhookSignature: signature,
		})
	}
}

// sign is the signature by the endpoint's secret and, while it is valid, by its old one.
func sign(hook *bursar.Webhook, now bursar.Time, d *store.DueDelivery) (string, error) {
	secrets := []string{hook.Secret}
	if hook.OldSecret != "" && now < hook.OldUntil {
		secrets = append(secrets, hook.OldSecret)
	}
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		if strings.TrimPrefix(secret, "whsec_") == "" {
			return "", errors.New("an empty secret") // the library would sign with it
		}
		h, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", err
		}
		if signatures[i], err = h.Sign(d.MessageID, now.Std(), d.Body); err != nil {
			return "", err
		}
	}
	return strings.Join(signatures, " "), nil
}

// post sends body. The reply's status alone decides: a receiver that said 2xx has the
// message, whatever becomes of the rest of its reply, which is read only so that the
// connection can be used again. A reply longer than maxReply costs its connection.
func (s *Sender) post(ctx context.Context, target string, body []byte, header map[string]string) outcome {
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		cancel()
		return outcome{problem: "the URL is not valid"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		cancel()
		return outcome{problem: s.explain(err)}
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxReply)
	cancel() // before Close, which might otherwise go on reading
	_ = resp.Body.Close()
	o := outcome{status: resp.StatusCode}
	switch c := resp.StatusCode; {
	case c >= 200 && c < 300:
	case c >= 300 && c < 400:
		o.problem = fmt.Sprintf("status %d: redirects are not followed", c)
	default:
		o.problem = fmt.Sprintf("status %d", c)
	}
	return o
}

// explain says what went wrong without the words of err.
func (s *Sender) explain(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork):
		return "the host leads to an address that is not public"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no reply within %v", s.timeout)
	case errors.As(err, &dns):
		return "the host name could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.As(err, &cert):
		return "the host's TLS certificate is not valid"
	case errors.As(err, &plain), errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return "the TLS handshake failed"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was closed before a reply came"
	}
	return "no valid reply came"
}

// slackMost is how many sentences a message of Slack has: it may have 50 blocks.
const slackMost = 45

// slackBody is a message, or all of several, as incoming webhooks of Slack and its likes take it.
func slackBody(eventType string, body []byte, said []saying) []byte {
	type mrkdwn struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Verbatim bool   `json:"verbatim"` // a name that looks like a link is not made one
	}
	type block struct {
		Type     string   `json:"type"`
		Text     *mrkdwn  `json:"text,omitempty"`
		Elements []mrkdwn `json:"elements,omitempty"`
	}
	var blocks []block
	section := func(text string) {
		blocks = append(blocks, block{Type: "section", Text: &mrkdwn{"mrkdwn", text, true}})
	}
	text := slackEscape.Replace(summary(said))
	if len(said) > 1 {
		section(text)
	}
	for _, x := range said {
		lines := slackEscape.Replace(x.sentence)
		for _, l := range x.links {
			lines += "\n<" + slackEscape.Replace(l.url) + "|" + l.text + ">"
		}
		if x.quote != "" {
			lines += "\n" + slackEscape.Replace(x.quote)
		}
		section(lines)
	}
	t := read(body)
	about := eventType
	if t.Notification.Name != "" && eventType != bursar.EventTest {
		about = clean(t.Notification.Name)
	}
	for _, part := range []string{t.Data.CustomerID, t.Timestamp} {
		if part != "" {
			about += " · " + clean(part)
		}
	}
	blocks = append(blocks, block{Type: "context", Elements: []mrkdwn{{"mrkdwn", slackEscape.Replace(about), true}}})
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(struct {
		Text   string  `json:"text"`
		Blocks []block `json:"blocks"`
	}{text, blocks})
	return b.Bytes()
}

// slackEscape takes from text what could mention people or make links.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
