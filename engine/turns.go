package engine

import (
	"context"
	"sync"

	"github.com/bursarhq/bursar"
)

// turns bound how many do something at a time. Those who wait get their turn customer by
// customer, so one with many requests delays the others by one turn each round.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting int
	queues  map[string]*turnQueue
	ring    []*turnQueue // those with somebody in them, in the order of their turns
}

// turnQueue is those of one customer that wait, the first one first.
type turnQueue struct {
	customer string
	waiters  []chan struct{}
}

// Who would wait behind so many is refused: of all, and of one customer.
const (
	maxWaiting           = 256
	maxWaitingOfCustomer = 64
)

func newTurns(n int) *turns { return &turns{free: n, queues: map[string]*turnQueue{}} }

// take waits for a turn, which the caller gives back.
func (t *turns) take(ctx context.Context, customer string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	q := t.queues[customer]
	if t.waiting >= maxWaiting || q != nil && len(q.waiters) >= maxWaitingOfCustomer {
		t.mu.Unlock()
		return bursar.Errorf(bursar.CodeOverloaded, "too many long reads are under way; ask again in a moment")
	}
	if q == nil {
		q = &turnQueue{customer: customer}
		t.queues[customer] = q
		t.ring = append(t.ring, q)
	}
	mine := make(chan struct{})
	q.waiters = append(q.waiters, mine)
	t.waiting++
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	if !t.leave(q, mine) {
		t.give() // it came just now
	}
	return ctx.Err()
}

// leave takes a waiter out; false when it has got its turn.
func (t *turns) leave(q *turnQueue, mine chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, w := range q.waiters {
		if w == mine {
			q.waiters = append(q.waiters[:i], q.waiters[i+1:]...)
			t.waiting--
			return true // its queue, if it is empty, goes when it is on
		}
	}
	return false
}

// give gives a turn back: to the first that waits of the customer that is on.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.ring) > 0 {
		q := t.ring[0]
		t.ring = t.ring[1:]
		if len(q.waiters) == 0 {
			delete(t.queues, q.customer)
			continue
		}
		next := q.waiters[0]
		q.waiters = q.waiters[1:]
		t.waiting--
		if len(q.waiters) > 0 {
			t.ring = append(t.ring, q)
		} else {
			delete(t.queues, q.customer)
		}
		close(next)
		return
	}
	t.free++
}

// inTurn marks the context of what has a turn.
type inTurn struct{}

// turn calls f, which takes some milliseconds, when it is the customer's turn. What f calls
// with its context is part of that turn: it takes no other.
func (t *turns) turn(ctx context.Context, customer string, f func(ctx context.Context) error) error {
	if ctx.Value(inTurn{}) != nil {
		return f(ctx)
	}
	if err := t.take(ctx, customer); err != nil {
		return err
	}
	defer t.give()
	return f(context.WithValue(ctx, inTurn{}, true))
}
