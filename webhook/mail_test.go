package webhook

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// postOffice is a mail server over real TCP that takes everything, but for what its
// fields say.
type postOffice struct {
	net.Listener
	startTLS *tls.Config // offered when set
	auth     bool        // offered
	reject   string      // recipient refused with 550
	mute     bool        // says nothing at all
	hangUp   bool        // drops the connection after taking the message

	mu    sync.Mutex
	heard []string // commands
	mails []string
	wg    sync.WaitGroup
}

func open(t *testing.T, p *postOffice) *postOffice {
	if p.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.Listener = l
	}
	p.wg.Go(func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = p.Close(); p.wg.Wait() })
	return p
}

func (p *postOffice) serve(c net.Conn) {
	if p.mute {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 ready")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		p.mu.Lock()
		p.heard = append(p.heard, line)
		p.mu.Unlock()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case verb == "EHLO":
			_, secure := c.(*tls.Conn)
			say("250-post.example")
			if p.startTLS != nil && !secure {
				say("250-STARTTLS")
			}
			if p.auth {
				say("250-AUTH PLAIN LOGIN")
			}
			say("250 8BITMIME")
		case verb == "STARTTLS":
			say("220 go on")
			c = tls.Server(c, p.startTLS)
			r = bufio.NewReader(c)
		case verb == "AUTH":
			say("235 welcome")
		case verb == "RCPT" && p.reject != "" && strings.Contains(line, p.reject):
			say("550 no such person " + p.reject)
		case verb == "DATA":
			say("354 go on")
			var b strings.Builder
			for l := ""; l != ".\r\n"; l, _ = r.ReadString('\n') {
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			p.mu.Lock()
			p.mails = append(p.mails, b.String())
			p.mu.Unlock()
			say("250 taken")
			if p.hangUp {
				return
			}
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func (p *postOffice) box() (heard, mails []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard), slices.Clone(p.mails)
}

func mailOptions(url string) Options {
	return Options{Poll: local.Poll, SMTPURL: url, MailFrom: "Bursar <alerts@bursar.example>"}
}

// certificate is one for 127.0.0.1 with those who trust it.
func certificate(t *testing.T) (server, client *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates},
		&tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

func TestMail(t *testing.T) {
	p := open(t, &postOffice{})
	box := newShelf()
	box.advance(-time.Hour)
	box.add(bursar.Webhook{ID: "e", Kind: bursar.WebhookEmail, URL: "mailto:ops@x.example,cfo@y.example"})
	hostile := strings.ReplaceAll(exceeded, `"team-search"`, `"team\r\nBcc: evil@z.example\r\n\r\n.\r\nMAIL FROM:<evil@z.example>"`)
	hostile = strings.ReplaceAll(hostile, `"acme"`, `"acmé\nX-Evil: 1"`)
	box.put("d", "e", bursar.EventUsageExceeded, hostile)
	run(t, newSender(t, box, mailOptions("smtp://"+p.Addr().String())))
	if d := box.attempted(t, "d", 1); d.Status != store.DeliverySucceeded || d.Error != "" {
		t.Fatalf("%+v", d)
	}
	heard, mails := p.box()
	var envelope []string
	for _, h := range heard {
		if strings.HasPrefix(h, "MAIL") || strings.HasPrefix(h, "RCPT") {
			envelope = append(envelope, strings.Fields(strings.SplitN(h, ":", 2)[1])[0])
		}
	}
	if !slices.Equal(envelope, []string{"<alerts@bursar.example>", "<ops@x.example>", "<cfo@y.example>"}) || len(mails) != 1 {
		t.Fatalf("envelope %v, %d mails", envelope, len(mails))
	}
	m, err := mail.ReadMessage(strings.NewReader(mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	const said = "team Bcc: evil@z.example . MAIL FROM:<evil@z.example> (team) used 102.5 % of its credits limit: 512.5 of 500 · resets 2026-10-01"
	if subject != "[Bursar] "+said {
		t.Errorf("subject %q", subject)
	}
	for k, want := range map[string]string{"Message-Id": "<m-d@bursar.example>", "Bcc": "", "X-Evil": "", "Auto-Submitted": "auto-generated",
		"From": `"Bursar" <alerts@bursar.example>`, "To": "<ops@x.example>, <cfo@y.example>"} {
		if got := m.Header.Get(k); got != want {
			t.Errorf("%s: %q", k, got)
		}
	}
	if at, err := m.Header.Date(); err != nil || at.Unix() != box.Now().Std().Unix() {
		t.Errorf("date %v, %v", at, err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{said + ".\r\n", "Customer: acmé X-Evil: 1\r\n", "Event:    entity.entitlement.usage_exceeded\r\n", "Message:  m-d\r\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}

// TestMailFailures: each is retried and says what was wrong, without addresses.
func TestMailFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, c := range map[string]struct {
		office *postOffice
		want   string
	}{
		"none":    {nil, "mail is not configured on this server"},
		"closed":  {&postOffice{Listener: closed}, "the mail server could not be reached or signed in to"},
		"refused": {&postOffice{reject: "cfo@y.example"}, "the mail server refused the message (550)"},
		"mute":    {&postOffice{mute: true}, "the mail server did not take the message in time"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Poll: local.Poll}
			if c.office != nil {
				if name != "closed" {
					open(t, c.office)
				}
				o = mailOptions("smtp://" + c.office.Addr().String())
			}
			box := newShelf()
			box.add(bursar.Webhook{ID: "e", Kind: bursar.WebhookEmail, URL: "mailto:ops@x.example,cfo@y.example"})
			box.put("d", "e", bursar.EventTest, "{}")
			sender := newSender(t, box, o)
			sender.timeout = 300 * time.Millisecond
			run(t, sender)
			if d := box.attempted(t, "d", 1); d.Status != store.DeliveryPending || d.Error != c.want || d.NextAttempt <= box.Now() {
				t.Errorf("%+v", d)
			}
			if c.office != nil {
				if _, mails := c.office.box(); len(mails) != 0 {
					t.Errorf("%d mails", len(mails))
				}
			}
		})
	}
}

// TestMailTakenThenCut: a message that the server took is not sent again because the
// farewell failed.
func TestMailTakenThenCut(t *testing.T) {
	p := open(t, &postOffice{hangUp: true})
	box := newShelf()
	box.add(bursar.Webhook{ID: "e", Kind: bursar.WebhookEmail, URL: "mailto:ops@x.example"})
	box.put("d", "e", bursar.EventTest, "{}")
	run(t, newSender(t, box, mailOptions("smtp://"+p.Addr().String())))
	if d := box.attempted(t, "d", 1); d.Status != store.DeliverySucceeded {
		t.Errorf("%+v", d)
	}
}

// TestMailPassword: it goes over TLS, by either way, or not at all.
func TestMailPassword(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	for name, c := range map[string]struct {
		scheme string
		office *postOffice
		sent   bool
	}{
		"plain":     {"smtp", &postOffice{auth: true}, false},
		"starttls":  {"smtp", &postOffice{auth: true, startTLS: serverTLS}, true},
		"smtps":     {"smtps", &postOffice{auth: true}, true},
		"untrusted": {"smtps", &postOffice{auth: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.scheme == "smtps" {
				l, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS)
				if err != nil {
					t.Fatal(err)
				}
				c.office.Listener = l
			}
			open(t, c.office)
			box := newShelf()
			box.add(bursar.Webhook{ID: "e", Kind: bursar.WebhookEmail, URL: "mailto:ops@x.example"})
			box.put("d", "e", bursar.EventTest, "{}")
			o, log := logged(mailOptions(c.scheme + "://user:SECRET@" + c.office.Addr().String()))
			sender := newSender(t, box, o)
			if name != "untrusted" {
				sender.mail.tls = clientTLS
			}
			run(t, sender)
			d := box.attempted(t, "d", 1)
			heard, mails := c.office.box()
			auth := slices.ContainsFunc(heard, func(h string) bool {
				return h == "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00user\x00SECRET"))
			})
			if sent := d.Status == store.DeliverySucceeded; sent != c.sent || auth != c.sent || (len(mails) == 1) != c.sent {
				t.Errorf("%+v, signed in %v, %d mails; heard %q", d, auth, len(mails), heard)
			}
			if strings.Contains(d.Error+log.String(), "SECRET") {
				t.Errorf("shown: %s\n%s", d.Error, log)
			}
		})
	}
}

func TestMailConfiguration(t *testing.T) {
	for _, c := range []struct {
		url, from string
		ok        bool
	}{
		{"smtp://mail.example", "a@b.example", true},
		{"smtps://u:p@mail.example:4650/", "Bursar <a@b.example>", true},
		{"smtp://[::1]:25", "a@b.example", true},
		{"mail.example:25", "a@b.example", false},
		{"http://mail.example", "a@b.example", false},
		{"smtp://u:SECRET@mail.example:x", "a@b.example", false},
		{"smtp://u:SECRET@mail.example:0", "a@b.example", false},
		{"smtp://u:SECRET@/", "a@b.example", false},
		{"smtp://mail.example/x", "a@b.example", false},
		{"smtp://mail.example", "", false},
		{"smtp://mail.example", "nobody", false},
		{"smtp://mail.example", "a@b.example, c@d.example", false},
	} {
		_, err := New(newShelf(), Options{SMTPURL: c.url, MailFrom: c.from})
		if (err == nil) != c.ok || err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s %s: %v", c.url, c.from, err)
		}
	}
}
