package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

const testKey = "a-key-for-the-tests-of-client"

// world is a real server, with ways to hurt it.
type world struct {
	*client.Client
	slept    *[]time.Duration
	requests atomic.Int64
	failing  atomic.Int64 // how many appends are still to fail
	cut      atomic.Int64 // how many replies are still to be lost
	reply    atomic.Pointer[http.HandlerFunc]
}

// newWorld has an agent "a" of team "t" that may use 100 tokens a day.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	st := mem.New()
	st.Fail = func(op string) error {
		if op == "append" && w.failing.Add(-1) >= 0 {
			return fmt.Errorf("the disk is away: %w", store.ErrNotCommitted)
		}
		return nil
	}
	e, err := engine.Open(t.Context(), st, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	api := httpapi.New(e, httpapi.Options{AdminKey: testKey})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		if h := w.reply.Load(); h != nil {
			(*h)(rw, r)
			return
		}
		if w.cut.Add(-1) >= 0 {
			api.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.Client = client.New(server.URL+"/", testKey)
	w.slept = w.RecordSleeps()
	w.build(t)
	return w
}

func (w *world) build(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	_, err1 := w.PutEntityTypes(ctx, client.EntityTypeInput{ID: "team", DisplayName: "Team", AttributionKeys: []string{}},
		client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}})
	_, err2 := w.CreateFeature(ctx, client.FeatureInput{ID: "tokens", DisplayName: "Tokens", Units: "token", UnitsPlural: "tokens"})
	_, err3 := w.CreateCustomer(ctx, client.CustomerInput{ID: "acme"})
	_, err4 := w.PutEntities(ctx, "acme", client.EntityInput{ID: "t", EntityTypeID: "team"},
		client.EntityInput{ID: "a", EntityTypeID: "agent", ParentID: client.Some("t")})
	limits, err5 := w.PutAssignments(ctx, "acme",
		client.AssignmentInput{EntityID: "a", FeatureID: "tokens", UsageLimit: client.Some(tokens(100)), Cadence: "P1D", Label: "daily"},
		client.AssignmentInput{EntityID: "t", FeatureID: "tokens", UsageLimit: client.Null[bursar.Amount](), Cadence: "P100Y"})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if limits[0].Cadence != "P1D" || *limits[0].UsageLimit != tokens(100) || limits[1].UsageLimit != nil {
		t.Fatalf("limits are %+v", limits)
	}
	w.requests.Store(0)
}

// used is what team t has used of everything.
func (w *world) used(t *testing.T) bursar.Amount {
	t.Helper()
	page, err := w.Tree(t.Context(), "acme", client.TreeQuery{FeatureIDs: []string{"tokens"}, EntityTypeIDs: []string{"team"}})
	if err != nil || len(page.Rows) != 1 {
		t.Fatal(page, err)
	}
	return *page.Rows[0].CurrentUsage
}

func tokens(n int64) bursar.Amount { return bursar.AmountFromInt(n) }

var ofAgent = client.Dimensions{"agentId": "a"}

func spend(n int64, key string) client.SpendInput {
	return client.SpendInput{FeatureID: "tokens", Amount: tokens(n), Dimensions: ofAgent, IdempotencyKey: key}
}

func TestDenialIsAnAnswer(t *testing.T) {
	w := newWorld(t)
	_, err := w.Reserve(t.Context(), "acme", client.ReserveInput{SpendInput: spend(101, "k")})
	denial, ok := client.Denied(err)
	if !ok {
		t.Fatal("not a denial:", err)
	}
	if denial.Status != 402 || denial.Code != bursar.CodeRequestedUsageExceeding || denial.Retryable || denial.RequestID == "" || denial.ResetsAt == nil {
		t.Errorf("denial is %+v", denial)
	}
	if b := denial.Binding; b == nil || b.Source != bursar.BindingEntity || b.EntityID != "a" || b.Label != "daily" ||
		*b.UsageLimit != tokens(100) || b.Requested != tokens(101) || *b.Remaining != tokens(100) {
		t.Errorf("binding is %+v", denial.Binding)
	}
	if len(denial.Chains) != 1 || len(denial.Chains[0]) != 2 {
		t.Errorf("chains are %+v", denial.Chains)
	}
	if n := w.requests.Load(); n != 1 {
		t.Errorf("a denial was sent %d times", n)
	}
	if _, ok := client.Denied(errors.New("other")); ok {
		t.Error("any error is a denial")
	}
}

