package mem_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/storetest"
)

var _ engine.Store = (*mem.Store)(nil)

func TestConformance(t *testing.T) {
	storetest.Run(t,
		func(*testing.T) engine.Store { return mem.New() },
		func(_ *testing.T, s engine.Store) engine.Store { return s.(*mem.Store).CrashClone() })
}

var ctx = context.Background()

func commit(payload string) []engine.Commit {
	return []engine.Commit{{Stream: "acme", Hash: [16]byte{1}, Payload: []byte(payload)}}
}

func seq(t *testing.T, s *mem.Store) uint64 {
	t.Helper()
	heads, err := s.Heads(ctx, []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	return heads[0].Seq
}

func TestCrashCloneSharesNothing(t *testing.T) {
	s := mem.New()
	clone := s.CrashClone()
	if _, err := s.Append(ctx, commit("x")); err != nil {
		t.Fatal(err)
	}
	if seq(t, clone) != 0 || seq(t, s) != 1 || seq(t, s.CrashClone()) != 1 {
		t.Error("a clone is not the moment it was made at")
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
		if _, err := s.Append(ctx, commit("x")); !errors.Is(err, fault) {
			t.Errorf("%s: Append = %v", c.op, err)
		}
		broken = false
		if got := seq(t, s); got != c.want || s.Err() != nil {
			t.Errorf("%s: the log ends at %d, want %d; Err = %v", c.op, got, c.want, s.Err())
		}
	}
}

func TestFailPoisons(t *testing.T) {
	s := mem.New()
	s.Fail = func(op string) error {
		if op == "save" {
			return fmt.Errorf("sync: %w", engine.ErrPoisoned)
		}
		return nil
	}
	if err := s.Save(ctx, &engine.Checkpoint{}); !errors.Is(err, engine.ErrPoisoned) {
		t.Errorf("Save = %v", err)
	}
	_, err := s.Append(ctx, commit("x"))
	for _, err := range []error{err, s.Err(), s.Load(ctx, "acme", nil)} {
		if !errors.Is(err, engine.ErrPoisoned) {
			t.Errorf("behind the fault: %v", err)
		}
	}
	if got := seq(t, s.CrashClone()); got != 0 {
		t.Errorf("a restart finds %d commits", got)
	}
}
