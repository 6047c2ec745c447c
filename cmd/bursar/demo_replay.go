package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

const (
	demoWorkers = 16
	// demoHold is how long a hold lasts in real time; the shortest on the clock is the
	// default of the API.
	demoHold = 30 * time.Second
)

// demoStop is what stopped requests: a limit, or the prepaid pool.
type demoStop struct {
	id     string
	limit  client.Assignment // without an ID for the pool
	first  bursar.Time       // by the server's clock
	who    *demoNode         // the first agent
	agents map[*demoNode]bool
	times  int
}

// demoTally is what a replay came to.
type demoTally struct {
	sent, granted, denied int
	input, output         int64         // tokens
	spent                 bursar.Amount // credits, as the agents reckon
	at                    time.Duration // of the latest request, on the trace
	stops                 map[string]*demoStop
}

// demoReplay sends a plan to a server as its agents would.
type demoReplay struct {
	client *client.Client
	clock  *demoClock
	plan   []demoRequest
	limits map[string]client.Assignment

	mu    sync.Mutex
	tally demoTally
}

func newDemoReplay(c *client.Client, clock *demoClock, plan []demoRequest, limits map[string]client.Assignment) *demoReplay {
	return &demoReplay{client: c, clock: clock, plan: plan, limits: limits, tally: demoTally{stops: map[string]*demoStop{}}}
}

// run starts the clock and sends every request when its time has come. The first
// failure, which a denial is not, ends it; so does the end of ctx, but what was begun is
// finished.
func (d *demoReplay) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan *demoRequest)
	var workers sync.WaitGroup
	for range demoWorkers {
		workers.Go(func() {
			for q := range queue {
				if err := d.send(context.WithoutCancel(ctx), q); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	d.clock.start()
	d.feed(ctx, queue)
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

func (d *demoReplay) feed(ctx context.Context, queue chan<- *demoRequest) {
	for i := range d.plan {
		q := &d.plan[i]
		if d.clock.wait(ctx, q.at) != nil {
			return
		}
		select {
		case queue <- q:
		case <-ctx.Done():
			return
		}
	}
}

// send holds all that q may use, and then commits the usage that the model's reply has. The
// event feeds both features, and their prices make the cost.
func (d *demoReplay) send(ctx context.Context, q *demoRequest) error {
	hold, err := d.client.ReserveEvent(ctx, demoCustomer, client.EventReserve{
		EventSpend: client.EventSpend{EventName: demoEvent, IdempotencyKey: fmt.Sprintf("trace-%d", q.index),
			Dimensions: map[string]any{"agentId": q.agent.id, "model": q.model.id}},
		InputTokens: int64(q.context), MaxTokens: demoAnswer,
		TTLSeconds: min(bursar.MaxHoldTTL, max(bursar.DefaultHoldTTL, int(demoHold.Seconds()*d.clock.speed))),
	})
	if denial, ok := client.Denied(err); ok {
		d.denied(q, denial)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reserving for %s: %w", q.agent.id, err)
	}
	if _, err := d.client.CommitEvent(ctx, demoCustomer, hold.ID, client.CallUsed{Used: client.Used{Usage: demoUsage(q)}}); err != nil {
		return fmt.Errorf("committing for %s: %w", q.agent.id, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(q)
	d.tally.granted++
	d.tally.input += q.context
	d.tally.output += q.generated
	d.tally.spent = d.tally.spent.Add(q.cost())
	return nil
}

// denied notes what stopped q.
func (d *demoReplay) denied(q *demoRequest, denial *client.Error) {
	now := d.clock.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(q)
	d.tally.denied++
	if denial.Binding == nil {
		return
	}
	id := denial.Binding.AssignmentID // "" of the pool
	s := d.tally.stops[id]
	if s == nil {
		s = &demoStop{id: id, limit: d.limits[id], first: now, who: q.agent, agents: map[*demoNode]bool{}}
		d.tally.stops[id] = s
	}
	s.agents[q.agent] = true
	s.times++
}

func (d *demoReplay) count(q *demoRequest) {
	d.tally.sent++
	d.tally.at = max(d.tally.at, q.at)
}

// figures are those of this moment, without the stops.
func (d *demoReplay) figures() demoTally {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tally
	t.stops = nil
	return t
}
