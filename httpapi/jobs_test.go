package httpapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
)

const (
	backtestPath = "/api/v1/customers/acme/simulate"
	repricePath  = "/api/v1/rate-cards/prices/reprice"

	backtestBody = `{"startDate":"2026-09-14T00:00:00Z","assignments":[{"entityId":"ann","featureId":"tokens","usageLimit":2,"cadence":"P1D"}]}`
	repriceBody  = `{"from":"2026-09-14T00:00:00Z","apply":true}`
)

// impatient has a customer whose usage of 3 is priced wrongly, and no time to wait for work.
func impatient(t *testing.T) *testServer {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/credits/custom-currencies", `{"id":"credits","displayName":"Credits","prepaid":false}`)
	s.admin("POST", "/api/v1/rate-cards", `{"id":"prices","currencyId":"credits","displayName":"Prices","rates":[{"featureId":"tokens","amount":1}]}`)
	s.clock.advance(5 * time.Second)
	s.admin("POST", "/api/v1/usage", usageOf(`"value":3`))
	s.clock.advance(time.Second)
	s.admin("POST", "/api/v1/rate-cards/prices/versions", `{"corrects":1,"rates":[{"featureId":"tokens","amount":2}]}`)
	s.api.jobWait = 1
	return s
}

// job reads a job once it has ended.
func (s *testServer) job(id string) (out jobOut) {
	s.t.Helper()
	if j, err := s.api.engine.AwaitJob(context.Background(), id, patience); err != nil || !j.Ended() {
		s.t.Fatalf("%+v, %v", j, err)
	}
	var reply struct {
		Data jobOut `json:"data"`
	}
	mustUnmarshal(s.t, s.admin("GET", "/api/v1/jobs/"+id, ""), &reply)
	return reply.Data
}

// TestLongBacktestBecomesAJob: 202, where it is, and in the end what the backtest found.
func TestLongBacktestBecomesAJob(t *testing.T) {
	s := impatient(t)
	resp, reply := s.do("POST", backtestPath, backtestBody, "X-API-KEY: "+testAdminKey)
	var made struct {
		Data jobOut `json:"data"`
	}
	if mustUnmarshal(t, reply, &made); resp.StatusCode != 202 || resp.Header.Get("Location") != "/api/v1/jobs/"+made.Data.ID {
		t.Fatalf("%d, at %q: %s", resp.StatusCode, resp.Header.Get("Location"), reply)
	}
	if j := made.Data; j.Kind != engine.JobSimulate || orZero(j.CustomerID) != "acme" || j.Simulation != nil {
		t.Errorf("the job is %s", reply)
	}
	if j := s.job(made.Data.ID); j.Status != engine.JobSucceeded || j.Simulation == nil || j.Simulation.Replayed != 1 || j.Simulation.Drafts[0].Stopped != 1 {
		t.Errorf("it ended as %+v", j)
	}
}

// TestLongBacktestOfATokenIsRefused: a token makes no job; it is told what to ask for.
func TestLongBacktestOfATokenIsRefused(t *testing.T) {
	s := impatient(t)
	var token struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	mustUnmarshal(t, s.admin("POST", "/api/v1/customers/acme/access-tokens", `{"permissions":["manage"]}`), &token)
	resp, reply := s.do("POST", backtestPath, backtestBody, "Authorization: Bearer "+token.Data.Token)
	p := refused(t, resp, reply, 400, string(bursar.CodeTooMuchToRead))
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/startDate" {
		t.Errorf("%s", reply)
	}
	if list := s.admin("GET", "/api/v1/jobs", ""); !strings.Contains(string(list), `"data":[]`) {
		t.Errorf("the token made %s", list)
	}
}

