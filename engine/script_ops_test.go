package engine_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// op is one line of a script: words, options that its operation knows, and dimensions.
type op struct {
	name  string
	items []*item // parts between semicolons; most operations have one
	bad   string
}

// item is words in order and key=value pairs.
type item struct {
	op    *op
	words []string
	pairs map[string]string
	order []string
}

func parseOp(line string) *op {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	o := &op{name: name}
	for _, part := range strings.Split(rest, ";") {
		it := &item{op: o, pairs: map[string]string{}}
		for _, f := range strings.Fields(part) {
			if k, v, ok := strings.Cut(f, "="); ok {
				it.pairs[k] = v
				it.order = append(it.order, k)
			} else {
				it.words = append(it.words, f)
			}
		}
		o.items = append(o.items, it)
	}
	return o
}

func (o *op) item() *item { return o.items[0] }

// take removes a pair; has tells whether it was there.
func (it *item) take(key string) (v string, has bool) {
	v, has = it.pairs[key]
	delete(it.pairs, key)
	return v, has
}

// flag removes a word from behind the first n and tells whether it was there.
func (it *item) flag(word string) bool {
	i := slices.Index(it.words, word)
	if i >= 0 {
		it.words = slices.Delete(it.words, i, i+1)
	}
	return i >= 0
}

// word is word number i, "" when there is none.
func (it *item) word(i int) string {
	if i < len(it.words) {
		return it.words[i]
	}
	return ""
}

// dims are the pairs that are left; nil when there are none.
func (it *item) dims() (dims []bursar.Dimension) {
	for _, k := range it.order {
		if v, ok := it.pairs[k]; ok {
			dims = append(dims, bursar.Dimension{Key: k, Value: v})
		}
	}
	return dims
}

func (it *item) amount(i int) bursar.Amount {
	a, err := bursar.AmountFromString(it.word(i))
	if err != nil {
		it.op.bad = fmt.Sprintf("word %d of %s: %v", i, it.op.name, err)
	}
	return a
}

func (it *item) number(s string, fallback int) int {
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		it.op.bad = err.Error()
	}
	return n
}

// capability of a name: the catalogue of scripts has no name twice.
func capability(id string) bursar.Capability {
	switch id {
	case "credits", "coins", "gold":
		return bursar.Capability{Kind: bursar.KindCurrency, ID: id}
	}
	return bursar.Capability{Kind: bursar.KindFeature, ID: id}
}

// instant reads an absolute time or, with a sign, one from now on.
func (w *world) instant(it *item, s string) bursar.Time {
	if s == "" {
		return 0
	}
	if s[0] == '-' || s[0] == '+' {
		return w.clock() + it.duration(s)
	}
	v, err := bursar.ParseTime(s)
	if err != nil {
		it.op.bad = err.Error()
	}
	return v
}

// duration is time.ParseDuration with days.
func (it *item) duration(s string) bursar.Time {
	days := 0
	if i := strings.Index(s, "d"); i > 0 {
		n, err := strconv.Atoi(s[:i])
		if err != nil {
			it.op.bad = err.Error()
		}
		if days, s = n, s[i+1:]; s == "" {
			s = "0s"
		} else if n < 0 {
			s = "-" + s
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		it.op.bad = err.Error()
	}
	return bursar.Time(d) + bursar.Time(days)*bursar.Time(24*time.Hour)
}

// opNew begins again with an empty store.
func (w *world) opNew(*op) error {
	w.close()
	w.begin()
	return nil
}

func (w *world) opAt(o *op) error {
	w.now.Store(int64(w.instant(o.item(), o.item().word(0))))
	return nil
}

func (w *world) opAdvance(o *op) error {
	w.now.Add(int64(o.item().duration(o.item().word(0))))
	return nil
}

// spend reads "[dimensions] capability amount [key=…]".
func spendInput(it *item) bursar.SpendInput {
	key, _ := it.take("key")
	strict := it.flag("strict")
	return bursar.SpendInput{Strict: strict, Capability: capability(it.word(0)), Amount: it.amount(1), IdempotencyKey: key, Dimensions: it.dims()}
}

func (w *world) opCheck(o *op) error {
	it := o.item()
	customer, _ := it.take("customer")
	strict := it.flag("strict")
	d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, cmp.Or(customer, "acme"),
		[]ledger.CheckInput{{Capability: capability(it.word(0)), Requested: it.amount(1), Dimensions: it.dims(), Strict: strict}})
	if err == nil {
		w.printDecision(&d[0])
	}
	return err
}

