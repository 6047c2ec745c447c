package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// demoAlertTypes are the webhook events that the demo asks for.
var demoAlertTypes = []string{bursar.EventUsageExceeded, bursar.EventUsageRecovered, bursar.EventGrantDepleted, bursar.EventCreditsLow}

// demoAlert is a message of the server, as far as the demo reads it.
type demoAlert struct {
	Type      string      `json:"type"`
	MessageID string      `json:"messageId"`
	Timestamp bursar.Time `json:"timestamp"`
	Data      struct {
		Entity struct {
			ID string `json:"id"`
		} `json:"entity"`
		AssignmentID string             `json:"assignmentId"`
		Scope        []string           `json:"scopeEntityIds"`
		Label        string             `json:"label"`
		Thresholds   []int              `json:"thresholds"`
		UsageLimit   *bursar.Amount     `json:"usageLimit"`
		CurrentUsage bursar.Amount      `json:"currentUsage"`
		Enforcement  bursar.Enforcement `json:"enforcement"`
		GrantID      string             `json:"grantId"`
		Levels       []int              `json:"levels"`
		Balance      bursar.Amount      `json:"balance"`
	} `json:"data"`
}

// demoReceiver is the customer's side of the webhook: an HTTP server of its own that
// believes nothing unsigned and counts a message that comes twice once.
type demoReceiver struct {
	server *http.Server
	url    string
	clock  *demoClock       // of the sender
	heard  func(*demoAlert) // set before the endpoint is made

	mu       sync.Mutex
	verifier *standardwebhooks.Webhook // nil until the endpoint is made
	met      map[string]bool
	counts   map[string]int // by type
	repeated int
	refused  int // without a good signature
}

func newDemoReceiver(clock *demoClock) (*demoReceiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the receiver of alerts: %w", err)
	}
	r := &demoReceiver{url: "http://" + l.Addr().String() + "/alerts", clock: clock, met: map[string]bool{}, counts: map[string]int{}}
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

// subscribe makes the endpoint on the server and learns its secret.
func (r *demoReceiver) subscribe(ctx context.Context, c *client.Client) (id string, err error) {
	hook, err := c.CreateWebhook(ctx, client.WebhookInput{URL: r.url, Description: "the demo's own receiver", EventTypes: demoAlertTypes, CustomerID: demoCustomer})
	if err != nil {
		return "", fmt.Errorf("creating the webhook: %w", err)
	}
	v, err := standardwebhooks.NewWebhook(hook.Secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifier = v
	return hook.ID, err
}

func (r *demoReceiver) serve(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<20))
	var a demoAlert
	if err == nil {
		err = r.verify(body, q.Header)
	}
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	r.mu.Lock()
	if err != nil {
		r.refused++
		r.mu.Unlock()
		http.Error(w, "not signed by the server", http.StatusUnauthorized)
		return
	}
	again := r.met[a.MessageID]
	r.met[a.MessageID] = true
	if again {
		r.repeated++
	} else {
		r.counts[a.Type]++
	}
	r.mu.Unlock()
	if !again {
		r.heard(&a)
	}
	w.WriteHeader(http.StatusNoContent)
}

// demoTolerance is how old a signature may be, as Standard Webhooks has it.
const demoTolerance = 5 * time.Minute

// verify is what the library's Verify does, but by the clock of the demo, which runs
// fast.
func (r *demoReceiver) verify(body []byte, h http.Header) error {
	r.mu.Lock()
	v := r.verifier
	r.mu.Unlock()
	if v == nil {
		return errors.New("there is no endpoint yet")
	}
	if err := v.VerifyIgnoringTimestamp(body, h); err != nil {
		return err
	}
	at, err := strconv.ParseInt(h.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	// A message is on its way for a moment, which is long on a clock that runs fast.
	tolerance := demoTolerance + time.Duration(r.clock.speed)*time.Second
	if age := r.clock.now().Std().Sub(time.Unix(at, 0)); err != nil || age > tolerance || age < -tolerance {
		return errors.New("the signature is not of this time")
	}
	return nil
}

// close ends the receiver.
func (r *demoReceiver) close() { _ = r.server.Close() }

// text is an alert in one line. grants are the names of grants by their ids.
func (a *demoAlert) text(o *demoOrg, limits map[string]client.Assignment, grant func(id string) string) string {
	d := &a.Data
	budget := budgetName(o, d.Entity.ID, d.Scope, d.Label)
	limit := limits[d.AssignmentID]
	switch a.Type {
	case bursar.EventUsageExceeded:
		soft := ""
		if d.Enforcement == bursar.Soft {
			soft = ", soft"
		}
		return fmt.Sprintf("%s: %d %% of %s%s", budget, slices.Max(d.Thresholds), allowance(d.UsageLimit, limit.Cadence), soft)
	case bursar.EventUsageRecovered:
		return fmt.Sprintf("%s: below %d %% again, of %s", budget, slices.Min(d.Thresholds), allowance(d.UsageLimit, limit.Cadence))
	case bursar.EventGrantDepleted:
		return fmt.Sprintf("prepaid pool: grant %s is used up, %s credits left in all", grant(d.GrantID), wholeCredits(d.Balance))
	case bursar.EventCreditsLow:
		return fmt.Sprintf("prepaid pool: %d %% left, %s credits", slices.Min(d.Levels), wholeCredits(d.Balance))
	}
	return a.Type
}

// summary says what came, by type.
func (r *demoReceiver) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]string{bursar.EventUsageExceeded: "thresholds reached", bursar.EventUsageRecovered: "recovered",
		bursar.EventGrantDepleted: "grants used up", bursar.EventCreditsLow: "pool low"}
	var parts []string
	total := 0
	for _, t := range demoAlertTypes {
		total += r.counts[t]
		parts = append(parts, fmt.Sprintf("%d %s", r.counts[t], names[t]))
	}
	text := fmt.Sprintf("%d alerts received, all with a valid signature: %s", total, strings.Join(parts, ", "))
	if r.refused > 0 {
		text = fmt.Sprintf("%s; %d more were refused for theirs", strings.Replace(text, "all with", "with", 1), r.refused)
	}
	if r.repeated > 0 {
		text += fmt.Sprintf("; %d came twice", r.repeated)
	}
	return text
}
