package engine

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// queue holds the requests of one customer that wait for the lane, in a line for each caller.
// Turns go round the lines, so that no caller waits for all that another one has sent.
type queue struct {
	lines  []*callerLine // that have requests, the next one first
	n      int           // requests in them
	size   int           // items in them
	busy   bool          // others are in a batch
	asking asking
}

// callerLine is the requests of one caller about one customer, in the order of their coming.
type callerLine struct {
	who  string
	reqs []*request
	size int // items in them
}

const (
	// turn is about how many items of one customer are decided at a time while others may
	// wait. What a batch costs beyond its sync is by the item, so this bounds how long the
	// next one has to wait.
	turn = 500

	// turnRecords is how many records end a turn: items of some kinds make several.
	turnRecords = 4 * turn

	// batchTurns times turn is about how many items of one batch come from customers that
	// want much, all of them together.
	batchTurns = 2

	// light is how many items somebody may have waiting and not count among those that
	// want much.
	light = 32

	// maxCallerItems bounds the items of a line: beyond it callers are asked to come again. A single
	// request always gets in.
	maxCallerItems = 50_000
)

var errLaneClosed = bursar.Errorf(bursar.CodeGovernanceUnavailable, "this node is shutting down; nothing was granted")

// add puts r at the end of its caller's line.
func (q *queue) add(r *request) error {
	l := q.line(r.who)
	if l.size > 0 && l.size+r.items > maxCallerItems {
		return bursar.Errorf(bursar.CodeGovernanceUnavailable, "%d items of this caller wait to be recorded for customer %q: send fewer at a time", l.size, r.c.id)
	}
	if len(l.reqs) == 0 {
		q.lines = append(q.lines, l)
	}
	l.reqs = append(l.reqs, r)
	l.size += r.items
	q.n++
	q.size += r.items
	return nil
}

// line finds the caller's line, or makes one.
func (q *queue) line(who string) *callerLine {
	for _, l := range q.lines {
		if l.who == who {
			return l
		}
	}
	return &callerLine{who: who}
}

func (q *queue) first() *request { return q.lines[0].reqs[0] }

// whose says whether little or much waits.
func (q *queue) whose() whose {
	if q.size > light {
		return much
	}
	return little
}

// take takes the next turn, of at most n requests, in the order in which they are decided:
// one of each line after the other. A customer that was read anew (drop) while requests on
// the old copy waited is in a batch with one copy: the turn ends where the copy changes.
func (q *queue) take(n int) (reqs []*request, size int) {
	c := q.first().c
	for len(q.lines) > 0 && len(reqs) < n && size < turn {
		l := q.lines[0]
		r := l.reqs[0]
		if r.c != c || len(reqs) > 0 && size+r.items > turn {
			break
		}
		reqs = append(reqs, r)
		size += r.items
		q.lines = q.lines[1:]
		if l.reqs, l.size = l.reqs[1:], l.size-r.items; len(l.reqs) > 0 {
			q.lines = append(q.lines, l)
		}
	}
	q.n -= len(reqs)
	q.size -= size
	return reqs, size
}

// putBack puts requests that were taken in this order before all others of their lines,
// and their lines before the others.
func (q *queue) putBack(reqs []*request) {
	var lines []*callerLine
	for _, r := range reqs {
		i := slices.IndexFunc(lines, func(l *callerLine) bool { return l.who == r.who })
		if i < 0 {
			i, lines = len(lines), append(lines, &callerLine{who: r.who})
		}
		lines[i].reqs = append(lines[i].reqs, r)
		lines[i].size += r.items
		q.size += r.items
	}
	for _, l := range q.lines {
		if i := slices.IndexFunc(lines, func(x *callerLine) bool { return x.who == l.who }); i >= 0 {
			lines[i].reqs = append(lines[i].reqs, l.reqs...)
			lines[i].size += l.size
		} else {
			lines = append(lines, l)
		}
	}
	if len(reqs) > 0 {
		q.lines = lines
	}
	q.n += len(reqs)
}

// sized is an op of several items.
type sized interface{ Size() int }

// itemsOf is how much of a turn o takes.
func itemsOf(o ledger.Op) int {
	if s, ok := o.(sized); ok {
		return max(1, s.Size())
	}
	return 1
}
