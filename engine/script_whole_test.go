package engine_test

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bursarhq/bursar"
)

func init() {
	for name, run := range map[string]func(*world, *op) error{
		"hold": (*world).opHold, "raise": (*world).opRaise, "used-by": (*world).opUsedBy, "take": (*world).opTake, "report": (*world).opEvent,
	} {
		operations[name] = run
	}
}

// opHold is "name event property=v… [ttl=60] [settle] [key=] [input] [output] [bounded=kind,…]": a
// reservation of an event; input and output: how many tokens there may be was said, be it none;
// bounded: kinds that share with tokens.output what it says.
func (w *world) opHold(o *op) error {
	it := o.item()
	ttl, _ := it.take("ttl")
	key, _ := it.take("key")
	call, _ := it.take("call")
	learn, _ := it.take("learn")
	most := it.flag("most")
	bounded, _ := it.take("bounded")
	expire := bursar.ExpireRelease
	if it.flag("settle") {
		expire = bursar.ExpireSettle
	}
	strict, input, output := it.flag("strict"), it.flag("input"), it.flag("output")
	name := it.word(0)
	in := bursar.SpendInput{EventName: it.word(1), IdempotencyKey: key, CallID: call, Strict: strict, Dimensions: it.properties(), Percentile: it.number(learn, 0), MostSaid: most,
		SaidInput: input, SaidOutput: output, Bounded: strings.FieldsFunc(bounded, func(c rune) bool { return c == ',' })}
	r, _, err := w.engine.Reserve(w.t.Context(), tester, "acme", in, it.number(ttl, bursar.DefaultHoldTTL), expire)
	if err != nil {
		return err
	}
	if old := w.holds[name]; old != "" && old != r.ID {
		w.printf("another reservation than before\n")
	}
	w.holds[name] = r.ID
	w.printReservation(&r)
	return nil
}

// opRaise is "name property=v… [ttl=]": more for a reservation of an event.
func (w *world) opRaise(o *op) error {
	it := o.item()
	ttl, _ := it.take("ttl")
	r, _, err := w.engine.RaiseReservation(w.t.Context(), tester, "acme", w.hold(it.word(0)), it.properties(), it.number(ttl, 0))
	return w.ended(&r, err)
}

func (w *world) opUsedBy(o *op) error {
	it := o.item()
	call, _ := it.take("call")
	illegible := it.flag("illegible")
	r, _, err := w.engine.CommitEvent(w.t.Context(), tester, "acme", w.hold(it.word(0)), bursar.EventInput{CallID: call, Dimensions: it.properties(), Illegible: illegible})
	return w.ended(&r, err)
}

func (w *world) opTake(o *op) error {
	it := o.item()
	key, _ := it.take("key")
	call, _ := it.take("call")
	r, _, err := w.engine.Consume(w.t.Context(), tester, "acme", bursar.SpendInput{EventName: it.word(0), IdempotencyKey: key, CallID: call, Dimensions: it.properties()})
	if err == nil {
		w.printf("consumed %s%s%s%s%s%s\n", r.EventName, usedText(r.Used), costText(r.Costs), tightestText(r.Tightest), alertsText(r.Alerts),
			mark(r.Duplicate, ", duplicate")+warningsText(r.Decision.Warnings))
	}
	return err
}

func usedText(list []bursar.CapabilityAmount) (s string) {
	for _, x := range list {
		s += fmt.Sprintf(" %s %s", x.Amount, x.ID)
	}
	return s
}

func tightestText(b *bursar.Binding) string {
	if b == nil {
		return ""
	}
	at := string(b.Source) + " " + b.Node.Capability.ID
	if b.Source == bursar.BindingEntity {
		at = limitName(b.Node.EntityID, b.Node.ScopeEntityIDs, b.Node.Label, b.Node.Capability)
	}
	return fmt.Sprintf(", %s left of %s", b.Node.Remaining(), at)
}

func alertsText(list []bursar.AlertReached) (s string) {
	for _, x := range list {
		s += fmt.Sprintf(", %s reached %v", limitName(x.EntityID, nil, x.Label, x.Capability), x.Thresholds)
	}
	return s
}

// heldName is what the script calls a reservation.
func (w *world) heldName(id string) string {
	for name, its := range w.holds {
		if its == id {
			return name
		}
	}
	return "?"
}

func (w *world) printEventHold(r *bursar.Reservation) {
	w.printf("%s %s holds%s", r.Status, r.Event.Name, usedText(r.Event.Held))
	if r.Event.Used != nil {
		w.printf(", recorded%s%s", usedText(r.Event.Used), mark(r.Event.Estimated, " by estimate"))
	}
	if l := r.Event.Learned; l != nil {
		w.printf(", p%d of %d calls of %s: %d tokens%s", l.Quantile, l.Samples, cmp.Or(l.EntityID, "the customer"), l.Tokens, mark(l.Capped, ", for which there is room"))
	}
	w.printf("%s%s%s", costText(r.Costs), tightestText(r.Event.Tightest), alertsText(r.Event.Alerts))
}
