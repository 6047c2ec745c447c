package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// heldJobs is a server whose jobs do not go on until resume is closed.
type heldJobs struct {
	*engine.Engine
	t      *testing.T
	url    string
	resume chan struct{}
}

func newHeldJobs(t *testing.T) *heldJobs {
	h := &heldJobs{t: t, resume: make(chan struct{})}
	s := mem.New()
	s.Fail = func(op string) error {
		if op == "customers" {
			<-h.resume
		}
		return nil
	}
	var err error
	if h.Engine, err = engine.Open(t.Context(), s, engine.Options{}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(h.Engine, httpapi.Options{AdminKey: rigKey}))
	h.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := client.New(h.url, rigKey)
	ctx := t.Context()
	rates := func(n int64) []client.Rate {
		return []client.Rate{{FeatureID: "tokens", Amount: bursar.AmountFromInt(n)}}
	}
	_, err1 := c.CreateFeature(ctx, client.FeatureInput{ID: "tokens", DisplayName: "Tokens"})
	_, err2 := c.CreateCurrency(ctx, client.CurrencyInput{ID: "credits", DisplayName: "Credits"})
	_, err3 := c.CreateRateCard(ctx, client.RateCardInput{ID: "card", CurrencyID: "credits", DisplayName: "Card", Rates: rates(1)})
	_, err4 := c.AddRateVersion(ctx, "card", client.RateVersionInput{Corrects: 1, Rates: rates(2)})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *heldJobs) start() string {
	h.t.Helper()
	j, err := h.StartReprice(h.t.Context(), catalogue.Caller{ActorType: "API_KEY", ActorID: "admin"}, ledger.RepriceInput{CardID: "card", From: h.Now() - 1e9})
	if err != nil {
		h.t.Fatal(err)
	}
	return j.ID
}

// jobs runs bursar jobs, with first, if it is not nil, called before the first progress is printed.
func (h *heldJobs) jobs(code int, first func(), args ...string) string {
	h.t.Helper()
	out := &printed{first: first}
	if got := run(&process{ctx: h.t.Context(), stdout: out, stderr: out}, append([]string{"jobs", "--url", h.url, "--api-key", rigKey}, args...)); got != code {
		h.t.Fatalf("bursar jobs %v: exit code %d, want %d\n%s", args, got, code, out.String())
	}
	return out.String()
}

type printed struct {
	bytes.Buffer
	first func()
	once  sync.Once
}

func (p *printed) Write(b []byte) (int, error) {
	if p.first != nil {
		p.once.Do(p.first)
	}
	return p.Buffer.Write(b)
}

// TestJobs: jobs are listed, one is ended, another followed to its end.
func TestJobs(t *testing.T) {
	h := newHeldJobs(t)
	says(t, h.jobs(0, nil), `^There are no jobs\.\n$`)
	ended, followed := h.start(), h.start()
	eventually(t, "both run", func() bool { return strings.Count(h.jobs(0, nil, "--open"), "RUNNING") == 2 })
	says(t, h.jobs(0, nil), `(?m)^`+followed+` +RUNNING +re-pricing by card of all customers, dry run +0 customers +\S+ *$`)
	says(t, h.jobs(0, nil, "--cancel", ended), `(?m)^`+ended+` +CANCELLING +re-pricing`)
	says(t, h.jobs(0, func() { close(h.resume) }, "--follow", followed), `(?m)^0 customers$`, `(?m)^`+followed+` +SUCCEEDED +re-pricing .* customers +\S+ +\S+$`)
	says(t, h.jobs(0, nil, "--follow", ended), `(?m)^`+ended+` +CANCELLED`)
	says(t, h.jobs(0, nil, "--open"), `^There are no jobs\.\n$`)
	says(t, h.jobs(1, nil, "--cancel", "nope"), `cancelling nope: there is no job "nope" \(JobNotFound\)`)
	says(t, h.jobs(1, nil, "--follow", "nope"), `following nope: there is no job "nope" \(JobNotFound\)`)
}
