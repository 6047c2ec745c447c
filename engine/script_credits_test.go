package engine_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

func init() {
	for name, run := range map[string]func(*world, *op) error{
		"card": (*world).opCard, "price": (*world).opPrice, "unpriced": (*world).opUnpriced,
		"grant": (*world).opGrant, "void": (*world).opVoid, "grants": (*world).opGrants, "pool": (*world).opPool,
		"consumption": (*world).opConsumption, "promote": (*world).opPromote, "demote": (*world).opDemote, "promotions": (*world).opPromotions,
		"boost": (*world).opBoost, "unboost": (*world).opUnboost, "boosts": (*world).opBoosts, "allocation": (*world).opAllocation, "coverage": (*world).opCoverage,
		"meter": (*world).opMeter, "event": (*world).opEvent, "listen": (*world).opListen, "heard": (*world).opHeard,
	} {
		operations[name] = run
	}
}

// rates reads "feature amount[/per] [dim=v|w]" items, the first from word number from.
func rates(items []*item, from int) (out []bursar.Rate) {
	for i, it := range items {
		if i == 0 {
			it.words = it.words[min(from, len(it.words)):]
		}
		price, per, _ := strings.Cut(it.word(1), "/")
		a, err := bursar.AmountFromString(price)
		if err != nil {
			it.op.bad = err.Error()
		}
		r := bursar.Rate{FeatureID: it.word(0), Amount: a, Per: int64(it.number(per, 1))}
		for _, d := range it.dims() {
			if r.Match == nil {
				r.Match = map[string][]string{}
			}
			r.Match[d.Key] = strings.Split(d.Value, "|")
		}
		out = append(out, r)
	}
	return out
}

// opCard is "archive id" or "id currency rate; rate…" with from= in the first item.
func (w *world) opCard(o *op) error {
	it := o.item()
	if it.word(0) == "archive" {
		_, err := w.engine.ArchiveRateCard(w.t.Context(), tester, it.word(1))
		return err
	}
	from, _ := it.take("from")
	in := catalogue.RateCardInput{ID: it.word(0), CurrencyID: it.word(1), DisplayName: it.word(0)}
	in.EffectiveFrom = w.instant(it, from)
	in.Rates = rates(o.items, 2)
	_, err := w.engine.CreateRateCard(w.t.Context(), tester, in)
	return err
}

// opPrice adds a version: "card rate; rate…" with from= and corrects= in the first item.
func (w *world) opPrice(o *op) error {
	it := o.item()
	from, _ := it.take("from")
	corrects, _ := it.take("corrects")
	in := catalogue.RateVersionInput{EffectiveFrom: w.instant(it, from), Corrects: it.number(corrects, 0)}
	card := it.word(0)
	in.Rates = rates(o.items, 1)
	c, err := w.engine.AddRateVersion(w.t.Context(), tester, card, in)
	if err == nil {
		w.printf("version %d\n", len(c.Versions))
	}
	return err
}

func (w *world) opUnpriced(*op) error {
	for _, u := range w.engine.Unpriced() {
		w.printf("%s in %s %v: %d times\n", u.FeatureID, u.CurrencyID, u.Dimensions, u.Count)
	}
	return nil
}

// opGrant is "name currency amount [promotional] [priority=] [from=] [until=]".
func (w *world) opGrant(o *op) error {
	it := o.item()
	from, _ := it.take("from")
	until, _ := it.take("until")
	priority, _ := it.take("priority")
	customer, _ := it.take("customer")
	in := bursar.GrantInput{CustomerID: cmp.Or(customer, "acme"), DisplayName: it.word(0), CurrencyID: it.word(1), Amount: it.amount(2), Type: bursar.GrantPaid,
		EffectiveAt: w.instant(it, from), ExpireAt: w.instant(it, until), Priority: it.number(priority, 0), Cost: bursar.Money{Currency: "usd"}}
	if it.flag("promotional") {
		in.Type = bursar.GrantPromotional
	}
	g, _, err := w.engine.CreateGrant(w.t.Context(), tester, in)
	if err == nil {
		w.printf("%s\n", g.Status)
	}
	return err
}

func (w *world) grants(currency string) []bursar.Grant {
	p, _, err := w.engine.Grants(w.t.Context(), ledger.ReadOptions{}, ledger.GrantQuery{CustomerID: "acme", CurrencyID: currency, ListPage: ledger.ListPage{Limit: 1000}})
	w.must(err)
	slices.SortStableFunc(p.Items, func(a, b bursar.Grant) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.DisplayName, b.DisplayName))
	})
	return p.Items
}