// TestLongRepricingBecomesAJob: 202 while it is under way, also to who asks again with the
// same key, and the result once it is done.
func TestLongRepricingBecomesAJob(t *testing.T) {
	s := impatient(t)
	resume := s.holdJobs()
	ask := func() (status int, replayed string, reply []byte) {
		resp, reply := s.do("POST", repricePath, repriceBody, "X-API-KEY: "+testAdminKey, "Idempotency-Key: once")
		return resp.StatusCode, resp.Header.Get("Idempotency-Replayed"), reply
	}
	status, replayed, reply := ask()
	id := dataID(t, reply)
	if status != 202 || replayed != "" {
		t.Errorf("%d %q %s", status, replayed, reply)
	}
	if status, replayed, reply := ask(); status != 202 || replayed != "true" || dataID(t, reply) != id {
		t.Errorf("again, meanwhile: %d %q %s", status, replayed, reply)
	}
	resume()
	if j := s.job(id); j.Status != engine.JobSucceeded || j.Repricing == nil || j.Repricing.Is != bursar.AmountFromInt(6) || !j.Repricing.Applied {
		t.Errorf("it ended as %+v with %+v", j, j.Repricing)
	}
	if status, replayed, reply := ask(); status != 200 || replayed != "true" || !strings.Contains(string(reply), `"is":6`) {
		t.Errorf("again, afterwards: %d %q %s", status, replayed, reply)
	}
}

// holdJobs keeps a repricing from going on until it is called.
func (s *testServer) holdJobs() (resume func()) {
	held := make(chan struct{})
	hold := func(op string) error {
		if op == "customers" {
			<-held
		}
		return nil
	}
	s.fault.Store(&hold)
	return func() {
		s.fault.Store(nil)
		close(held)
	}
}

// TestClientFollowsAJob: the Go client's calls wait for the jobs that they became.
func TestClientFollowsAJob(t *testing.T) {
	s := impatient(t)
	c := client.New(s.URL, testAdminKey)
	from, err := bursar.ParseTime("2026-09-14T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Simulate(t.Context(), "acme", client.SimulateInput{StartDate: from, Assignments: []client.AssignmentInput{
		{EntityID: "ann", FeatureID: "tokens", UsageLimit: client.Some(bursar.AmountFromInt(2)), Cadence: "P1D"}}})
	if err != nil || got.Replayed != 1 || len(got.Drafts) != 1 || got.Drafts[0].Stopped != 1 {
		t.Errorf("a backtest: %+v, %v", got, err)
	}
	resume := s.holdJobs()
	seen := 0
	repriced, err := c.Reprice(t.Context(), "prices", client.RepriceInput{From: from, Apply: true}, func(j client.Job) {
		if seen++; seen == 1 {
			if j.FinishedAt != nil {
				t.Errorf("the first reading is %+v", j)
			}
			resume()
		}
	})
	if err != nil || repriced.Is != bursar.AmountFromInt(6) || !repriced.Applied || seen < 2 {
		t.Errorf("a repricing of %d readings: %+v, %v", seen, repriced, err)
	}
	resume = s.holdJobs()
	_, err = c.Reprice(t.Context(), "prices", client.RepriceInput{From: from}, func(j client.Job) {
		if j.FinishedAt == nil && !j.Cancelling {
			if _, err := c.CancelJob(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
			resume()
		}
	})
	var refusal *client.Error
	if !errors.As(err, &refusal) || refusal.Code != "JobCancelled" {
		t.Errorf("a repricing that was cancelled: %v", err)
	}
}

// TestWhatTookTooLongSaysSo: a store that answers too late is not one that cannot be reached.
func TestWhatTookTooLongSaysSo(t *testing.T) {
	s := impatient(t)
	for _, x := range []struct {
		err       error
		want, not string
	}{
		{context.DeadlineExceeded, "longer than a request may", "cannot be reached"},
		{errors.New("no route to host"), "cannot be reached", "longer than"},
	} {
		fail := func(op string) error {
			if op == "activity" {
				return x.err
			}
			return nil
		}
		s.fault.Store(&fail)
		resp, reply := s.do("GET", "/api/v1/customers/acme/activity", "", "X-API-KEY: "+testAdminKey)
		p := refused(t, resp, reply, 503, string(bursar.CodeGovernanceUnavailable))
		if !strings.Contains(p.Message, x.want) || strings.Contains(p.Message, x.not) {
			t.Errorf("%v: %s", x.err, p.Message)
		}
	}
	q := &request{api: s.api, ctx: &deadline{Context: t.Context(), at: time.Now().Add(patience)}}
	if e := q.hide(context.DeadlineExceeded); e.Code != bursar.CodeGovernanceUnavailable || !strings.Contains(e.Message, "longer than the 10s that a request may") {
		t.Errorf("what a handler itself was too late with: %v", e)
	}
}
