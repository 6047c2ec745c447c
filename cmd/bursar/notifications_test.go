package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// postOffice is a mail server that takes everything.
type postOffice struct {
	net.Listener
	mu    sync.Mutex
	mails []letter
}

// letter is a mail that came.
type letter struct{ to, subject, text string }

func openPostOffice(t *testing.T) *postOffice {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{Listener: l}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(t, c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return p
}

func (p *postOffice) serve(t *testing.T, c net.Conn) {
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 ready")
	to := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "RCPT":
			to = strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
			say("250 fine")
		case "DATA":
			say("354 go on")
			var b strings.Builder
			for l := ""; l != ".\r\n"; l, _ = r.ReadString('\n') {
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			p.take(t, to, b.String())
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func (p *postOffice) take(t *testing.T, to, text string) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Errorf("a mail that cannot be read: %v", err)
		return
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	subject, err2 := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || err2 != nil {
		t.Errorf("a mail that cannot be read: %v %v", err, err2)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, letter{to, subject, string(body)})
}

// with are the mails whose subject or text has a part.
func (p *postOffice) with(part string) (list []letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.mails {
		if strings.Contains(l.subject+"\n"+l.text, part) {
			list = append(list, l)
		}
	}
	return list
}

// with are the texts of messages of Slack that have a part.
func (r *receiver) with(part string) (list []string) {
	for _, m := range r.messages() {
		var body struct{ Text string }
		if json.Unmarshal(m.body, &body) == nil && strings.Contains(body.Text+string(m.body), part) {
			list = append(list, body.Text)
		}
	}
	return list
}

const acme = "/api/v1/customers/acme"

// peopleRig is a server that sends mail and posts to a stand-in for Slack, with a department eng, a
// team search in it and a user ann in that. Search may use 100 calls.
type peopleRig struct {
	*program
	post  *postOffice
	slack *receiver
	env   []string
}

func newPeopleRig(t *testing.T) *peopleRig {
	r := &peopleRig{post: openPostOffice(t), slack: newReceiver(t, allowed+":0", answers(200))}
	r.env = rigEnv(t.TempDir(), "BURSAR_SMTP_URL=smtp://"+r.post.Addr().String(), "BURSAR_SMTP_FROM=Budgets <alerts@example.com>",
		"BURSAR_SLACK_HOSTS="+r.slack.Listener.Addr().String(), "BURSAR_WEBHOOK_ALLOW="+allowed+"/32", "BURSAR_WEBHOOK_ALLOW_HTTP=true",
		"BURSAR_PUBLIC_URL=https://budgets.example", "BURSAR_ALERT_PAGE=https://app.example/usage?who={customerId}&node={entityId}")
	r.program = start(t, r.env)
	r.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"team","displayName":"Team","attributionKeys":["team"]},{"id":"user","displayName":"User","attributionKeys":["user"]}]}`)
	r.must("POST", "/api/v1/features", rigKey, `{"id":"calls","displayName":"Calls","featureType":"NUMBER"}`)
	r.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	r.must("PUT", acme+"/entities", rigKey, `{"entities":[{"id":"eng","entityTypeId":"team"},{"id":"search","entityTypeId":"team","parentId":"eng"},{"id":"ann","entityTypeId":"user","parentId":"search"}]}`)
	r.must("PUT", acme+"/assignments", rigKey, `{"assignments":[{"entityId":"search","featureId":"calls","usageLimit":100,"cadence":"P100Y"}]}`)
	return r
}

func (r *peopleRig) notify(key, body string) string {
	r.t.Helper()
	var reply struct{ Data []struct{ ID string } }
	if err := json.Unmarshal([]byte(r.must("PUT", acme+"/notifications", key, `{"notifications":[`+body+`]}`)), &reply); err != nil || len(reply.Data) != 1 {
		r.t.Fatalf("%v %v", err, reply)
	}
	return reply.Data[0].ID
}

func (r *peopleRig) consume(n string) int {
	r.t.Helper()
	status, reply, err := r.do("POST", acme+"/consume", rigKey, `{"featureId":"calls","amount":`+n+`,"dimensions":{"user":"ann"},"idempotencyKey":"`+rand.Text()+`"}`)
	if err != nil || status != 200 && status != 402 {
		r.t.Fatalf("%d %s %v", status, reply, err)
	}
	return status
}

// TestPeopleHear: people are told by mail and Slack of a threshold of a limit below what they listen
// to, and of its first denial, each once; after a restart, too.
func TestPeopleHear(t *testing.T) {
	r := newPeopleRig(t)
	id := r.notify(rigKey, `{"entityId":"eng","name":"Engineering","emails":["ann@acme.example","bob@acme.example"],"slackUrls":["`+r.slack.URL+`/services/secret-part"],"thresholds":[80,50],"denials":true}`)
	r.consume("60")
	const half = "search (team) used 60 % of its calls limit: 60 of 100"
	eventually(t, "both are mailed that half is used", func() bool { return len(r.post.with(half)) == 2 && len(r.slack.with(half)) == 1 })
	if l := r.post.with(half)[0]; !strings.HasPrefix(l.subject, "[Engineering] search") || !strings.Contains(l.text, "https://app.example/usage?who=acme&node=search") ||
		!strings.HasSuffix(l.to, "@acme.example") {
		t.Errorf("the mail is %+v", l)
	}
	r.stop()
	r.program = start(t, r.env)
	r.consume("5")
	if got := r.consume("50"); got != 402 {
		t.Fatalf("a request for more than is left: %d", got)
	}
	const stopped = "ann was stopped by search (team): 50 more does not fit. It used 65 % of its calls limit: 65 of 100"
	eventually(t, "they are told of the denial", func() bool { return len(r.post.with(stopped)) == 2 && len(r.slack.with(stopped)) == 1 })
	r.consume("70")
	r.consume("20")
	eventually(t, "they are told that 80 % are used", func() bool { return len(r.post.with("used 85 %")) == 2 && len(r.slack.with("used 85 %")) == 1 })
	list := ask[[]struct{ Recipient, EventType, Status string }](r.program, "GET", "/customers/acme/notifications/"+id+"/deliveries", "")
	if len(list) != 9 {
		t.Errorf("%d deliveries, not one to each of three for each of three alerts: %v", len(list), list)
	}
	reply := r.must("GET", acme+"/notifications/"+id+"/deliveries", rigKey, "") + r.must("GET", acme+"/notifications", rigKey, "") + r.must("GET", acme+"/activity", rigKey, "")
	if strings.Contains(reply, "secret-p") || strings.Contains(r.log(), "secret-p") {
		t.Errorf("the URL, which is a secret, is shown: %s", reply)
	}
	r.must("POST", acme+"/notifications/"+id+"/test", rigKey, "")
	eventually(t, "a test comes", func() bool {
		return len(r.post.with("A test of a notification")) == 2 && len(r.slack.with("A test of")) == 1
	})
	shown := fmt.Sprint(r.post.with("A test of"))
	for _, m := range r.slack.messages() {
		if strings.Contains(string(m.body), "A test of") {
			shown += string(m.body)
		}
	}
	if strings.Contains(shown, "Engineering") {
		t.Errorf("a test has words of who sends it: %s", shown)
	}
}

var decideLink = regexp.MustCompile(`https://budgets\.example(/decide/[\w-]+)`)

