package otlp

import (
	"context"
	"errors"
	"net/http"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
)

// report is what becomes of the spans of one request.
type report struct {
	ctx      context.Context
	server   *client.Client
	events   map[string][]client.EventInput // by customer
	order    []string                       // of customers
	counted  int64
	rejected int64
	silent   int64 // calls of models without usage
	others   int64 // no calls of models
	said     notes
}

// take makes events of the spans.
func (r *report) take(in *collector.ExportTraceServiceRequest, by *defaults) {
	r.events = map[string][]client.EventInput{}
	for _, resource := range in.GetResourceSpans() {
		of := attributes(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c := callOf(of, attributes(s.GetAttributes()))
				switch {
				case !c.isModel():
					r.others++
				case !c.hasUsage():
					r.silent++
				default:
					r.add(c, s, by)
				}
			}
		}
	}
	if r.silent > 0 {
		r.said.add("a call of a model has no gen_ai.usage attributes: nothing is counted of it", r.silent)
	}
}

func (r *report) add(c *call, s *span, by *defaults) {
	e, err := c.event(s, by)
	if err != nil {
		r.reject(err.Error(), 1)
		return
	}
	if c.beside {
		r.said.add("cached tokens are more than the input tokens that should include them: they are counted beside those", 1)
	}
	if r.events[e.CustomerID] == nil {
		r.order = append(r.order, e.CustomerID)
	}
	r.events[e.CustomerID] = append(r.events[e.CustomerID], *e)
}

func (r *report) reject(why string, spans int) {
	r.rejected += int64(spans)
	r.said.add(why, int64(spans))
}

// send reports the events of each customer. A problem is one after which exporters send all of
// it again, which counts nothing twice, or one that concerns all.
func (r *report) send() *problem {
	for _, id := range r.order {
		for events := r.events[id]; len(events) > 0; {
			n := min(len(events), bursar.MaxEvents)
			if p := r.sendSome(events[:n]); p != nil {
				return p
			}
			events = events[n:]
		}
	}
	return nil
}

// sendSome reports events of one customer, of which the server takes all or none: where it
// takes none, each half is tried, until it is known which it refuses.
func (r *report) sendSome(events []client.EventInput) *problem {
	done, err := r.server.ReportEvents(r.ctx, events...)
	p := problemOf(err)
	switch {
	case p == nil:
		r.counted += int64(len(events))
		for _, w := range done.Warnings {
			r.said.add("warning "+w, 1)
		}
		return nil
	case p.status == http.StatusUnauthorized || p.status == http.StatusForbidden || p.status == http.StatusTooManyRequests || p.status >= http.StatusInternalServerError:
		return p
	}
	var e *client.Error
	if len(events) == 1 || errors.As(err, &e) && (e.Code == bursar.CodeCustomerNotFound || e.Code == bursar.CodeCustomerIsArchived) {
		r.reject(p.message, len(events))
		return nil
	}
	half := len(events) / 2
	if p := r.sendSome(events[:half]); p != nil {
		return p
	}
	return r.sendSome(events[half:])
}