func (w *world) opVoid(o *op) error {
	id := "01940000-0000-7000-8000-000000000000"
	for _, g := range w.grants("") {
		if g.DisplayName == o.item().word(0) {
			id = g.ID
		}
	}
	g, _, err := w.engine.VoidGrant(w.t.Context(), tester, id)
	if err == nil {
		w.printf("%s\n", g.Status)
	}
	return err
}

func (w *world) opGrants(o *op) error {
	for _, g := range w.grants(o.item().word(0)) {
		w.printf("%s: %s of %s %s %s %s", g.DisplayName, g.Consumed, g.Amount, g.CurrencyID, g.Type, g.Status)
		w.printf("%s%s\n", mark(g.Priority != 0, fmt.Sprint(", priority ", g.Priority)), mark(g.ExpireAt != 0, ", until "+instantText(g.ExpireAt)))
	}
	return nil
}

// opPool shows the gate of currencies.
func (w *world) opPool(o *op) error {
	for _, id := range o.item().words {
		d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(id)}})
		if err != nil {
			return err
		}
		g := d[0].Gate
		w.printf("%s: %s used of %s granted%s, %s left\n", id, g.CurrentUsage, g.UsageLimit, mark(!g.Reserved.IsZero(), ", "+g.Reserved.String()+" held"),
			g.UsageLimit.Sub(g.CurrentUsage).Sub(g.Reserved))
	}
	return nil
}

func (w *world) opConsumption(o *op) error {
	var in []bursar.UsageInput
	for _, it := range o.items {
		key, _ := it.take("key")
		ts, _ := it.take("ts")
		in = append(in, bursar.UsageInput{CustomerID: "acme", IdempotencyKey: key, Timestamp: w.instant(it, ts), CurrencyID: it.word(0), Value: it.amount(1), Dimensions: it.dims()})
	}
	items := itemsOf(in)
	if _, err := w.engine.ReportConsumption(w.t.Context(), tester, "/consumptions", items); err != nil {
		return err
	}
	for i := range items {
		w.printUsage(&items[i])
	}
	return nil
}

// opPromote is "feature limit [period=lifetime] [reset=] [by=] [until=] [soft]"; "-" is
// unlimited.
func (w *world) opPromote(o *op) error {
	var in []bursar.PromotionInput
	for _, it := range o.items {
		p := bursar.PromotionInput{FeatureID: it.word(0), Period: "lifetime"}
		if it.word(1) == "-" {
			p.Unlimited = true
		} else {
			a := it.amount(1)
			p.UsageLimit = &a
		}
		p.Soft = it.flag("soft")
		for k, v := range it.pairs {
			switch k {
			case "period":
				p.Period = strings.ReplaceAll(v, "_", " ")
			case "reset":
				p.ResetPeriod = v
			case "by":
				p.AccordingTo = v
			case "until":
				p.Period, p.CustomEnd = "custom", w.instant(it, v)
			default:
				o.bad = "an entitlement has no " + k
			}
		}
		in = append(in, p)
	}
	_, _, err := w.engine.PutPromotions(w.t.Context(), tester, "acme", in)
	return err
}

func (w *world) opDemote(o *op) error {
	_, _, err := w.engine.DeletePromotion(w.t.Context(), tester, "acme", o.item().word(0))
	return err
}

func (w *world) opPromotions(*op) error {
	list, _, err := w.engine.Promotions(w.t.Context(), ledger.ReadOptions{}, "acme")
	for _, p := range list {
		w.printf("%s: %s %s", p.FeatureID, limitText(p.UsageLimit), p.Status)
		w.printf("%s%s\n", mark(p.EndDate != 0, " until "+instantText(p.EndDate)), mark(p.ResetPeriod != "", ", resets each "+p.ResetPeriod))
		d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(p.FeatureID)}})
		if err != nil {
			return err
		}
		if g := d[0].Gate; g.Promotion != nil {
			w.printf("  %s used%s%s\n", g.CurrentUsage, mark(!g.Reserved.IsZero(), ", "+g.Reserved.String()+" held"),
				mark(g.ResetsAt != 0, " from "+instantText(g.PeriodStart)+" until "+instantText(g.ResetsAt)))
		}
	}
	return err
}

