package otlp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// report is what becomes of the spans of one request.
type report struct {
	ctx    context.Context
	server *client.Client
	by     *defaults

	events  map[string][]client.EventInput // that wait to be sent, by customer
	waiting int

	counted, duplicates, rejected, silent, others int64 // spans
	said                                          notes
}

// take makes an event of a span, if it is a call of a model that used something.
func (r *report) take(of attrs, s *span) *problem {
	c := callOf(of, s)
	switch {
	case c.counts():
		return r.add(c, s)
	case slices.Contains(models, c.text(attrOperation)) && !s.failed:
		r.silent++
		r.said.add("a call of a model has no gen_ai.usage attributes: nothing is counted of it", 1)
	default:
		r.others++
	}
	return nil
}

func (r *report) add(c *call, s *span) *problem {
	e, err := c.event(s, r.by)
	if err != nil {
		r.reject(err.Error())
		return nil
	}
	for _, name := range c.unread {
		r.said.add(fmt.Sprintf("%.100s is not read: it is no name of a count, or no whole number", name), 1)
	}
	if c.beside {
		r.said.add("cached or reasoning tokens are more than the tokens that should include them: they are counted beside those", 1)
	}
	if r.events == nil {
		r.events = map[string][]client.EventInput{}
	}
	r.events[e.CustomerID] = append(r.events[e.CustomerID], *e)
	if r.waiting++; r.waiting < bursar.MaxEvents {
		return nil
	}
	return r.send()
}

func (r *report) reject(why string) {
	r.rejected++
	r.said.add(why, 1)
}

// send reports the events that wait. A problem is one that concerns all, or one after which
// exporters send all of it again, which counts nothing twice.
func (r *report) send() *problem {
	for _, id := range slices.Sorted(maps.Keys(r.events)) {
		if p := r.sendSome(r.events[id]); p != nil {
			return p
		}
	}
	r.events, r.waiting = nil, 0
	return nil
}

// sendSome reports events of one customer, of which the server takes all or none. Where it takes
// none, those are left out that it names, and each half of the others is tried.
func (r *report) sendSome(events []client.EventInput) *problem {
	if len(events) == 0 {
		return nil
	}
	done, err := r.server.ReportEvents(r.ctx, events...)
	p := problemOf(err)
	switch {
	case p == nil:
		for i := range done.Events {
			if done.Events[i].Duplicate {
				r.duplicates++
			} else {
				r.counted++
			}
			for _, w := range done.Events[i].Warnings {
				r.said.add("warning "+w, 1)
			}
		}
		return nil
	case p.forAll():
		return p
	}
	var e *client.Error
	good := events
	if errors.As(err, &e) {
		good = r.leaveOut(events, e)
	}
	if len(good) == len(events) && len(events) == 1 {
		r.reject(p.message)
		return nil
	}
	half := len(good) / 2
	if p := r.sendSome(good[:half]); p != nil {
		return p
	}
	return r.sendSome(good[half:])
}

// leaveOut gives the events that the server does not name as those that it refuses.
func (r *report) leaveOut(events []client.EventInput, e *client.Error) (good []client.EventInput) {
	why := make([]string, len(events))
	for _, f := range e.Fields {
		rest, ok := strings.CutPrefix(f.Pointer, "/events/")
		index, _, _ := strings.Cut(rest, "/")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(events) {
			continue
		}
		why[i] = f.Detail
		for k := range events {
			if f.Code == bursar.CodeUnknownMeter && events[k].EventName == events[i].EventName {
				why[k] = f.Detail
			}
		}
	}
	for i := range events {
		switch {
		case e.Code == bursar.CodeCustomerNotFound || e.Code == bursar.CodeCustomerIsArchived:
			r.reject(e.Message)
		case why[i] != "":
			r.reject(why[i])
		default:
			good = append(good, events[i])
		}
	}
	return good
}

// forAll tells whether a problem is of all events, and not of some among them.
func (p *problem) forAll() bool {
	return p.status == http.StatusUnauthorized || p.status == http.StatusForbidden || p.status == http.StatusTooManyRequests || p.status >= http.StatusInternalServerError
}
