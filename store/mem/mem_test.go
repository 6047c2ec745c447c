package mem_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/storetest"
)

var _ store.Store = (*mem.Store)(nil)

func TestConformance(t *testing.T) {
	storetest.Run(t,
		func(*testing.T) store.Store { return mem.New() },
		func(_ *testing.T, s store.Store) store.Store { return s.(*mem.Store).CrashClone() })
}

// As several engines would share it.
func TestSharedConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		s := mem.New()
		s.Clock = func() bursar.Time { return bursar.TimeOf(time.Now()) }
		return s
	}, nil)
}

var ctx = context.Background()

func commit(payload string) []store.Commit {
	return []store.Commit{{Stream: "acme", Hash: [16]byte{1}, Payload: []byte(payload), Messages: []store.Message{message("m")}}}
}

func message(id string) store.Message {
	return store.Message{ID: id, Body: []byte("body"), Deliveries: []store.Delivery{{ID: id, Status: store.DeliveryPending}}}
}

// waiting counts the pending deliveries.
func waiting(t *testing.T, s *mem.Store) int {
	t.Helper()
	n, err := s.PendingDeliveries(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func seq(t *testing.T, s *mem.Store) uint64 {
	t.Helper()
	heads, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return heads[0].Seq
}

func TestCrashCloneSharesNothing(t *testing.T) {
	s := mem.New()
	clone := s.CrashClone()
	if _, err := s.Append(ctx, commit("x"), nil); err != nil {
		t.Fatal(err)
	}
	if seq(t, clone) != 0 || seq(t, s) != 1 || seq(t, s.CrashClone()) != 1 {
		t.Error("a clone is not the moment it was made at")
	}
	if waiting(t, clone) != 0 || waiting(t, s) != 1 || waiting(t, s.CrashClone()) != 1 {
		t.Error("the outbox of a clone is not of the moment it was made at")
	}
}

func TestFail(t *testing.T) {
	fault := errors.New("fault")
	for _, c := range []struct {
		op   string
		want uint64 // where the log ends
	}{{"append", 0}, {"append.after", 1}} {
		s := mem.New()
		broken := true
		s.Fail = func(op string) error {
			if op == c.op && broken {
				return fmt.Errorf("%s: %w", op, fault)
			}
			return nil
		}
		if _, err := s.Append(ctx, commit("x"), nil); !errors.Is(err, fault) {
			t.Errorf("%s: Append = %v", c.op, err)
		}
		broken = false
		if got := seq(t, s); got != c.want || s.Err() != nil {
			t.Errorf("%s: the log ends at %d, want %d; Err = %v", c.op, got, c.want, s.Err())
		}
		if got := waiting(t, s); got != int(c.want) {
			t.Errorf("%s: %d deliveries wait, want %d", c.op, got, c.want)
		}
	}
}

// TestFailOutbox fails each write of the outbox before and behind its effect.
func TestFailOutbox(t *testing.T) {
	fault := errors.New("fault")
	for _, c := range []struct {
		op    string
		write func(*mem.Store) error
		want  string // with the effect
	}{
		{"addmessage", func(s *mem.Store) error { return s.AddMessage(ctx, message("n")) }, "n:PENDING m:PENDING ended:SUCCEEDED "},
		{"trimoutbox", func(s *mem.Store) error { return s.TrimOutbox(ctx, 9) }, "m:PENDING "},
		{"savedeliveries", func(s *mem.Store) error {
			return s.SaveDeliveries(ctx, []store.Delivery{{ID: "m", Status: store.DeliveryFailed}})
		}, "m:FAILED ended:SUCCEEDED "},
	} {
		for _, op := range []string{c.op, c.op + ".after"} {
			s := mem.New()
			broken := false
			s.Fail = func(now string) error {
				if broken && now == op {
					return fault
				}
				return nil
			}
			if err := s.AddMessage(ctx, message("m")); err != nil {
				t.Fatal(err)
			}
			ended := store.Delivery{ID: "ended", Status: store.DeliverySucceeded}
			if err := s.AddMessage(ctx, store.Message{ID: "e", Deliveries: []store.Delivery{ended}}); err != nil {
				t.Fatal(err)
			}
			want := "m:PENDING ended:SUCCEEDED "
			broken = true
			if err := c.write(s); !errors.Is(err, fault) {
				t.Errorf("%s = %v", op, err)
			}
			if op != c.op {
				want = c.want
			}
			for _, s := range []*mem.Store{s, s.CrashClone()} {
				if got := outbox(t, s); got != want {
					t.Errorf("%s: the outbox has %s, want %s", op, got, want)
				}
			}
		}
	}
}

// outbox is all deliveries, newest first.
func outbox(t *testing.T, s *mem.Store) (all string) {
	t.Helper()
	rows, err := s.Deliveries(ctx, store.DeliveryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range rows {
		all += fmt.Sprintf("%s:%s ", d.ID, d.Status)
	}
	return all
}

func TestFailPoisons(t *testing.T) {
	s := mem.New()
	s.Fail = func(op string) error {
		if op == "save" {
			return fmt.Errorf("sync: %w", store.ErrPoisoned)
		}
		return nil
	}
	if err := s.Save(ctx, &store.Checkpoint{}); !errors.Is(err, store.ErrPoisoned) {
		t.Errorf("Save = %v", err)
	}
	_, err := s.Append(ctx, commit("x"), nil)
	for _, err := range []error{err, s.Err(), s.Load(ctx, "acme", nil)} {
		if !errors.Is(err, store.ErrPoisoned) {
			t.Errorf("behind the fault: %v", err)
		}
	}
	if got := seq(t, s.CrashClone()); got != 0 {
		t.Errorf("a restart finds %d commits", got)
	}
}