// assignmentOf finds "entity capability [label= scope=]".
func (w *world) assignmentOf(it *item) string {
	scope, _ := it.take("scope")
	label, _ := it.take("label")
	for _, a := range w.assignments() {
		if a.EntityID == it.word(0) && a.Capability.ID == it.word(1) && a.Label == label && strings.Join(a.ScopeEntityIDs, ",") == scope {
			return a.ID
		}
	}
	p, err := w.tree(ledger.TreeQuery{Capabilities: allCapabilities, SortBy: ledger.SortID, Limit: 1000})
	w.must(err)
	for i := range p.Rows { // it may be by default
		if l := p.Rows[i].Limit; l.DefaultOf != nil && p.Rows[i].EntityID == it.word(0) && l.Capability.ID == it.word(1) && l.Label == label {
			return l.AssignmentID
		}
	}
	return "01940000-0000-7000-8000-000000000000"
}

// opBoost is "entity capability amount [until=] [name=] [label= scope=]".
func (w *world) opBoost(o *op) error {
	it := o.item()
	until, _ := it.take("until")
	name, _ := it.take("name")
	in := bursar.BoostInput{Amount: it.amount(2), ExpiresAt: w.instant(it, until)}
	in.FundedBy, _ = it.take("from")
	if name != "" {
		in.Reason = &name
	}
	b, _, err := w.engine.CreateBoost(w.t.Context(), tester, "acme", w.assignmentOf(it), in)
	if err == nil {
		w.printf("until %s\n", instantText(b.ExpiresAt))
	}
	return err
}

func (w *world) opUnboost(o *op) error {
	it := o.item()
	row := w.assignmentOf(it)
	list, _, err := w.engine.Boosts(w.t.Context(), ledger.ReadOptions{}, "acme", row)
	id := "01940000-0000-7000-8000-000000000000"
	for _, b := range list {
		if b.Reason != nil && *b.Reason == it.word(2) {
			id = b.ID
		}
	}
	if err == nil {
		_, _, err = w.engine.EndBoost(w.t.Context(), tester, "acme", row, id)
	}
	return err
}

func (w *world) opBoosts(o *op) error {
	list, _, err := w.engine.Boosts(w.t.Context(), ledger.ReadOptions{}, "acme", w.assignmentOf(o.item()))
	for _, b := range list {
		reason := ""
		if b.Reason != nil {
			reason = " " + *b.Reason
		}
		w.printf("%s%s from %s until %s", b.Amount, reason, instantText(b.CreatedAt), instantText(b.ExpiresAt))
		if b.EndedAt != nil {
			w.printf(", ended %s", instantText(*b.EndedAt))
		}
		if b.FundedBy != "" {
			w.printf(", funded by %s", b.FundedBy)
		}
		w.printf("\n")
	}
	return err
}

func (w *world) opAllocation(o *op) error {
	it := o.item()
	list, _, _, err := w.engine.Allocations(w.t.Context(), ledger.ReadOptions{}, "acme", ledger.AllocationQuery{Capability: capability(it.word(0)), EntityID: it.word(1), Limit: 100})
	for _, a := range list {
		w.printf("%s: %s given out of %s to %d", limitName(a.EntityID, nil, a.Label, a.Capability), a.Allocated, limitText(a.UsageLimit), a.Children)
		if a.Unallocated != nil {
			w.printf(", %s free, %s too much", a.Unallocated, a.OverCommitted)
		}
		w.printf("%s%s\n", mark(a.Unlimited > 0, fmt.Sprintf(", %d without a number", a.Unlimited)), mark(a.Strict, ", strict"))
	}
	return err
}

func (w *world) opCoverage(*op) error {
	c, _, err := w.engine.Coverage(w.t.Context(), ledger.ReadOptions{}, "acme", 0)
	for _, t := range c.Types {
		w.printf("%s (%s): %d of %d without a limit: %s\n", t.TypeID, t.Ungoverned, t.Unlimited, t.Entities, strings.Join(t.Examples, " "))
	}
	for _, u := range c.Usage {
		w.printf("%s: %s of %s ungoverned, %s untold\n", u.Capability, u.Ungoverned, u.Used, u.Untold)
		for _, s := range u.Types {
			w.printf("  %s: %s of %s", cmp.Or(s.TypeID, "nobody"), s.Ungoverned, s.Used)
			for _, e := range s.Examples {
				w.printf(", %s %s", e.EntityID, e.Ungoverned)
			}
			w.printf("\n")
		}
	}
	return err
}

