package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// Deliveries that are damaged, or whose message is, hold up no other one of their endpoint,
// however many are first; and each is logged once.
func TestDamagedDeliveriesHoldUpNoOther(t *testing.T) {
	url := pgtest.Database(t)
	var out bytes.Buffer
	s := openWith(t, url, postgres.Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	defer func() { ok(t, s.Close()) }()
	var whole []string
	for _, endpoint := range []string{"a", "b"} {
		for i := range 60 {
			id := fmt.Sprintf("%s-%02d", endpoint, i)
			ok(t, s.AddMessage(ctx, store.Message{ID: "m-" + id, Type: "limit.reached", CreatedAt: 1, Body: []byte(`{}`),
				Deliveries: []store.Delivery{{ID: id, EndpointID: endpoint, Status: store.DeliveryPending, CreatedAt: 1, NextAttempt: 1}}}))
			if endpoint == "b" || i >= 40 {
				whole = append(whole, id)
			}
		}
	}
	out.Reset()
	exec(t, url, `UPDATE bursar.deliveries SET attempts = 7 WHERE id < 'a-08';
		UPDATE bursar.deliveries SET message = 'none' WHERE id >= 'a-08' AND id < 'a-10';
		UPDATE bursar.messages SET body = 'x' WHERE id >= 'm-a-10' AND id < 'm-a-40'`)
	for _, limit := range []int{1, 8, 0} {
		for range 2 {
			due, err := s.DueDeliveries(ctx, 9, func(string) int { return limit })
			ok(t, err)
			var got []string
			for _, d := range due {
				got = append(got, d.ID)
			}
			want := whole
			if limit > 0 {
				want = slices.Concat(whole[:limit], whole[20:20+limit])
			}
			if !slices.Equal(got, want) {
				t.Errorf("with limit %d: %q, want %q", limit, got, want)
			}
		}
	}
	if n := strings.Count(out.String(), "left out"); n != 40 {
		t.Errorf("%d are logged as left out, want 40", n)
	}
	if _, err := s.Deliveries(ctx, store.DeliveryQuery{EndpointID: "a"}); err == nil {
		t.Error("a listing with damaged ones is given")
	}
}

// A damaged job that is open holds up no other one; the listing of all is refused.
func TestDamagedJobHoldsUpNoOther(t *testing.T) {
	url := pgtest.Database(t)
	var out bytes.Buffer
	s := openWith(t, url, postgres.Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	defer func() { ok(t, s.Close()) }()
	for _, id := range []string{"b", "a", "zz"} { // before and behind those of the engine
		saved, err := s.SaveJob(ctx, store.JobRow{ID: id, Body: []byte(`{}`)})
		if ok(t, err); !saved {
			t.Fatal("the job is not saved")
		}
	}
	exec(t, url, "UPDATE bursar.jobs SET body = 'x'")
	e, err := engine.Open(ctx, s, engine.Options{})
	ok(t, err)
	defer func() { ok(t, e.Close(ctx)) }()
	_, _, err = e.CreateCustomer(ctx, catalogue.Caller{}, "acme", bursar.CustomerInput{})
	ok(t, err)
	j, err := e.StartSimulate(ctx, catalogue.Caller{}, "acme", ledger.SimulateInput{From: bursar.TimeOf(time.Now().Add(-time.Hour)).Milli()})
	ok(t, err)
	if j, err = e.AwaitJob(ctx, j.ID, time.Minute); err != nil || !j.Ended() {
		t.Errorf("a job behind a damaged one: %+v, %v", j, err)
	}
	saved, err := s.SaveJob(ctx, store.JobRow{ID: "c", Body: []byte(`{}`)})
	if ok(t, err); !saved {
		t.Fatal("the job is not saved")
	}
	for _, q := range []store.JobQuery{{Open: true}, {Open: true, Limit: 1}, {Open: true, Above: "a", Limit: 1}} {
		if open, err := s.Jobs(ctx, q); err != nil || len(open) != 1 || open[0].ID != "c" {
			t.Errorf("%+v: %+v, %v", q, open, err)
		}
	}
	if n := strings.Count(out.String(), "left out"); n != 3 {
		t.Errorf("%d are logged as left out, want 3: %s", n, &out)
	}
	if _, err := s.Jobs(ctx, store.JobQuery{}); err == nil || !strings.Contains(err.Error(), "job zz is not what was written") {
		t.Errorf("the listing of all: %v", err)
	}
}
