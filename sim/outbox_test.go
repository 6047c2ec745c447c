package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// canonical writes a JSON value in one way only.
func canonical(b []byte) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// envelope is a webhook's body.
type envelope struct {
	Type, MessageID, TraceID, Timestamp string
	Data                                map[string]any
	Notification                        *struct {
		ID, Name   string
		Recipients []string
	}
}

// parse is the engine's message with the model's ids.
func (w *world) parse(x store.Message) (message, error) {
	var e envelope
	d := json.NewDecoder(bytes.NewReader(x.Body))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		return message{}, err
	}
	if e.Type != x.Type || e.MessageID != x.ID || e.TraceID != "" || e.Timestamp != x.CreatedAt.Milli().String() || len(x.Deliveries) != 1 {
		return message{}, fmt.Errorf("envelope %s of message %+v", x.Body, x)
	}
	for _, key := range []string{"assignmentId", "grantId", "reservationId"} {
		if id, ok := e.Data[key].(string); ok {
			e.Data[key] = w.modelID(id)
		}
	}
	if a, ok := e.Data["boostRequest"].(map[string]any); ok {
		for _, key := range []string{"id", "assignmentId", "boostId"} {
			if id, ok := a[key].(string); ok {
				a[key] = w.modelID(id)
			}
		}
	}
	if a, ok := e.Data["entitlement"].(map[string]any); ok {
		a["id"] = w.modelID(fmt.Sprint(a["id"]))
	}
	out := message{typ: x.Type, data: e.Data}
	if n := e.Notification; n != nil {
		out.to = fmt.Sprint(w.modelID(n.ID), " ", n.Name, " ", n.Recipients, " ")
	}
	if p, has := e.Data["usageUsedPercentage"]; has {
		delete(e.Data, "usageUsedPercentage")
		if n, ok := p.(json.Number); ok {
			f, err := n.Float64()
			if err != nil {
				return message{}, err
			}
			out.pct = &f
		}
	}
	return out, nil
}

// compareMessages says how what the engine told since the last operation differs from
// what the model expects, commit by commit. Within a commit the order is open.
func (w *world) compareMessages() string {
	m := w.model
	m.observe()
	for _, id := range sortedKeys(m.told) {
		if len(m.told[id]) == 0 {
			continue
		}
		i := len(m.heard) - 1
		for ; i >= 0 && m.heard[i].stream != id; i-- {
		}
		if i < 0 {
			return fmt.Sprintf("nothing was committed for %q, the model tells\n  %s", id, m.told[id][0].text())
		}
		m.heard[i].want = append(m.heard[i].want, m.told[id]...)
	}
	m.told = map[string][]message{}
	list := m.heard
	m.heard = nil
	for _, h := range list {
		if d := w.compareCommit(h); d != "" {
			return fmt.Sprintf("messages of a commit of %q at %s: %s", h.stream, instant(h.now), d)
		}
	}
	return ""
}

func (w *world) compareCommit(h heard) string {
	var got []message
	for _, x := range h.got {
		p, err := w.parse(x)
		if err != nil {
			return err.Error()
		}
		got = append(got, p)
		w.sent[x.ID] = x.CreatedAt.Milli()
	}
	byText := func(a, b message) int { return strings.Compare(a.text(), b.text()) }
	slices.SortFunc(got, byText)
	want := slices.Clone(h.want)
	slices.SortFunc(want, byText)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want) || i < len(got) && byText(got[i], want[i]) < 0:
			return "told by the engine only\n  " + got[i].text() + listed(want)
		case i >= len(got) || byText(got[i], want[i]) > 0:
			return "told by the model only\n  " + want[i].text() + listed(got)
		case !closeTo(got[i].pct, want[i].pct):
			return "percentage of\n  " + got[i].text()
		}
	}
	return ""
}

func listed(list []message) string {
	text := "\nthe other side told"
	for _, x := range list {
		text += "\n  " + x.text()
	}
	return text
}

func closeTo(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || math.Abs(*a-*b) <= 0.0051+1e-9*math.Abs(*b))
}

func sortedInts(set map[int]bool) []int { return slices.Sorted(maps.Keys(set)) }

// lowestOf is the lowest of a set; 0 when it is empty.
func lowestOf(set map[int]bool) int {
	if list := sortedInts(set); len(list) > 0 {
		return list[0]
	}
	return 0
}

// readOutbox compares what waits in the outbox with what was told, and takes it out.
// What the engine tells meanwhile is left for the next time.
type readOutbox struct{}

func (readOutbox) run(w *world) string {
	due, err := w.dueDeliveries()
	if err != nil {
		return err.Error()
	}
	expected := 0
	for _, made := range w.sent {
		if made <= w.model.clock {
			expected++
		}
	}
	if len(due) != expected {
		return fmt.Sprintf("%d deliveries are due, %d were made", len(due), expected)
	}
	var done []store.Delivery
	for i, d := range due {
		if d.EndpointID != w.endpoint && !catalogue.ToPeople(d.EndpointID) || i > 0 && due[i-1].EndpointID == d.EndpointID && cmp.Compare(d.NextAttempt, due[i-1].NextAttempt) < 0 {
			return fmt.Sprintf("delivery %d: %+v", i, d.Delivery)
		}
		d.Status, d.NextAttempt, d.Attempts, d.ResponseStatus = store.DeliverySucceeded, 0, 1, 200
		done = append(done, d.Delivery)
	}
	if err := w.engine.SaveDeliveries(w.ctx, done); err != nil {
		return err.Error()
	}
	if due, err = w.dueDeliveries(); err != nil || len(due) > 0 {
		return fmt.Sprintf("%v, still due: %d", err, len(due))
	}
	for _, d := range done {
		delete(w.sent, d.MessageID)
	}
	return ""
}

// dueDeliveries are those of messages that were compared.
func (w *world) dueDeliveries() ([]store.DueDelivery, error) {
	var due []store.DueDelivery
	var err error
	for _, e := range w.engines { // one of them sends
		if due, err = e.DueDeliveries(w.ctx, func(string) int { return 1 << 30 }); err != nil || len(due) > 0 {
			break
		}
	}
	return slices.DeleteFunc(due, func(d store.DueDelivery) bool {
		_, known := w.sent[d.MessageID]
		return !known
	}), err
}