// opMeter is "feature event function [field]; field operation value; …": the conditions
// of one filter.
func (w *world) opMeter(o *op) error {
	it := o.item()
	m := bursar.Meter{EventName: it.word(1), Aggregation: bursar.Aggregation{Function: it.word(2), Field: it.word(3)}}
	var f bursar.MeterFilter
	for _, c := range o.items[1:] {
		cond := bursar.MeterCondition{Field: c.word(0), Operation: c.word(1)}
		if v := c.word(2); cond.Operation == "IN" {
			cond.Values = strings.Split(v, ",")
		} else if v != "" {
			cond.Value = &v
		}
		f.Conditions = append(f.Conditions, cond)
	}
	if len(f.Conditions) > 0 {
		m.Filters = append(m.Filters, f)
	}
	_, err := w.engine.CreateFeature(w.t.Context(), tester, bursar.Feature{ID: it.word(0), DisplayName: it.word(0), Meter: &m})
	return err
}

// opEvent is "name key=… [ts=] property=value…"; numbers are numbers.
func (w *world) opEvent(o *op) error {
	var in []bursar.EventInput
	for i, it := range o.items {
		key, _ := it.take("key")
		ts, _ := it.take("ts")
		customer, _ := it.take("customer")
		call, _ := it.take("call")
		e := bursar.EventInput{CustomerID: cmp.Or(customer, "acme"), EventName: it.word(0), IdempotencyKey: cmp.Or(key, fmt.Sprint(w.clock(), o.name, i, it.word(0), it.pairs)), Timestamp: w.instant(it, ts), CallID: call}
		e.Illegible = it.flag("illegible")
		if of, ok := it.take("of"); ok {
			e.ReservationID = w.hold(of)
		}
		e.Dimensions = it.properties()
		in = append(in, e)
	}
	results, _, err := w.engine.ReportEvents(w.t.Context(), tester, in)
	for i, r := range results {
		if o.name == "report" {
			w.printf("%s%s%s%s\n", in[i].EventName, usedText(r.Used), mark(r.ReservationID != "", ", ends "+w.heldName(r.ReservationID)), mark(r.Duplicate, ", duplicate")+warningsText(r.Warnings))
		} else if len(r.Warnings) > 0 {
			w.printf("%s%s\n", in[i].EventName, warningsText(r.Warnings))
		}
	}
	return err
}

// properties are the pairs that are left; numbers are numbers.
func (it *item) properties() []bursar.Dimension {
	dims := it.dims()
	for i := range dims {
		if _, err := bursar.AmountFromString(dims[i].Value); err == nil {
			dims[i].Kind = bursar.DimNumber
		}
	}
	return dims
}

// opListen makes an endpoint that hears of the types given, or of all alerts and credits.
func (w *world) opListen(o *op) error {
	types := o.item().words
	if len(types) == 0 {
		types = []string{bursar.EventUsageExceeded, bursar.EventUsageRecovered, bursar.EventCreditsLow, bursar.EventGrantDepleted,
			bursar.EventCreditsExpired, bursar.EventCreditsGranted, bursar.EventReservationExpired}
	}
	_, err := w.engine.CreateWebhook(w.t.Context(), tester, catalogue.WebhookInput{URL: "https://example.com", EventTypes: types})
	return err
}

// opHeard shows the messages that wait, in order, also those to people, and takes them as delivered.
func (w *world) opHeard(*op) error {
	due, err := w.engine.DueDeliveries(w.t.Context(), func(string) int { return 1000 })
	if err != nil {
		return err
	}
	var done []store.Delivery
	for _, d := range due {
		if catalogue.ToPeople(d.EndpointID) {
			w.printf("%s\n", told(&d))
			d.Status = store.DeliverySucceeded
			done = append(done, d.Delivery)
			continue
		}
		var m struct {
			Type string
			Data map[string]any
		}
		w.must(json.Unmarshal(d.Body, &m))
		for _, k := range []string{"assignmentId", "grantId", "creditGrantId", "reservationId", "customerId"} {
			delete(m.Data, k)
		}
		if r, ok := m.Data["boostRequest"].(map[string]any); ok {
			delete(r, "id")
			delete(r, "assignmentId")
			delete(r, "boostId")
		}
		data, err := json.Marshal(m.Data)
		w.must(err)
		w.printf("%s %s\n", m.Type, data)
		d.Status = store.DeliverySucceeded
		done = append(done, d.Delivery)
	}
	if len(due) == 0 {
		w.printf("nothing\n")
	}
	return w.engine.SaveDeliveries(w.t.Context(), done)
}