func (w *world) opUsage(o *op) error {
	var in []bursar.UsageInput
	for _, it := range o.items {
		key, _ := it.take("key")
		ts, _ := it.take("ts")
		customer, _ := it.take("customer")
		u := bursar.UsageInput{CustomerID: cmp.Or(customer, "acme"), IdempotencyKey: key, Timestamp: w.instant(it, ts)}
		if it.flag("set") {
			u.Behavior = bursar.Set
		}
		u.FeatureID, u.Value, u.Dimensions = it.word(0), it.amount(1), it.dims()
		in = append(in, u)
	}
	items := itemsOf(in)
	if _, err := w.engine.ReportUsage(w.t.Context(), tester, items); err != nil {
		return err
	}
	for i := range items {
		w.printUsage(&items[i])
	}
	return nil
}

func (w *world) opConsume(o *op) error {
	res, _, err := w.engine.Consume(w.t.Context(), tester, "acme", spendInput(o.item()))
	if err == nil {
		w.printf("consumed %s%s at %s%s\n", res.Amount, costText(res.Costs), instantText(res.Timestamp), mark(res.Duplicate, ", duplicate")+warningsText(res.Decision.Warnings))
		w.printChains(res.Decision.Chains)
	}
	return err
}

func (w *world) opReserve(o *op) error {
	it := o.item()
	name := it.word(0)
	it.words = it.words[1:]
	ttl, _ := it.take("ttl")
	expire := bursar.ExpireRelease
	if it.flag("settle") {
		expire = bursar.ExpireSettle
	}
	seconds := it.number(ttl, bursar.DefaultHoldTTL)
	r, _, err := w.engine.Reserve(w.t.Context(), tester, "acme", spendInput(it), seconds, expire)
	if err != nil {
		return err
	}
	if old := w.holds[name]; old != "" && old != r.ID {
		w.printf("another reservation than before\n")
	}
	w.holds[name] = r.ID
	w.printReservation(&r)
	w.printChains(r.Decision.Chains)
	return nil
}

// hold is the id of a reservation that the script named.
func (w *world) hold(name string) string {
	return cmp.Or(w.holds[name], "01940000-0000-7000-8000-000000000000")
}

func (w *world) opCommit(o *op) error {
	r, _, err := w.engine.CommitReservation(w.t.Context(), tester, "acme", w.hold(o.item().word(0)), o.item().amount(1))
	return w.ended(&r, err)
}

func (w *world) opRelease(o *op) error {
	r, _, err := w.engine.ReleaseReservation(w.t.Context(), tester, "acme", w.hold(o.item().word(0)))
	return w.ended(&r, err)
}

func (w *world) opExtend(o *op) error {
	r, _, err := w.engine.ExtendReservation(w.t.Context(), tester, "acme", w.hold(o.item().word(0)), o.item().number(o.item().word(1), 0))
	return w.ended(&r, err)
}

func (w *world) opReservation(o *op) error {
	r, _, err := w.engine.Reservation(w.t.Context(), ledger.ReadOptions{}, "acme", w.hold(o.item().word(0)))
	return w.ended(&r, err)
}

func (w *world) ended(r *bursar.Reservation, err error) error {
	if err == nil {
		w.printReservation(r)
	}
	return err
}

// opReservations lists the names of the reservations of one status.
func (w *world) opReservations(o *op) error {
	it := o.item()
	entity, _ := it.take("entity")
	p, _, err := w.engine.Reservations(w.t.Context(), ledger.ReadOptions{}, "acme", ledger.ReservationQuery{
		Status: bursar.HoldStatus(it.word(0)), EntityID: entity, ListPage: ledger.ListPage{Limit: 100}})
	if err != nil {
		return err
	}
	var names []string
	for _, r := range p.Items {
		for n, id := range w.holds {
			if id == r.ID {
				names = append(names, n)
			}
		}
	}
	w.printf("%s\n", cmp.Or(strings.Join(names, " "), "none"))
	return nil
}

// opTotal shows the customer's lifetime usage of capabilities.
func (w *world) opTotal(o *op) error {
	for _, id := range o.item().words {
		d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(id)}})
		if err != nil {
			return err
		}
		g := d[0].Gate
		w.printf("%s in all: %s%s\n", id, g.CurrentUsage, mark(!g.Reserved.IsZero(), " and "+g.Reserved.String()+" held"))
	}
	return nil
}