func (r *peopleRig) base() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "http://" + r.addrs["listening"]
}

// page asks for a page of the server, with a form where there is one.
func (r *peopleRig) page(path string, form url.Values) (int, string) {
	r.t.Helper()
	resp, err := http.Get(r.base() + path)
	if form != nil {
		resp, err = http.PostForm(r.base()+path, form)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestDecideByMail: a boost request is decided by the link in a mail, once, as the recipient, and only
// while the notification has that recipient.
func TestDecideByMail(t *testing.T) {
	r := newPeopleRig(t)
	id := r.notify(rigKey, `{"entityId":"eng","name":"Requests","emails":["lead@acme.example"],"boostRequests":true}`)
	asked := func(reason string) (request, link string) {
		request = ask[struct{ ID string }](r.program, "POST", "/customers/acme/boost-requests", `{"entityId":"search","featureId":"calls","amount":7,"reason":"`+reason+`"}`).ID
		eventually(t, "the request is mailed", func() bool { return len(r.post.with(reason)) == 1 })
		m := decideLink.FindStringSubmatch(r.post.with(reason)[0].text)
		if m == nil {
			t.Fatalf("no link in %s", r.post.with(reason)[0].text)
		}
		return request, m[1]
	}
	type outcome struct{ Status, DecidedBy, Note string }
	of := func(request string) outcome {
		return ask[outcome](r.program, "GET", "/customers/acme/boost-requests/"+request, "")
	}
	request, link := asked("a launch <b>")
	for range 2 { // as a scanner of mail does
		if status, page := r.page(link, nil); status != 200 || !strings.Contains(page, "asks for 7 more calls for search") || !strings.Contains(page, "a launch &lt;b&gt;") {
			t.Fatalf("the page is %d %s", status, page)
		}
	}
	if got := of(request); got.Status != "OPEN" {
		t.Fatalf("opening the page decided: %+v", got)
	}
	if status, page := r.page(link, url.Values{"answer": {"approve"}, "note": {"go"}}); status != 200 || !strings.Contains(page, "Approved by Notification: Requests") {
		t.Errorf("approving answers %d %s", status, page)
	}
	if got := of(request); got != (outcome{"APPROVED", "Notification: Requests", "go"}) {
		t.Errorf("it is %+v", got)
	}
	if log := r.must("GET", acme+"/activity", rigKey, ""); !strings.Contains(log, `"recipient":"lead@acme.example"`) {
		t.Errorf("the activity does not say who approved: %s", log)
	}
	below := ask[struct{ Token string }](r.program, "POST", "/customers/acme/access-tokens", `{"rootEntityId":"eng","permissions":["read"]}`).Token
	if log := r.must("GET", acme+"/activity", below, "") + r.must("GET", acme+"/boost-requests", below, ""); strings.Contains(log, "lead@") || !strings.Contains(log, "Notification: Requests") {
		t.Errorf("who does not see the notification is shown who decided: %s", log)
	}
	if status, page := r.page(link, url.Values{"answer": {"decline"}}); status != 409 || !strings.Contains(page, "was approved") || !strings.Contains(page, "asks for 7 more calls for search") || !strings.Contains(page, "Approved by") {
		t.Errorf("declining after that answers %d %s", status, page)
	}
	if status, _ := r.page(link[:len(link)-3]+"AAA", nil); status != 404 {
		t.Errorf("a link that was changed answers %d", status)
	}
	second, link := asked("another one")
	r.notify(rigKey, `{"entityId":"eng","name":"Requests","emails":["lead@acme.example"],"denials":true}`)
	if status, _ := r.page(link, url.Values{"answer": {"approve"}}); status != 404 {
		t.Errorf("the link of a notification that tells of no requests answers %d", status)
	}
	r.must("DELETE", acme+"/notifications/"+id, rigKey, "")
	if status, page := r.page(link, url.Values{"answer": {"approve"}}); status != 404 || !strings.Contains(page, "does not count any more") {
		t.Errorf("the link of a notification that is gone answers %d %s", status, page)
	}
	if got := of(second); got.Status != "OPEN" {
		t.Errorf("it is %+v", got)
	}
}

// TestPeopleOfASubtree: the holder of a token makes notifications for its subtree, sees none of those
// above it, and gives nobody more power than the token has.
func TestPeopleOfASubtree(t *testing.T) {
	r := newPeopleRig(t)
	above := r.notify(rigKey, `{"entityId":"search","name":"Budgets","emails":["cfo@acme.example"],"thresholds":[50]}`)
	made := ask[struct{ ID, Token string }](r.program, "POST", "/customers/acme/access-tokens", `{"rootEntityId":"search","permissions":["read","manage"]}`)
	token, tokenID := made.Token, made.ID
	own := r.notify(token, `{"entityId":"search","name":"Budgets","emails":["lead@acme.example"],"thresholds":[50],"boostRequests":true}`)
	if own == above {
		t.Error("a token changed what was made above it")
	}
	if reply := r.must("GET", acme+"/notifications", token, "") + r.must("GET", acme+"/activity", token, ""); strings.Contains(reply, "cfo@") || !strings.Contains(reply, "lead@") {
		t.Errorf("the token sees %s", reply)
	}
	for path, body := range map[string]string{
		"PUT /notifications": `{"notifications":[{"entityId":"eng","name":"Up","emails":["lead@acme.example"],"denials":true}]}`, "DELETE /notifications/" + above: "",
		"PUT /notifications ": `{"notifications":[{"name":"Up","emails":["lead@acme.example"],"denials":true}]}`, "POST /notifications/" + above + "/test": "",
	} {
		method, path, _ := strings.Cut(strings.TrimSpace(path), " ")
		if status, reply, _ := r.do(method, acme+path, token, body); status < 400 || status > 404 {
			t.Errorf("%s %s with the token: %d %s", method, path, status, reply)
		}
	}
	r.consume("60")
	eventually(t, "both are told", func() bool { return len(r.post.with("used 60 %")) == 2 })
	request := ask[struct{ ID string }](r.program, "POST", "/customers/acme/boost-requests", `{"entityId":"search","featureId":"calls","amount":7,"reason":"for the root"}`).ID
	eventually(t, "the request is mailed", func() bool { return len(r.post.with("for the root")) == 1 })
	if mail := r.post.with("for the root")[0].text; decideLink.MatchString(mail) {
		t.Errorf("a mail has a link to raise the root's own limit, which the token may not: %s", mail)
	}
	if got := ask[struct{ Status string }](r.program, "GET", "/customers/acme/boost-requests/"+request, ""); got.Status != "OPEN" {
		t.Errorf("the request is %s", got.Status)
	}
	r.must("PUT", acme+"/assignments", rigKey, `{"assignments":[{"entityId":"ann","featureId":"calls","usageLimit":100,"cadence":"P100Y"}]}`)
	ask[struct{ ID string }](r.program, "POST", "/customers/acme/boost-requests", `{"entityId":"ann","featureId":"calls","amount":7,"reason":"for ann"}`)
	eventually(t, "the request is mailed", func() bool { return len(r.post.with("for ann")) == 1 })
	link := decideLink.FindStringSubmatch(r.post.with("for ann")[0].text)[1]
	if status, page := r.page(link, nil); status != 200 || !strings.Contains(page, "<form") {
		t.Errorf("the page of a limit below the root is %d %s", status, page)
	}
	// The key's own is of the same entity and name; the token's is changed by its id, and ends with the token.
	if id := r.notify(rigKey, `{"entityId":"search","name":"Budgets","emails":["cfo@acme.example"],"thresholds":[60]}`); id != above {
		t.Error("a key changed what a token made")
	}
	if id := r.notify(rigKey, `{"id":"`+own+`","entityId":"search","name":"Budget","emails":["lead@acme.example"],"boostRequests":true}`); id != own {
		t.Error("a put with an id made another notification")
	}
	// A key's notification stays when a token that changed it is revoked, without whom the token named.
	whole := ask[struct{ ID, Token string }](r.program, "POST", "/customers/acme/access-tokens", `{"permissions":["read","manage"]}`)
	r.notify(whole.Token, `{"id":"`+above+`","entityId":"search","name":"Budgets","emails":["eve@acme.example","Cfo@acme.example"],"thresholds":[60,90]}`)
	r.notify(rigKey, `{"id":"`+above+`","entityId":"search","name":"Budgets","emails":["Eve@acme.example","cfo@acme.example"],"thresholds":[60,95]}`)
	r.must("DELETE", acme+"/access-tokens/"+whole.ID, rigKey, "")
	if reply := r.must("GET", acme+"/notifications", rigKey, ""); strings.Contains(strings.ToLower(reply), "eve@") || !strings.Contains(reply, "cfo@") || !strings.Contains(reply, "lead@") {
		t.Errorf("after the token without a root was revoked there are %s", reply)
	}
	r.must("DELETE", acme+"/access-tokens/"+tokenID, rigKey, "")
	if reply := r.must("GET", acme+"/notifications", rigKey, ""); strings.Contains(reply, "lead@") || !strings.Contains(reply, "cfo@") {
		t.Errorf("after the token was revoked there are %s", reply)
	}
	if status, page := r.page(link, nil); status != 404 || !strings.Contains(page, "does not count any more") {
		t.Errorf("its link answers %d %s", status, page)
	}
}

// TestTokensCannotMailAnybody: the holder of a token makes few notifications, and in an hour names few new addresses
// and sends few tests.
func TestTokensCannotMailAnybody(t *testing.T) {
	r := newPeopleRig(t)
	token := ask[struct{ Token string }](r.program, "POST", "/customers/acme/access-tokens", `{"rootEntityId":"search","permissions":["read","manage"]}`).Token
	put := func(key, name, to string) (int, string) {
		status, reply, _ := r.do("PUT", acme+"/notifications", key, `{"notifications":[{"entityId":"search","name":"`+name+`","emails":[`+to+`],"denials":true}]}`)
		return status, reply
	}
	tests := 0
	id := r.notify(token, `{"entityId":"search","name":"n0","emails":["x0@x.example"],"denials":true}`)
	for tests < 50 {
		if status, _, _ := r.do("POST", acme+"/notifications/"+id+"/test", token, ""); status != 201 {
			break
		}
		tests++
	}
	if tests != 20 {
		t.Errorf("%d tests are sent", tests)
	}
	r.must("POST", acme+"/notifications/"+id+"/test", rigKey, "")
	sent := ask[[]struct{ ID string }](r.program, "GET", "/customers/acme/notifications/"+id+"/deliveries", "")[0].ID
	if status, reply, _ := r.do("POST", acme+"/notifications/"+id+"/deliveries/"+sent+"/redeliver", token, ""); status != 403 {
		t.Errorf("the token sends again what has not failed: %d %s", status, reply)
	}
	r.must("POST", acme+"/notifications/"+id+"/deliveries/"+sent+"/redeliver", rigKey, "")
	for i := 1; i <= 9; i++ {
		if status, reply := put(token, fmt.Sprint("n", i), `"x0@x.example"`); status != 200 {
			t.Errorf("the notification %d: %d %s", i, status, reply)
		}
	}
	if status, reply := put(token, "n10", `"x0@x.example"`); status != 409 || !strings.Contains(reply, "at most 10 notifications") {
		t.Errorf("one more: %d %s", status, reply)
	}
	named := 1
	for ; named < 50; named++ {
		if status, reply := put(token, "n0", fmt.Sprintf(`"x%d@x.example"`, named)); status != 200 {
			if status != 429 || !strings.Contains(reply, "new recipients an hour") {
				t.Errorf("%d %s", status, reply)
			}
			break
		}
	}
	if named != 20 {
		t.Errorf("%d new addresses were named", named)
	}
	if status, reply := put(rigKey, "own", `"x99@x.example"`); status != 200 {
		t.Errorf("the key is held up by the token: %d %s", status, reply)
	}
}

// TestRecipientsAreRefused: no notification posts to where the operator has not said, or to what is no
// address.
func TestRecipientsAreRefused(t *testing.T) {
	r := newPeopleRig(t)
	for _, c := range []struct{ recipients, why string }{
		{`"slackUrls":["https://example.com/hook"]`, "--slack-hosts"},
		{`"slackUrls":["http://` + r.slack.Listener.Addr().String() + `@evil.example/x"]`, "user name"},
		{`"emails":["ann@acme.example,eve@evil.example"]`, "is not an email address"},
		{`"emails":["Ann <ann@acme.example>"]`, "is not an email address"},
		{`"slackUrls":["https://hooks.slack.com/…abcd"]`, "the whole URL"},
		{`"emails":[]`, "1 to 10 recipients"},
		{`"emails":["ann@acme.example","Ann@acme.example"]`, "is there twice"},
	} {
		status, reply, _ := r.do("PUT", acme+"/notifications", rigKey, `{"notifications":[{"entityId":"eng","name":"n","denials":true,`+c.recipients+`}]}`)
		if status != 400 || !strings.Contains(reply, c.why) {
			t.Errorf("%s: %d %s", c.recipients, status, reply)
		}
	}
	id := r.notify(rigKey, `{"name":"n","denials":true,"slackUrls":["`+r.slack.URL+`/services/a-secret"]}`)
	shown := ask[struct{ SlackURLs []string }](r.program, "GET", "/customers/acme/notifications/"+id, "").SlackURLs[0]
	if r.notify(rigKey, `{"name":"n","denials":true,"thresholds":[80],"slackUrls":["`+shown+`"]}`) != id {
		t.Error("it is another notification")
	}
	r.must("POST", acme+"/notifications/"+id+"/test", rigKey, "")
	eventually(t, "the URL that was put as it was shown is posted to", func() bool { return len(r.slack.with("A test of")) == 1 })
}
