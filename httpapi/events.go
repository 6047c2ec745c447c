package httpapi

import (
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// eventsPattern is the route whose bodies may be larger than others.
const eventsPattern = "/events"

type eventsIn struct {
	Events []eventIn `json:"events" is:"required,n=1-1000"`
}

// eventFields are what an event is about.
type eventFields struct {
	CustomerID string             `json:"customerId" is:"required,customerId"`
	EventName  string             `json:"eventName" is:"required,len=1-255"`
	Dimensions []bursar.Dimension `json:"dimensions" doc:"gen_ai.* attributes become token counts, too."`
	Usage      jsontext.Value     `json:"usage" doc:"The usage object of a model provider's reply, or the reply itself, as it came. It becomes the dimensions tokens.input, tokens.cache_read, tokens.cache_write, tokens.cache_write_1h, tokens.output, tokens.reasoning and those of sound, pictures, searches and so on, unless they are given."`
	ResourceID unsupported        `json:"resourceId"`
}

type eventIn struct {
	eventFields
	IdempotencyKey *string      `json:"idempotencyKey" is:"key" doc:"Required, here or as the Idempotency-Key header."`
	ReservationID  *string      `json:"reservationId" is:"len=1-64" doc:"The reservation of this event: it ends with what the event used, as by a commit."`
	CallID         *string      `json:"callId" is:"key" doc:"Your id of the call that the event is. If a reservation has it, as callId or as idempotency key, the event ends that; if the call was counted already, the event is a duplicate."`
	Timestamp      *bursar.Time `json:"timestamp" doc:"When it happened. Send it: then a duplicate is recognised or refused, always."`
}

// measured are the event's dimensions with what its usage, read by rules too, and its gen_ai
// attributes say, and what of the usage could not be read. What the caller gave stays as it is.
// at is where the event is in the request.
func (f *eventFields) measured(at string, rules []bursar.UsageRule, p *bursar.Problems) (dims []bursar.Dimension, reading *bursar.UsageReading) {
	if f.Usage != nil {
		var err error
		if reading, err = bursar.ReadUsage(f.Usage, rules...); err != nil {
			p.Add(at+"/usage", bursar.CodeValidationFailed, "%s", reason(err))
		}
	}
	derived, err := bursar.Derive(f.Dimensions, reading)
	if err != nil {
		p.Add(at+"/dimensions", bursar.CodeValidationFailed, "%s", reason(err))
	}
	return append(slices.Clip(f.Dimensions), derived...), reading
}

// usageRules are those of the environment.
func (q *request) usageRules() []bursar.UsageRule {
	if q == nil || q.api == nil {
		return nil
	}
	return q.api.engine.Catalogue().Settings.RulesOfUsage()
}

func (in *eventsIn) items(keys *itemKeys) []bursar.EventInput {
	out, rules := make([]bursar.EventInput, len(in.Events)), keys.q.usageRules()
	for i := range in.Events {
		e, at := &in.Events[i], "/events/"+strconv.Itoa(i)
		keys.refuse(keys.q.mayTell(at, &e.eventFields))
		keys.refuse(keys.q.mayEnd(at, e))
		dims, usage := e.measured(at, rules, &keys.problems)
		keys.refuse(keys.q.toldOf(at, dims))
		derived := slices.Clone(dims[len(e.Dimensions):])
		out[i] = bursar.EventInput{CustomerID: e.CustomerID, EventName: e.EventName, IdempotencyKey: keys.required(e.IdempotencyKey, i, at),
			Dimensions: dims, Derived: derived, Unruled: usage.Unruled(e.Dimensions, derived), Timestamp: orZero(e.Timestamp), ReservationID: orZero(e.ReservationID), CallID: keys.q.scoped(orZero(e.CallID)),
			Warnings: usage.Warnings(), Unread: usage.Keep(derived)}
		out[i].Illegible = out[i].Unread != nil
	}
	return out
}

// eventsOut is the reply to a report of events.
type eventsOut struct {
	reportOut
	Events []eventOut `json:"events" doc:"What each event did, in their order."`
}

type eventOut struct {
	Used          []capabilityAmountOut `json:"used" doc:"What was recorded now of each feature and currency; of a duplicate nothing."`
	Tokens        *tokensOut            `json:"tokens,omitempty" doc:"Tokens by kind, as the event says, also those that no meter reads; of a duplicate none."`
	Cost          []cost                `json:"cost" doc:"What of that are costs."`
	Duplicate     bool                  `json:"duplicate"`
	ReservationID *string               `json:"reservationId,omitempty" doc:"The reservation that it ended."`
	Warnings      []string              `json:"warnings,omitempty"`
}

// reportEvents turns events into usage of the features whose meters want them.
func (a *API) reportEvents(c call, _ *eventsIn, items []bursar.EventInput) (out eventsOut, _ uint64, _ error) {
	results, versions, err := a.engine.ReportEvents(c.ctx, c.by, items)
	if err != nil {
		a.metrics.refused.Add(float64(len(items)))
		return out, 0, err
	}
	out.Events = make([]eventOut, len(results))
	for i := range results {
		r := &results[i]
		a.metrics.warned(r.Warnings, items[i].Dimensions)
		out.add(r.Warnings)
		out.Events[i] = eventOut{Used: viewAmounts(r.Used), Cost: viewCosts(r.Costs), Duplicate: r.Duplicate, ReservationID: orNil(&r.ReservationID), Warnings: r.Warnings}
		if !r.Duplicate {
			out.Events[i].Tokens = viewTokens(items[i].Dimensions)
		}
	}
	a.metrics.recorded.Add(float64(len(items)))
	a.observed.used(c.now, len(items))
	return out, theOnly(versions), nil
}
