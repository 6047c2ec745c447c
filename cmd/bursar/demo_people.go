package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// How long people take to react to an alert, on the demo's clock.
const (
	demoBoostAfter = 3 * time.Minute
	demoTopUpAfter = 5 * time.Minute
)

// demoPeople are those who read the alerts, and what they do about them: a head of
// department has the pilot's budget raised for the rest of its month, finance orders
// more credits before the pool is empty, and is a little late.
type demoPeople struct {
	client   *client.Client
	clock    *demoClock
	screen   *demoScreen
	org      *demoOrg
	limits   map[string]client.Assignment
	expected float64       // credits of the hour
	late     chan struct{} // closed when nobody has time any more: what was begun happens now

	mu      sync.Mutex
	grants  map[string]string // names by id
	boosted bool
	ordered bool
	tasks   int
	idle    *sync.Cond // tasks is 0
	failed  error
}

func newDemoPeople(c *client.Client, clock *demoClock, screen *demoScreen, o *demoOrg) *demoPeople {
	p := &demoPeople{client: c, clock: clock, screen: screen, org: o, late: make(chan struct{}), grants: map[string]string{}}
	p.idle = sync.NewCond(&p.mu)
	return p
}

func (p *demoPeople) grantName(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name := p.grants[id]; name != "" {
		return name
	}
	return "overdraft" // which is made by the server
}

// hear shows an alert and may set something off.
func (p *demoPeople) hear(a *demoAlert) {
	p.screen.say(a.Timestamp, "alert", a.text(p.org, p.limits, p.grantName))
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case a.Type == bursar.EventUsageExceeded && a.Data.Label == demoPilot && slices.Max(a.Data.Thresholds) >= demoAlertAt[1] && !p.boosted:
		p.boosted = true
		limit := p.limits[a.Data.AssignmentID]
		p.later(demoBoostAfter, func(ctx context.Context) error { return p.boost(ctx, limit) })
	case a.Type == bursar.EventCreditsLow && slices.Min(a.Data.Levels) <= 10 && !p.ordered:
		p.ordered = true
		p.later(demoTopUpAfter, p.topUp)
	}
}

// later does something when d has gone by, with p.mu held by the caller.
func (p *demoPeople) later(d time.Duration, do func(context.Context) error) {
	p.tasks++
	go func() {
		t := time.NewTimer(time.Duration(float64(d) / p.clock.speed))
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.late:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := do(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.tasks--; err != nil && p.failed == nil {
			p.failed = err
		}
		p.idle.Broadcast()
	}()
}

func (p *demoPeople) boost(ctx context.Context, limit client.Assignment) error {
	amount := budgetOf(limit.UsageLimit.Float64() * 0.5)
	b, err := p.client.CreateBoost(ctx, demoCustomer, limit.ID, client.BoostInput{Amount: amount, Reason: "the pilot goes on"})
	if err != nil {
		return fmt.Errorf("boosting: %w", err)
	}
	p.screen.say(b.CreatedAt, "boost", fmt.Sprintf("%s: +%s credits until %s, asked for after the alert",
		budgetName(p.org, limit.EntityID, limit.ScopeEntityIDs, limit.Label), commas(amount), b.ExpiresAt.Std().Format("2 Jan")))
	return nil
}

func (p *demoPeople) topUp(ctx context.Context) error {
	g, err := p.client.GrantCredits(ctx, client.GrantInput{CustomerID: demoCustomer, CurrencyID: demoCurrency,
		DisplayName: "Order 1002", Type: bursar.GrantPaid, Amount: budgetOf(p.expected * demoTopUp)})
	if err != nil {
		return fmt.Errorf("granting credits: %w", err)
	}
	p.mu.Lock()
	p.grants[g.ID] = g.DisplayName
	p.mu.Unlock()
	p.screen.say(g.CreatedAt, "grant", fmt.Sprintf("prepaid pool: +%s credits (%s), ordered after the alert", commas(g.Amount), g.DisplayName))
	return nil
}

// windDown lets what was begun happen and waits until the server has delivered what it has
// for the webhook, for a while.
func (p *demoPeople) windDown(ctx context.Context, webhook string) error {
	close(p.late)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		p.mu.Lock()
		for p.tasks > 0 {
			p.idle.Wait()
		}
		err := p.failed
		p.mu.Unlock()
		if err != nil {
			return err
		}
		waiting, err := p.client.Deliveries(ctx, webhook, "PENDING", client.Paging{Limit: 1})
		if err != nil {
			return fmt.Errorf("reading the deliveries: %w", err)
		}
		p.mu.Lock()
		quiet := p.tasks == 0
		p.mu.Unlock()
		if len(waiting.Items) == 0 && quiet {
			return nil
		}
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil // the report tells how many came
		case <-t.C:
		}
	}
}
