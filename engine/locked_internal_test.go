package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// written waits for a write that runs beside the test, and fails when it does not end.
func written(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s waits", what)
	}
}

// TestReaderHoldsUpNobodyElse: while a read of one customer takes as long as it likes, other
// customers are written to, also beside a write and a checkpoint that wait for the reader.
func TestReaderHoldsUpNobodyElse(t *testing.T) {
	ctx := context.Background()
	e, err := Open(ctx, mem.New(), Options{CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if _, _, err := e.CreateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{}); err != nil {
			t.Fatal(err)
		}
	}
	write := func(id, name string) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, _, err := e.UpdateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{Name: bursar.Some(name)})
			done <- err
		}()
		return done
	}
	for _, before := range []string{"a write", "a checkpoint"} {
		entered, leave := make(chan struct{}), make(chan struct{})
		read := make(chan error, 1)
		go func() {
			_, err := e.read(ctx, ledger.ReadOptions{}, "a", func(*ledger.View) error {
				close(entered)
				<-leave
				return nil
			})
			read <- err
		}()
		<-entered
		saved := make(chan error, 1)
		if before == "a checkpoint" {
			go func() { saved <- e.checkpoint(ctx, e.residents.get("a")) }()
			for c := e.residents.get("a"); c.mu.TryRLock(); time.Sleep(time.Millisecond) { // until it waits
				c.mu.RUnlock()
			}
		} else {
			saved <- nil
		}
		behind := []<-chan error{write("a", before), write("a", before)}
		for taken := false; !taken; time.Sleep(time.Millisecond) {
			e.lane.mu.Lock()
			q := e.lane.queues["a"]
			taken = q != nil && q.busy
			e.lane.mu.Unlock()
		}
		for i := range 5 {
			written(t, fmt.Sprintf("another customer's write %d beside %s", i, before), write("b", fmt.Sprint(before, i)))
		}
		for _, done := range behind {
			select {
			case err := <-done:
				t.Errorf("a write was answered before readers can see it: %v", err)
			default:
			}
		}
		close(leave)
		written(t, "the read", read)
		written(t, "the checkpoint", saved)
		for _, done := range behind {
			written(t, "the customer's own write", done)
		}
	}
	if err := e.VerifyAll(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestCloseWaitsForReaders: a write that waits for a reader when the engine closes is
// answered, and durable.
func TestCloseWaitsForReaders(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	e, err := Open(ctx, s, Options{CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.CreateCustomer(ctx, catalogue.Caller{}, "a", bursar.CustomerInput{}); err != nil {
		t.Fatal(err)
	}
	entered, leave, closed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		_, _ = e.read(ctx, ledger.ReadOptions{}, "a", func(*ledger.View) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	seq := e.residents.get("a").at().Seq
	go func() {
		_, version, err := e.ArchiveCustomer(ctx, catalogue.Caller{}, "a", true)
		if err == nil && version != seq+1 {
			err = fmt.Errorf("answered with version %d", version)
		}
		done <- err
	}()
	for durable := uint64(0); durable == seq || durable == 0; time.Sleep(time.Millisecond) {
		heads, _, _, err := s.Heads(ctx, []string{"a"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		durable = heads[0].Seq
	}
	go func() { closed <- e.Close(ctx) }()
	for !e.closing.Load() {
		time.Sleep(time.Millisecond)
	}
	close(leave)
	written(t, "the write", done)
	written(t, "closing", closed)
}
