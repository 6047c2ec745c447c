package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// maxUnreadCustomers bounds the customers that a list of unread usage is made of.
const maxUnreadCustomers = 100

// maxUnread bounds the sorts of unread usage that a list has.
const maxUnread = 1000

// noteUnread counts events that were taken although some of their usage was not understood.
func (e *Engine) noteUnread(in ...*bursar.UnreadReading) {
	for _, u := range in {
		if u != nil {
			e.unread.Add(1)
		}
	}
}

// UnreadTotal is how many such events this process has taken.
func (e *Engine) UnreadTotal() uint64 { return e.unread.Load() }

// Unread lists usage that is kept as it was not understood, of one customer or, with "", of all:
// at most 1,000 sorts of it, the most frequent first, of the first 100 customers that have any. HasNext tells that there is more.
func (e *Engine) Unread(ctx context.Context, o ledger.ReadOptions, customer string) (out ledger.Page[bursar.UnreadUsage], version uint64, err error) {
	if customer != "" {
		version, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
			out.Items = v.Unread()
			return nil
		})
		sortUnread(out.Items)
		return out, version, err
	}
	customers, err := e.store.Users(ctx, ledger.UnreadUse, maxUnreadCustomers+1)
	if err != nil {
		return out, 0, e.unavailable(err)
	}
	if out.HasNext = len(customers) > maxUnreadCustomers; out.HasNext {
		customers = customers[:maxUnreadCustomers]
	}
	by := map[string]*bursar.UnreadUsage{}
	for _, id := range customers {
		_, err := e.readCustomer(ctx, o, id, func(v *ledger.View) error {
			for _, u := range v.Unread() {
				key := u.EventName + "\x00" + u.Model + "\x00" + strings.Join(u.Names, "\x00")
				if had := by[key]; had != nil {
					had.Count += u.Count
					had.FirstSeen, had.LastSeen = min(had.FirstSeen, u.FirstSeen), max(had.LastSeen, u.LastSeen)
				} else {
					by[key] = &u
				}
			}
			return nil
		})
		if err != nil {
			return out, 0, err
		}
	}
	for _, u := range by {
		out.Items = append(out.Items, *u)
	}
	sortUnread(out.Items)
	if len(out.Items) > maxUnread {
		out.Items, out.HasNext = out.Items[:maxUnread], true
	}
	return out, 0, nil
}

func sortUnread(list []bursar.UnreadUsage) {
	slices.SortFunc(list, func(a, b bursar.UnreadUsage) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.EventName, b.EventName), cmp.Compare(a.Model, b.Model), slices.Compare(a.Names, b.Names))
	})
}

// rereader is one run of a job that reads unread usage again.
type rereader struct {
	caller catalogue.Caller
	in     ledger.RepriceInput
	rules  []bursar.UsageRule
	out    ledger.Rereading

	progress func(done, total uint64) // nil = nobody asks
}

func (e *Engine) newRereader(c catalogue.Caller, in *ledger.RepriceInput) *rereader {
	c.Key = nil // it is of all commits together
	settings := e.cat.Load().Settings
	return &rereader{caller: c, in: *in, rules: settings.RulesOfUsage(), out: ledger.Rereading{Applied: in.Apply}}
}

// Reread reads kept usage again that was not understood, and corrects what was counted of it where it
// says more now. It may be ended at any time: the same call once more does the rest and no part twice.
func (e *Engine) Reread(ctx context.Context, c catalogue.Caller, in ledger.RepriceInput) (ledger.Rereading, error) {
	if err := e.checkReread(ctx, &in); err != nil {
		return ledger.Rereading{}, err
	}
	r := e.newRereader(c, &in)
	err := e.rereadAll(ctx, r, func(int, int) {})
	return r.out, err
}

// aheadOfNow is by how much a customer's time may be ahead of this node's clock.
const aheadOfNow = 60e9

// checkReread says what is wrong with a request, and sets its end.
func (e *Engine) checkReread(ctx context.Context, in *ledger.RepriceInput) error {
	if in.To == 0 {
		in.To = e.now().Milli() + aheadOfNow
	}
	if in.From >= in.To {
		return bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", in.From, in.To)
	}
	if in.CustomerID == "" {
		return nil
	}
	_, err := e.readCustomer(ctx, ledger.ReadOptions{}, in.CustomerID, func(*ledger.View) error { return nil })
	if errors.Is(err, ledger.ErrNoCustomer) {
		err = bursar.ErrorAt("/customerId", bursar.CodeCustomerNotFound, "there is no customer %q", in.CustomerID)
	}
	return err
}

// rereadAll does all customers that have unread usage, and tells done of each.
func (e *Engine) rereadAll(ctx context.Context, r *rereader, done func(n, of int)) error {
	customers := []string{r.in.CustomerID}
	if r.in.CustomerID == "" {
		var err error
		if customers, err = e.store.Users(ctx, ledger.UnreadUse, maxRereadCustomers); err != nil {
			return e.unavailable(err)
		}
	}
	for i, id := range customers {
		if err := e.rereadCustomer(ctx, r, id); err != nil {
			return err
		}
		done(i+1, len(customers))
	}
	return nil
}

