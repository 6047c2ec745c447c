package engine_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// tracedCalls are how many tokens the calls of a real trace generated, in their order.
func tracedCalls(t *testing.T) (tokens []int) {
	t.Helper()
	f, err := os.Open("../cmd/bursar/trace/AzureLLMInferenceTrace_code.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, n)
	}
	return tokens
}

// traced is a rig whose user may use so many tokens of output, and whose worst call has most.
type traced struct {
	*rig
	most int
	n    int
}

func newTraced(t *testing.T, tokens []int, limit int) *traced {
	r := &traced{rig: newRig(t, mem.New(), quiet)}
	for _, n := range tokens {
		r.most = max(r.most, n)
	}
	r.furnishCalls(1_000_000)
	r.limit(limit)
	return r
}

func (r *traced) limit(tokens int) {
	r.t.Helper()
	_, _, err := r.PutAssignments(r.t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("out"),
		UsageLimit: bursar.Some(bursar.AmountFromInt(int64(tokens))), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
	r.must(err)
}

// hold reserves for a call: by what was learned, or the most; nil = denied.
func (r *traced) hold(percentile int) *bursar.Reservation {
	r.t.Helper()
	r.n++
	in := eventOf(0, r.most, fmt.Sprint("call ", r.n))
	in.Percentile, in.MostSaid = percentile, true
	res, _, err := r.Reserve(r.t.Context(), tester, "acme", in, 86400, bursar.ExpireRelease)
	if denied(err) {
		return nil
	}
	r.must(err)
	return &res
}

func denied(err error) bool {
	var e *bursar.Error
	return errors.As(err, &e) && e.Denial != nil
}

func (r *traced) end(id string, tokens int) {
	r.t.Helper()
	_, _, err := r.CommitEvent(r.t.Context(), tester, "acme", id, bursar.EventInput{Dimensions: measured(0, tokens)})
	r.must(err)
}

// used is how many tokens of output were used, and are held.
func (r *traced) used() (used, held float64) {
	r.t.Helper()
	d, _, err := r.Check(r.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("out"), Dimensions: onUser}})
	r.must(err)
	return d[0].Gate.CurrentUsage.Float64(), d[0].Gate.Reserved.Float64()
}

// Within one limit more than twice as many calls of the trace run at a time when they hold
// what the last ones had in 95 of 100 cases than when they hold the most that one can have.
func TestLearnedHoldsRunMoreAtATime(t *testing.T) {
	tokens := tracedCalls(t)
	atATime := func(percentile int) (calls int) {
		r := newTraced(t, tokens, 1_000_000)
		defer r.close()
		for _, n := range tokens[:200] {
			r.end(r.hold(percentile).ID, n)
		}
		used, _ := r.used()
		r.limit(int(used) + 10*r.most)
		for ; r.hold(percentile) != nil; calls++ {
			if calls > 10_000 {
				t.Fatal("the limit holds nothing back")
			}
		}
		return calls
	}
	worst, learned := atATime(0), atATime(95)
	t.Logf("%d calls at a time by the most, %d by what was learned", worst, learned)
	if worst != 10 || learned < 2*worst {
		t.Errorf("%d calls at a time by the most, %d by what was learned: want 10, and at least 20", worst, learned)
	}
}

// liveCall is a call of the trace that goes on.
type liveCall struct {
	id             string
	held, has, all int
}

// Calls of the trace that hold what was learned, and as they go on ask for more a few tokens
// at a time, stay within their limit: each that is refused has at most those few too many.
func TestLearnedHoldsDoNotOverspend(t *testing.T) {
	tokens := tracedCalls(t)
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		step, limit := 1+rnd.IntN(64), 3000+rnd.IntN(20_000)
		r := newTraced(t, tokens, 1_000_000)
		for _, n := range tokens[:100] {
			r.end(r.hold(95).ID, n)
		}
		before, _ := r.used()
		limit += int(before)
		r.limit(limit)
		refused, next := 0, 100
		var live []*liveCall
		for idle := 0; len(live) > 0 || idle == 0; {
			if len(live) < 20 && idle == 0 {
				if h := r.hold(50 + rnd.IntN(50)); h != nil {
					live = append(live, &liveCall{id: h.ID, held: int(h.Event.Learned.Tokens), all: tokens[next%len(tokens)]})
					next++
				} else if len(live) == 0 || rnd.IntN(20) == 0 {
					idle = 1
				}
			}
			if len(live) == 0 {
				continue
			}
			i := rnd.IntN(len(live))
			c := live[i]
			c.has = min(c.has+step, c.all)
			stop := c.has == c.all
			if more := c.has - c.held; more > 0 {
				_, _, err := r.RaiseReservation(t.Context(), tester, "acme", c.id, measured(0, more)[1:], 0)
				if c.held += more; denied(err) {
					refused, stop = refused+1, true
				} else {
					r.must(err)
				}
			}
			if stop {
				r.end(c.id, c.has)
				live = append(live[:i], live[i+1:]...)
			}
		}
		used, held := r.used()
		if over := int(used) - limit; over > refused*step || held != 0 {
			t.Errorf("seed %d: %d tokens above the limit of %d after %d refusals in steps of %d, %v still held", seed, over, limit, refused, step, held)
		} else if refused == 0 || next < 150 {
			t.Errorf("seed %d: %d calls, %d refusals: nothing was tried", seed, next, refused)
		}
		r.close()
	}
}
