package httpapi

import (
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
)

// turns bound what holders of spend tokens have a node do: all that is done with tokens of one
// root, which the server made, and, to half of that, what is done with tokens of one branch of
// it, which are all that were made from one that its holder made. So whoever has a token of a
// branch leaves half to the others.
type turns struct {
	burst, rate float64 // of a root

	mu    sync.Mutex
	of    [2]map[string]*allowance // by the id of a root's, and of a branch's, first token
	swept [2]time.Time
}

const maxTurns = 2 * bursar.MaxSpendTokens // kept of roots, of which at most half live, and of branches

func newTurns(burst, rate float64) *turns {
	return &turns{burst: burst, rate: rate, of: [2]map[string]*allowance{{}, {}}}
}

// bounds are those of a root, 0, or of a branch, 1.
func (t *turns) bounds(level int) (burst, rate float64) {
	return t.burst / float64(1+level), t.rate / float64(1+level)
}

// most is how much there can be at once for a token with the ids of a chain.
func (t *turns) most(ids []string) float64 {
	burst, _ := t.bounds(min(len(ids), len(t.of)) - 1)
	return burst
}

// take takes n for a token with the ids of a chain; a wait above 0, in seconds, means that there are
// not as many left, and then nothing was taken or kept: what a root may do bounds how many
// branches are kept, as holders make these without end.
func (t *turns) take(ids []string, now time.Time, n float64) (wait int) {
	ids = ids[:min(len(ids), len(t.of))]
	t.mu.Lock()
	defer t.mu.Unlock()
	var all [2]*allowance
	for i, id := range ids {
		burst, rate := t.bounds(i)
		if all[i] = t.of[i][id]; all[i] == nil {
			all[i] = &allowance{burst, now}
		}
		all[i].refill(now, rate, burst)
		if all[i].left < n {
			wait = max(wait, 1, int(math.Ceil((n-all[i].left)/rate)))
		}
	}
	if wait > 0 {
		return wait
	}
	for i, id := range ids {
		all[i].left -= n
		t.keep(i, id, all[i], now)
	}
	return 0
}

// keep keeps what is left, but where there are too many: nobody is refused for what others do.
func (t *turns) keep(level int, id string, a *allowance, now time.Time) {
	of := t.of[level]
	if _, there := of[id]; !there && len(of) >= maxTurns/2 && now.Sub(t.swept[level]) >= time.Second {
		t.swept[level] = now
		burst, rate := t.bounds(level)
		maps.DeleteFunc(of, func(_ string, a *allowance) bool {
			a.refill(now, rate, burst)
			return a.left >= burst
		})
	}
	if len(of) < maxTurns {
		of[id] = a
	}
}

// spare takes one of what id has by itself. false = none is left, or so many are kept that its
// count would not be.
func (t *turns) spare(id string, now time.Time) bool {
	wait := t.take([]string{id}, now, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	return wait == 0 && t.of[0][id] != nil
}

// beginSpend is what goes before a request of a spend token is read: it has its turn, the
// reservation that it names was made with it, and what it is counted on is there. A
// reservation that was made can be ended, whatever others do, and counts on what it is on.
func (q *request) beginSpend() error {
	named := strings.HasPrefix(q.route.pattern, reservation)
	if named {
		if err := q.unmarked(); err != nil {
			return err
		}
	}
	if !q.spend.behalf && q.route.changes() && !q.endsHold() {
		t := q.api.spendTurns
		if wait := t.take(q.spend.token.IDs, q.start, 1); wait > 0 {
			return q.errTooMany(wait, "too many requests with spend tokens that were made from one: %v at once and %v more each second, of which those that were made from a narrower one have half", t.burst, t.rate)
		}
	}
	if named {
		return nil
	}
	return q.enterSpend()
}

// endsHold tells whether a request ends a reservation, which may be tried a few times for each
// that was made, and making it was counted.
func (q *request) endsHold() bool {
	ends := q.route.pattern == reservation+"/commit" || q.route.pattern == reservation+"/release"
	return ends && q.api.spendEnds.spare(q.path[1], q.start)
}

// enterSpend makes sure that what the spend token is counted on is there.
func (q *request) enterSpend() error {
	s, customer := q.spend, q.spend.token.Customer()
	missing, err := q.api.engine.SpendsOn(q.ctx, customer, &s.path)
	if missing == 0 || err != nil {
		return err
	}
	t, n := q.api.spendEntries, float64(missing)
	if most := t.most(s.token.IDs); n > most {
		return bursar.Errorf(bursar.CodeForbidden, "this spend token cannot begin: %d entities and caps are to be made for it and those that it was made from, and at most %v can be at once; have fewer caps, or begin with one that it was made from", missing, most)
	}
	if wait := t.take(s.token.IDs, q.start, n); wait > 0 {
		return q.errTooMany(wait, "too many tokens with caps were made from this spend token and used: %v entities and caps at once and %v more each second, of which those that were made from a narrower one have half", t.burst, t.rate)
	}
	return q.api.engine.EnterSpend(q.ctx, q.caller(), customer, s.path)
}
