package sim

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

var linearRounds = flag.Int("linear", 50, "histories that porcupine checks on a cluster")

const (
	linearClients = 12
	linearOps     = 40 // of a client
	linearAtOnce  = 4
	// porcupineTimeout is far beyond what a history of this size needs.
	porcupineTimeout = time.Minute
)

// counter is the state of one limit.
type counter struct{ limit, used, held int64 }

// counterOp is a request about it, and what was answered: whether it was granted and, if
// shown, the figures that the reply saw.
type counterOp struct {
	how          string // consume, reserve, commit, release, return or check
	amount, hold int64
}

type counterReply struct {
	granted, shown bool
	used, held     int64
}

// counterModel is a limit of one server that answers one after the other.
var counterModel = porcupine.Model{
	Init: func() any { return counter{} }, // the first operation sets the limit
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(counter), input.(counterOp), output.(counterReply)
		if in.how == "limit" {
			return s == counter{}, counter{limit: in.amount}
		}
		fits := s.used+s.held+in.amount <= s.limit
		after := s
		switch in.how {
		case "consume":
			after.used += in.amount
		case "reserve":
			after.held += in.amount
		case "commit":
			after.used, after.held, fits = after.used+in.amount, after.held-in.hold, true
		case "release":
			after.held, fits = after.held-in.hold, true
		case "return":
			after.used, fits = max(0, after.used-in.amount), true
		}
		if out.granted != fits {
			return false, s
		}
		if !fits || in.how == "check" {
			after = s
		}
		return !out.shown || out.used == after.used && out.held == after.held, after
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v → %+v", in, out) },
}

