package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// mailer sends mail through one server, over a connection of its own each time: alerts
// are few.
type mailer struct {
	host       string
	port       int
	user, pass string
	implicit   bool // TLS from the first byte
	from       *mail.Address
	tls        *tls.Config
}

func newMailer(server, from string) (*mailer, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("webhooks: the mail server must be written smtp://user:password@host:port or smtps://…")
	}
	m := &mailer{host: u.Hostname(), port: 587, implicit: u.Scheme == "smtps"}
	if m.implicit {
		m.port = 465
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, errors.New("webhooks: the mail server's port is not valid")
		}
		m.port = int(n)
	}
	m.user = u.User.Username()
	m.pass, _ = u.User.Password()
	if m.from, err = mail.ParseAddress(from); err != nil || !validAddress(m.from.Address) {
		return nil, errors.New("webhooks: mail needs a sender's address, such as Bursar <alerts@example.com>")
	}
	m.from.Name = clean(m.from.Name)
	m.tls = &tls.Config{ServerName: m.host, MinVersion: tls.VersionTLS12}
	return m, nil
}

// send mails d to the endpoint's addresses. The server takes it for all or for none.
func (m *mailer) send(ctx context.Context, now bursar.Time, hook *bursar.Webhook, d *store.DueDelivery, said []saying) outcome {
	to, err := []string{strings.TrimPrefix(hook.URL, "mailto:")}, error(nil)
	if !catalogue.ToPeople(hook.ID) {
		to, err = recipients(hook.URL)
	}
	if err != nil {
		return outcome{problem: "the URL " + err.Error()}
	}
	client, err := gomail.NewClient(m.host, m.options(ctx)...)
	if err != nil {
		return outcome{problem: "mail is not configured well on this server"}
	}
	msg := m.compose(now, to, d, said)
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() { // an error after the server took it is of the farewell
		return outcome{}
	}
	return mailProblem(ctx, err)
}

// options dial so that ctx bounds the whole conversation and a failure at any point ends
// the connection, neither of which go-mail does. A password goes over TLS only.
func (m *mailer) options(ctx context.Context) []gomail.Option {
	dial := func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if !m.implicit {
			return conn, nil
		}
		secure := tls.Client(conn, m.tls)
		return secure, secure.HandshakeContext(dialing)
	}
	out := []gomail.Option{gomail.WithPort(m.port), gomail.WithTimeout(attemptTimeout), gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(m.tls), gomail.WithTLSPolicy(gomail.TLSOpportunistic)}
	if m.user != "" {
		if !m.implicit {
			out = append(out, gomail.WithTLSPolicy(gomail.TLSMandatory))
		}
		out = append(out, gomail.WithUsername(m.user), gomail.WithPassword(m.pass),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthSCRAMSHA256))
	}
	return out
}

// mailMost is how many sentences a mail has.
const mailMost = 100

// compose makes a mail of d, or of several of which d is the first.
func (m *mailer) compose(now bursar.Time, to []string, d *store.DueDelivery, said []saying) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	for _, a := range to {
		msg.AddToMailAddress(&mail.Address{Address: a})
	}
	t := read(d.Body)
	head, end := "Bursar", "This address is a webhook endpoint of Bursar. Whoever runs it can change that."
	if name := clean(t.Notification.Name); name != "" {
		end = "This address is a recipient of a notification. Whoever manages the budgets of " + clean(t.Data.CustomerID) + " can change that."
		if d.EventType != bursar.EventTest { // which has no word of who sends it
			head = name
		}
	}
	msg.Subject("[" + head + "] " + summary(said))
	msg.SetDateWithValue(now.Std())
	msg.SetMessageIDWithValue(clean(d.MessageID) + m.from.Address[strings.LastIndexByte(m.from.Address, '@'):])
	msg.SetUserAgent(userAgent)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office replies
	var b strings.Builder
	for _, x := range said {
		fmt.Fprintf(&b, "%s.\n\n", x.sentence)
		for _, l := range x.links {
			fmt.Fprintf(&b, "%s:\n%s\n\n", l.text, l.url)
		}
		if x.quote != "" {
			fmt.Fprintf(&b, "%s\n\n", x.quote)
		}
	}
	for _, line := range [][2]string{{"Event", d.EventType}, {"Customer", t.Data.CustomerID}, {"Time", t.Timestamp}, {"Message", d.MessageID}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%-10s%s\n", line[0]+":", clean(line[1]))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", end)
	msg.SetBodyString(gomail.TypeTextPlain, b.String())
	return msg
}

// mailProblem says what went wrong without the words of err, which may have addresses.
func mailProblem(ctx context.Context, err error) outcome {
	var refused *gomail.SendError
	var network net.Error
	o := outcome{ofServer: true}
	switch {
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		o.problem = "the mail server did not take the message in time"
	case errors.As(err, &refused) && refused.ErrorCode() != 0:
		o = outcome{problem: fmt.Sprintf("the mail server refused the message (%d)", refused.ErrorCode())}
	case errors.As(err, &refused):
		o.problem = "the mail server did not take the message"
	default:
		o.problem = "the mail server could not be reached or signed in to"
	}
	return o
}