func TestLifeOfAReservation(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	hold, err := w.Reserve(ctx, "acme", client.ReserveInput{SpendInput: spend(60, "r1"), TTLSeconds: 60, OnExpire: bursar.ExpireSettle})
	if err != nil || hold.Status != bursar.HoldOpen || hold.OnExpire != bursar.ExpireSettle || len(hold.Chains) != 1 {
		t.Fatalf("%+v %v", hold, err)
	}
	fifty := tokens(50)
	d, err := w.Check(ctx, "acme", client.CheckInput{FeatureID: "tokens", Requested: &fifty, Dimensions: ofAgent})
	if err != nil || d.Granted || d.Reason != bursar.CodeRequestedUsageExceeding || d.Binding.Reserved != tokens(60) {
		t.Errorf("check is %+v %v", d, err)
	}
	done, err := w.Commit(ctx, "acme", hold.ID, tokens(40))
	if err != nil || done.Status != bursar.HoldCommitted || *done.CommittedAmount != tokens(40) {
		t.Errorf("commit is %+v %v", done, err)
	}
	other, err := w.Reserve(ctx, "acme", client.ReserveInput{SpendInput: spend(10, "")})
	if err != nil {
		t.Fatal(err)
	}
	if freed, err := w.Release(ctx, "acme", other.ID); err != nil || freed.Status != bursar.HoldReleased {
		t.Errorf("release is %+v %v", freed, err)
	}
	if c, err := w.Consume(ctx, "acme", spend(5, "c1")); err != nil || c.Duplicate || c.Chains[0][0].CurrentUsage != tokens(45) {
		t.Errorf("consume is %+v %v", c, err)
	}
	u, err := w.ReportUsage(ctx, client.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(3), Dimensions: ofAgent})
	if err != nil || len(u) != 1 || u[0].Duplicate {
		t.Errorf("usage is %+v %v", u, err)
	}
	if got := w.used(t); got != tokens(48) {
		t.Errorf("used %v", got)
	}
}

func TestRetryWhileTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	w.failing.Store(2)
	if _, err := w.Consume(t.Context(), "acme", spend(7, "k")); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, time.Second}; !slices.Equal(*w.slept, want) { // Retry-After: 1
		t.Errorf("slept %v, want %v", *w.slept, want)
	}
	if got := w.used(t); got != tokens(7) {
		t.Errorf("used %v", got)
	}

	w.failing.Store(1 << 40)
	_, err := w.Consume(t.Context(), "acme", spend(7, "k2"))
	var e *client.Error
	if !errors.As(err, &e) || e.Code != bursar.CodeGovernanceUnavailable || !e.Retryable {
		t.Errorf("gave up with %v", err)
	}
	if len(*w.slept) != 2+client.DefaultRetries {
		t.Errorf("slept %v", *w.slept)
	}
}

// TestLostReplies: a call whose reply was lost is sent again and counts once, with a key
// of the caller's and without.
func TestLostReplies(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.cut.Store(1)
	if c, err := w.Consume(ctx, "acme", spend(7, "k")); err != nil || !c.Duplicate {
		t.Errorf("consume is %+v %v", c, err)
	}
	w.cut.Store(2)
	if c, err := w.Consume(ctx, "acme", spend(5, "")); err != nil || !c.Duplicate {
		t.Errorf("consume without a key is %+v %v", c, err)
	}
	w.cut.Store(1)
	u, err := w.ReportUsage(ctx, client.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(3), Dimensions: ofAgent})
	if err != nil || !u[0].Duplicate {
		t.Errorf("usage is %+v %v", u, err)
	}
	if got := w.used(t); got != tokens(15) {
		t.Errorf("used %v", got)
	}
	w.cut.Store(1)
	if _, err := w.CreateCustomer(ctx, client.CustomerInput{ID: "other"}); err != nil {
		t.Error("a creation whose reply was lost:", err)
	}
	if _, err := w.CreateCustomer(ctx, client.CustomerInput{ID: "other"}); err == nil {
		t.Error("it was created twice")
	}
}

func TestServerSaysWhetherToRetry(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		status   int
		header   map[string]string
		attempts int64
		first    time.Duration // pause before the second attempt; 0 = any
	}{
		{503, map[string]string{"X-Should-Retry": "false"}, 1, 0},
		{503, map[string]string{"X-Should-Retry": "true", "Retry-After": "2"}, 5, 2 * time.Second},
		{429, map[string]string{"Retry-After": "999"}, 5, client.MaxRetryAfter},
		{409, map[string]string{"X-Should-Retry": "true"}, 5, 0},
		{409, nil, 1, 0},
		{500, nil, 1, 0},
		{502, nil, 5, 0},
		{402, map[string]string{"X-Should-Retry": "true"}, 1, 0},
		{400, nil, 1, 0},
	} {
		h := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				rw.Header().Set(k, v)
			}
			http.Error(rw, "no problem document", c.status)
		})
		w.reply.Store(&h)
		w.requests.Store(0)
		*w.slept = nil
		_, err := w.Check(t.Context(), "acme", client.CheckInput{FeatureID: "tokens"})
		var e *client.Error
		if !errors.As(err, &e) || e.Status != c.status {
			t.Errorf("%d: the error is %v", c.status, err)
		}
		if n := w.requests.Load(); n != c.attempts {
			t.Errorf("%d %v: %d attempts, want %d", c.status, c.header, n, c.attempts)
		}
		if c.first != 0 && (*w.slept)[0] != c.first {
			t.Errorf("%d %v: slept %v", c.status, c.header, *w.slept)
		}
	}
}

func TestCancelledContextEndsRetries(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		cancel()
		http.Error(rw, "", 503)
	})
	w.reply.Store(&h)
	if _, err := w.Check(ctx, "acme", client.CheckInput{FeatureID: "tokens"}); err == nil {
		t.Error("no error")
	}
	if n := w.requests.Load(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}
