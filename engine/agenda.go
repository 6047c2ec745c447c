package engine

import (
	"container/heap"
)

// agenda orders customers by a number, the least first; each is in it at most once. A call costs
// the logarithm of how many there are. Its users share a lock.
type agenda struct {
	slot int // of customer.places that is this agenda's
	list agendaHeap
}

// agendas is how many a customer can be in.
const agendas = 3

type appointment struct {
	c  *customer
	at int64
}

// set puts c where at says, from wherever it was.
func (a *agenda) set(c *customer, at int64) {
	a.list.slot = a.slot
	switch i := c.places[a.slot] - 1; {
	case i < 0:
		heap.Push(&a.list, appointment{c, at})
	case a.list.of[i].at != at:
		a.list.of[i].at = at
		heap.Fix(&a.list, i)
	}
}

func (a *agenda) remove(c *customer) {
	if i := c.places[a.slot] - 1; i >= 0 {
		heap.Remove(&a.list, i)
	}
}

func (a *agenda) has(c *customer) bool { return c.places[a.slot] > 0 }

// take takes the first out, if it is at most at.
func (a *agenda) take(at int64) (c *customer, ok bool) {
	if len(a.list.of) == 0 || a.list.of[0].at > at {
		return nil, false
	}
	return heap.Pop(&a.list).(appointment).c, true
}

// all are those in it, in no order.
func (a *agenda) all() []*customer {
	out := make([]*customer, 0, len(a.list.of))
	for _, x := range a.list.of {
		out = append(out, x.c)
	}
	return out
}

// agendaHeap keeps, in places of each customer, where it is.
type agendaHeap struct {
	slot int
	of   []appointment
}

func (h *agendaHeap) Len() int { return len(h.of) }

func (h *agendaHeap) Less(i, j int) bool { return h.of[i].at < h.of[j].at }

func (h *agendaHeap) Swap(i, j int) {
	h.of[i], h.of[j] = h.of[j], h.of[i]
	h.of[i].c.places[h.slot], h.of[j].c.places[h.slot] = i+1, j+1
}

func (h *agendaHeap) Push(x any) {
	h.of = append(h.of, x.(appointment))
	x.(appointment).c.places[h.slot] = len(h.of)
}

func (h *agendaHeap) Pop() any {
	last := len(h.of) - 1
	x := h.of[last]
	h.of[last] = appointment{}
	h.of = h.of[:last]
	x.c.places[h.slot] = 0
	return x
}