// Histories of one limit under contention are linearizable: strong checks see what was
// answered before they were asked, and nothing is granted twice.
func linearizable(t *testing.T, c *cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	ops, some, longest := 0, []porcupine.Operation(nil), time.Duration(0)
	rounds := make(chan int)
	for range linearAtOnce {
		all.Go(func() {
			for round := range rounds {
				history := history(ctx, t, c, round)
				at := time.Now()
				verdict := porcupine.CheckOperationsTimeout(counterModel, history, porcupineTimeout)
				mu.Lock()
				ops, some, longest = ops+len(history), history, max(longest, time.Since(at))
				mu.Unlock()
				if verdict != porcupine.Ok {
					t.Errorf("round %d: %s\n%s", round, verdict, mustJSON(history))
				}
			}
		})
	}
	for round := range *linearRounds {
		rounds <- round
	}
	close(rounds)
	all.Wait()
	t.Logf("%d histories, %d operations, each checked within %v, all in %v", *linearRounds, ops, longest.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	porcupineCatches(t, some)
}

// porcupineCatches makes sure that wrong histories are seen to be wrong.
func porcupineCatches(t *testing.T, history []porcupine.Operation) {
	at := int64(0)
	op := func(in counterOp, out counterReply) porcupine.Operation {
		at += 2
		return porcupine.Operation{Input: in, Output: out, Call: at, Return: at + 1}
	}
	limit := op(counterOp{how: "limit", amount: 1}, counterReply{})
	taken := op(counterOp{how: "consume", amount: 1}, counterReply{granted: true, shown: true, used: 1})
	for what, last := range map[string]porcupine.Operation{
		"a unit granted twice":        op(counterOp{how: "consume", amount: 1}, counterReply{granted: true}),
		"a stale check":               op(counterOp{how: "check", amount: 1}, counterReply{granted: true, shown: true}),
		"a hold on what is used":      op(counterOp{how: "reserve", amount: 1}, counterReply{granted: true}),
		"a denial of what would fit":  op(counterOp{how: "check"}, counterReply{}),
		"a return that was forgotten": op(counterOp{how: "check", amount: 1}, counterReply{granted: true, shown: true, used: -1}),
	} {
		if porcupine.CheckOperationsTimeout(counterModel, []porcupine.Operation{limit, taken, last}, porcupineTimeout) != porcupine.Illegal {
			t.Errorf("a history with %s passes", what)
		}
	}
	edited := append([]porcupine.Operation{}, history...)
	i := slices.IndexFunc(edited, func(o porcupine.Operation) bool {
		return o.Input.(counterOp).how == "check" && o.Output.(counterReply).shown
	})
	out := edited[i].Output.(counterReply)
	out.used += 100
	edited[i].Output = out
	if porcupine.CheckOperationsTimeout(counterModel, edited, porcupineTimeout) != porcupine.Illegal {
		t.Error("a real history with the figures of a check edited passes")
	}
}

// history is what clients of a customer of their own did to one limit, in at most
// linearClients*linearOps operations.
func history(ctx context.Context, t *testing.T, c *cluster, round int) []porcupine.Operation {
	l := newLoad(ctx, t, c)
	customer, limit := fmt.Sprintf("linear%d", round), int64(1+round%8)
	l.do(0, customer, askCustomer{id: customer})
	l.do(0, customer, askEntities{customer: customer, in: []client.EntityInput{{ID: "a", EntityTypeID: "agent"}}})
	x := l.do(0, customer, askLimits{customer: customer, in: []client.AssignmentInput{
		{EntityID: "a", FeatureID: "seats", UsageLimit: client.Some(bursar.AmountFromInt(limit)), Cadence: "P100Y"}}})
	ops := []porcupine.Operation{{ClientId: linearClients, Input: counterOp{how: "limit", amount: limit}, Call: x.began, Output: counterReply{}, Return: x.ended}}
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range linearClients {
		all.Go(func() {
			a := &linearClient{load: l, customer: customer, r: rand.New(rand.NewPCG(uint64(round), uint64(i)))}
			for range linearOps {
				in, x := a.act()
				op := porcupine.Operation{ClientId: i, Input: in, Call: x.began, Output: readCounter(x), Return: x.ended}
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return ops
}

type linearClient struct {
	*load
	customer string
	r        *rand.Rand
	holds    []linearHold
}

type linearHold struct {
	id     string
	amount int64
}

func (a *linearClient) act() (counterOp, *exchange) {
	n, amount := a.r.IntN(clusterNodes), int64(1+a.r.IntN(2))
	d := client.Dimensions{"agentId": "a"}
	key := fmt.Sprintf("k%d", a.serial.Add(1))
	spend := client.SpendInput{FeatureID: "seats", Amount: bursar.AmountFromInt(amount), Dimensions: d, IdempotencyKey: key}
	switch p := a.r.IntN(100); {
	case p < 25:
		return counterOp{how: "check", amount: amount}, a.do(n, a.customer, newAskCheck(a.customer, featureOf("seats"), spend.Amount, d))
	case p < 45:
		return counterOp{how: "consume", amount: amount}, a.do(n, a.customer, askConsume{a.customer, spend})
	case p < 60:
		u := client.UsageInput{CustomerID: a.customer, FeatureID: "seats", Value: bursar.AmountFromInt(-amount), Dimensions: d, IdempotencyKey: key}
		return counterOp{how: "return", amount: amount}, a.do(n, a.customer, askUsage{[]client.UsageInput{u}})
	case p < 80 || len(a.holds) == 0:
		x := a.do(n, a.customer, askReserve{a.customer, client.ReserveInput{SpendInput: spend, TTLSeconds: 3600}})
		if got, err := dataOf[client.Reservation](x.body); err == nil && !x.refused() {
			a.holds = append(a.holds, linearHold{got.ID, amount})
		}
		return counterOp{how: "reserve", amount: amount}, x
	default:
		h := a.holds[0]
		a.holds = a.holds[1:]
		c := askClose{customer: a.customer, hold: h.id, how: deedRelease}
		op := counterOp{how: "release", hold: h.amount}
		if chance(a.r, 2) {
			c.how, c.amount = deedCommit, spend.Amount
			op = counterOp{how: "commit", hold: h.amount, amount: amount}
		}
		return op, a.do(n, a.customer, c)
	}
}

// readCounter takes the figures of the limit out of a reply. Those of a request that was
// sent twice may be of whenever it was answered.
func readCounter(x *exchange) counterReply {
	var reply struct {
		Data   json.RawMessage
		Chains [][]client.Node
	}
	_ = json.Unmarshal(x.body, &reply) // what is not there is not shown
	var data struct {
		IsGranted *bool
		Chains    [][]client.Node
	}
	_ = json.Unmarshal(reply.Data, &data)
	out := counterReply{granted: !x.refused()}
	if data.IsGranted != nil {
		out.granted = *data.IsGranted
	}
	chains := data.Chains
	if x.refused() {
		chains = reply.Chains
	}
	if len(chains) == 1 && x.tries == 1 {
		n := chains[0][0]
		out.shown, out.used, out.held = true, int64(n.CurrentUsage.Float64()), int64(n.Reserved.Float64())
	}
	return out
}