// maxRereadCustomers bounds the customers that one job reads again.
const maxRereadCustomers = 1_000_000

func (e *Engine) rereadCustomer(ctx context.Context, r *rereader, id string) error {
	c := ledger.RereadCustomer{CustomerID: id}
	s := &ledger.RereadScan{From: r.in.From, To: r.in.To, Rules: r.rules}
	for more := true; more; more = s.Next() {
		if err := e.rereadPart(ctx, r, s, &c); err != nil {
			return err
		}
	}
	r.out.Add(&c)
	return nil
}

// rereadPart does the part of a scan that is at hand.
func (e *Engine) rereadPart(ctx context.Context, r *rereader, s *ledger.RereadScan, c *ledger.RereadCustomer) error {
	before := c.Clone()
	for range 8 {
		plan, err := e.planReread(ctx, r, s, c.CustomerID)
		if err != nil {
			return err
		}
		if !r.in.Apply {
			*c = before.Clone() // what was rehearsed comes again
		}
		if s.First() { // others may have read some meanwhile
			c.Events, c.Lost = c.Read+plan.events, plan.lost
		}
		c.Uncounted = before.Uncounted // what was not counted comes again
		if err = e.carryOutReread(ctx, r, c.CustomerID, plan, c); !errors.Is(err, ledger.ErrReplan) {
			return err
		}
	}
	return e.unavailable(errors.New("others keep correcting the customer"))
}

// rereadPlan is what there is to correct for one customer, of the part of a scan that is at hand.
type rereadPlan struct {
	state  *ledger.State
	head   uint64
	todo   []*ledger.RereadItem
	events int // of the interval
	lost   int // events whose log was cut
}

// planReread reads what is kept.
func (e *Engine) planReread(ctx context.Context, r *rereader, s *ledger.RereadScan, id string) (*rereadPlan, error) {
	p := &rereadPlan{}
	var since uint64
	var count int64
	_, err := e.readCustomer(ctx, ledger.ReadOptions{}, id, func(v *ledger.View) error {
		p.state, p.head = v.State, v.Head.Seq
		since, count = v.UnreadSince()
		return nil
	})
	if err != nil {
		return nil, err
	}
	after := s.Begin(since)
	if count == 0 { // nothing is kept any more
		return p, nil
	}
	if err := e.scanLog(ctx, id, after, p.head, r.progress, s.Row); err != nil {
		return nil, err
	}
	events, all := s.Kept()
	p.events, p.lost = events, int(count)-all
	p.todo, err = s.Plan()
	return p, err
}

// carryOutReread corrects what was planned, some events in each commit. Without Apply it only rehearses that.
func (e *Engine) carryOutReread(ctx context.Context, r *rereader, id string, p *rereadPlan, c *ledger.RereadCustomer) error {
	upTo, todo, ended := p.head, p.todo, map[[16]byte]bool{}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := &ledger.RereadOp{Caller: r.caller, State: p.state, UpTo: upTo, Items: todo}
		if !r.in.Apply {
			o.Ended = ended
			if err := e.rehearse(ctx, &r.caller, id, o); err != nil {
				return err
			}
			for _, x := range o.Effects.Ended {
				ended[x] = true
			}
		} else { // what is begun is waited for, so that the report has it
			_, seq, err := e.write(context.WithoutCancel(ctx), &r.caller, id, o)
			if err != nil {
				return err
			}
			upTo = seq
		}
		c.Took(o.Effects)
		todo = todo[o.Effects.Done:]
	}
	return nil
}

// StartReread makes a job of it. What is wrong with the request is told now.
func (e *Engine) StartReread(ctx context.Context, c catalogue.Caller, in ledger.RepriceInput) (Job, error) {
	if err := e.checkReread(ctx, &in); err != nil {
		return Job{}, err
	}
	in.Unread = true
	return e.startJob(ctx, &c, Job{Kind: JobReprice, CustomerID: in.CustomerID, Reprice: &in, Result: &JobResult{Rereading: &ledger.Rereading{Applied: in.Apply}}, Unit: unitCustomers})
}

// reread does a job that reads unread usage again. What was corrected by an earlier run is not in its
// report.
func (r *jobRun) reread(ctx context.Context, j Job) error {
	run := r.e.newRereader(catalogue.Caller{ActorType: j.ActorType, ActorID: j.ActorID, RequestID: j.RequestID}, j.Reprice)
	return r.e.rereadAll(ctx, run, func(n, of int) {
		out := run.out.Clone()
		r.update(func(j *Job) { j.Result, j.Done, j.Total = &JobResult{Rereading: &out}, int64(n), int64(of) })
	})
}
