package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// Usage of which a count was not understood: it is kept, and counted once there is a rule for it.

// smelt is usage with so many tokens of output, and so many of a kind that takes a rule.
type smelt struct{ output, smell int64 }

var smellRule = []bursar.UsageRule{{Member: "smell_tokens", Kind: "tokens.output"}}

// reading is what the API makes of it, for an event with other dimensions.
func (s smelt) reading() (given []bursar.Dimension, u *bursar.UnreadReading) {
	text := fmt.Sprintf(`{"smell_tokens":%d}`, s.smell)
	if s.output > 0 {
		text = fmt.Sprintf(`{"output_tokens":%d,"smell_tokens":%d}`, s.output, s.smell)
	}
	r, err := bursar.ReadUsage([]byte(text))
	if err != nil {
		panic(err)
	}
	derived, err := bursar.Derive(nil, r)
	if err != nil {
		panic(err)
	}
	return derived, r.Keep(derived)
}

// onto makes dims those of an event with that usage.
func (s smelt) onto(dims []bursar.Dimension) ([]bursar.Dimension, *bursar.UnreadReading) {
	derived, u := s.reading()
	out := slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool {
		return slices.ContainsFunc(derived, func(x bursar.Dimension) bool { return x.Key == d.Key })
	})
	return append(out, derived...), u
}

// byRule makes an event what the API makes of it when it comes again and a rule came meanwhile: one of its
// numbers is another one.
func (g *gen) byRule(x *bursar.EventInput) {
	for i, d := range x.Dimensions {
		if d.Kind == bursar.DimNumber && strings.HasPrefix(d.Key, "tokens.") { // usage is read as such
			now := bursar.Dimension{Key: d.Key, Value: pick(g.r, []string{"3", "12"}), Kind: bursar.DimNumber}
			x.Dimensions = slices.Clone(x.Dimensions)
			x.Dimensions[i], x.Derived, x.Unruled = now, []bursar.Dimension{now}, []bursar.Dimension{d}
			return
		}
	}
}

// unruled is an event as it was read before there was the rule.
func unruled(x bursar.EventInput) bursar.EventInput {
	if x.Unruled == nil {
		return x
	}
	var dims []bursar.Dimension
	for _, d := range x.Dimensions {
		if !slices.Contains(x.Derived, d) {
			dims = append(dims, d)
		}
	}
	x.Dimensions = append(dims, x.Unruled...)
	return x
}

// readUnread is how the kept text says it.
func readUnread(u *bursar.UnreadReading) (s smelt) {
	for _, form := range []string{`{"usage":{"output_tokens":%d,"smell_tokens":%d}}`, `{"smell_tokens":%[2]d}`} {
		for o := range int64(40) {
			for n := range int64(12) {
				if u.Usage == fmt.Sprintf(form, o, n) || form[2] == 's' && u.Usage == `{"smell_tokens":`+strconv.FormatInt(n, 10)+`}` {
					return smelt{o, n}
				}
			}
		}
	}
	panic("unknown usage " + u.Usage)
}

// mUnread is usage of an event that is kept.
type mUnread struct {
	x      bursar.EventInput // as it was counted
	usage  smelt
	to     attribution
	at     bursar.Time // when it happened
	priced bursar.Time
	kept   bursar.Time
	hold   *mHold // that goes on; nil = none
	open   bool   // its call is not counted
}

// keepUnread keeps what was not understood of x.
func (c *mCust) keepUnread(x bursar.EventInput, u *bursar.UnreadReading, priced, at, now bursar.Time, hold *mHold, open bool) {
	if u == nil {
		return
	}
	if hold != nil {
		said := callContent(x.EventName, x.Dimensions) + u.Usage
		if at, is := hold.call.kept[said]; is && now <= at+bursar.Time(24*time.Hour) {
			return
		}
		if hold.call.kept == nil {
			hold.call.kept = map[string]bursar.Time{}
		}
		hold.call.kept[said] = now
	}
	c.unread = append(c.unread, &mUnread{x: x, usage: readUnread(u), to: c.attribute(labelsOf(x.Dimensions)), at: at, priced: priced, kept: now, hold: hold, open: open})
	c.log.wrote(now)
}

// reread counts what is kept by the rule.
func (m *model) reread(customer string) (shown ledger.RereadCustomer) {
	c, now := m.customer(customer)
	if c == nil || len(c.unread) == 0 {
		return shown
	}
	c.log.tried(now)
	shown.Events = len(c.unread)
	var left []*mUnread
	for _, it := range c.unread {
		c.rereading, c.hushed = it, map[*mRow]bool{}
		c.rereads++
		changed, ok := m.rereadOne(c, it, now)
		c.rereading = nil
		c.payDearer(now)
		c.unhush(now)
		switch {
		case !ok:
			shown.Uncounted++
			left = append(left, it)
			continue
		case changed:
			shown.Changed++
		}
		shown.Read++
		c.log.wrote(now)
	}
	c.unread = left
	return shown
}

func (m *model) rereadOne(c *mCust, it *mUnread, now bursar.Time) (changed, ok bool) {
	is := it.x
	is.Dimensions, _ = smelt{it.usage.output + it.usage.smell, 0}.onto(it.x.Dimensions)
	if h := it.hold; h != nil {
		if h.Status == bursar.HoldCommitted || h.Status == bursar.HoldReleased {
			return false, true
		}
		if m.takesBack(it, is, true) {
			return false, false
		}
		is.CallID = ""
		m.endWith(c, now, h, is)
		return true, true
	}
	if _, known := c.doneOf(it.x); it.open && known {
		return false, true
	}
	if m.takesBack(it, it.x, false) || m.takesBack(it, is, false) {
		return false, false
	}
	changed = m.recount(c, it.x, is, it, now)
	if changed && it.open {
		c.nameCall(is, nil, now)
	}
	return changed, true
}

// takesBack: some meter reads less than 0 where it may not; any: or anywhere.
func (m *model) takesBack(it *mUnread, x bursar.EventInput, any bool) bool {
	return slices.ContainsFunc(m.metersOf(x), func(f *bursar.Feature) bool {
		a := f.Meter.Aggregation
		return !it.before(f) && (any || !f.Fluctuating()) && takes(f.Meter, x) && !unreadable(f, x) && (a.Function == "SUM" || a.Function == "MAX") && parse(property(x, a.Field).Value).Sign() < 0
	})
}

// before tells that usage was kept before there was a feature.
func (it *mUnread) before(f *bursar.Feature) bool { return it != nil && f.CreatedAt > it.kept }

// recount counts what is, and then takes back what was counted, of features that differ.
func (m *model) recount(c *mCust, was, is bursar.EventInput, it *mUnread, now bursar.Time) (changed bool) {
	type part struct {
		f     *bursar.Feature
		value string
		back  bool
	}
	value := func(f *bursar.Feature, x bursar.EventInput) (string, bool) {
		if !takes(f.Meter, x) || unreadable(f, x) {
			return "", false
		}
		if f.Meter.Aggregation.Function == "COUNT" {
			return "1", true
		}
		return property(x, f.Meter.Aggregation.Field).Value, true
	}
	var todo, then []part
	for _, f := range m.metersOf(was) {
		if it.before(f) {
			continue
		}
		old, counted := value(f, was)
		now, counts := value(f, is)
		if counted == counts && (old == now || f.Meter.Aggregation.Function != "UNIQUE" && counted && parse(old) == parse(now)) {
			continue
		}
		if counted && !extreme(f.Meter) && parse(old).Sign() != 0 {
			todo = append(todo, part{f, parse(old).Neg().String(), true})
		}
		if counts && (extreme(f.Meter) || parse(now).Sign() != 0) {
			then = append(then, part{f, now, false})
		}
	}
	dims := labelsOf(was.Dimensions)
	for _, p := range append(then, todo...) {
		changed = true
		k, at := featureOf(p.f.ID), fact{at: int64(it.at), route: it.to.route, dims: c.plain(dims)}
		switch p.f.Meter.Aggregation.Function {
		case "MAX":
			c.recordHighest(k, numOf(parse(p.value)), c.counting(it.to)(k), at, now)
		case "UNIQUE":
			c.recordDistinct(k, p.value, c.counting(it.to)(k), at, now)
		default:
			costs, _ := c.charges(k, numOf(parse(p.value)), m.pricesOf(k.ID, dims, it.priced))
			c.spend(k, numOf(parse(p.value)), costs, c.counting(it.to), at, now)
			c.moveLevels(k, it.to.route, numOf(parse(p.value)))
		}
		c.log.wrote(now)
	}
	return changed
}

// olderThan are the rows that there were at an instant.
func olderThan(rows []*mRow, at bursar.Time) []*mRow {
	return slices.DeleteFunc(slices.Clone(rows), func(r *mRow) bool { return r.created > at })
}

// dearer is by how much more a feature costs of a currency.
type dearer struct {
	currency, feature string
	by                num
}

// payDearer moves each pool by the sum of what was counted anew and taken back: for the features
// that are dearer, or cheaper, as the sum is, one after the other until the sum is reached.
func (c *mCust) payDearer(now bursar.Time) {
	list := c.dearer
	c.dearer = nil
	for len(list) > 0 {
		currency := list[0].currency
		var all num
		var features []string
		by := map[string]num{}
		var others []dearer
		for _, x := range list {
			if x.currency != currency {
				others = append(others, x)
				continue
			}
			all = all.add(x.by)
			if !slices.Contains(features, x.feature) {
				features = append(features, x.feature)
			}
			by[x.feature] = by[x.feature].add(x.by)
		}
		for _, f := range features {
			switch d := by[f]; {
			case all.sign() > 0 && d.sign() > 0:
				d = lesser(d, all)
				c.draw(currency, d, now)
				all = all.sub(d)
			case all.sign() < 0 && d.sign() < 0:
				d = greater(d, all)
				c.draw(currency, d, now)
				all = all.sub(d)
			}
		}
		list = others
	}
}

// unhush lets alerts be judged that waited for the whole.
func (c *mCust) unhush(now bursar.Time) {
	rows := c.hushed
	c.hushed = nil
	for _, r := range c.limits() {
		if rows[r] {
			c.alert(r, now)
		}
	}
}

// unreadCounts is how many events are kept, by name, model and whether anything was understood.
func (c *mCust) unreadCounts() map[string]int64 {
	out := map[string]int64{}
	if c == nil {
		return out
	}
	for _, it := range c.unread {
		out[fmt.Sprint(it.x.EventName, " ", c.attribute(labelsOf(it.x.Dimensions)).model, " ", it.usage.output == 0)]++
	}
	return out
}

// rereadUnread says what the unread count is, and has it counted. Then it tries a limit out on all that was used.
type rereadUnread struct {
	Customer string
	Tried    backtest
}

func (a rereadUnread) run(w *world) string {
	in := catalogue.SettingsPatch{UsageRules: bursar.Some(smellRule)}
	got, err := w.engine.UpdateSettings(w.ctx, caller, in)
	if d := reply(got, err, w.model.updateSettings(in), nil); d != "" {
		return d
	}
	if w.model.customers[a.Customer] == nil {
		return ""
	}
	r, err := w.engine.Reread(w.ctx, caller, ledger.RepriceInput{CustomerID: a.Customer, Apply: true, From: epoch - 365*24*3600e9, To: epoch + 100*365*24*3600e9})
	if err != nil {
		return err.Error()
	}
	want := w.model.reread(a.Customer)
	if d := diff([]int{r.Total.Events, r.Total.Read, r.Total.Changed, r.Total.Lost, r.Total.Uncounted}, []int{want.Events, want.Read, want.Changed, 0, want.Uncounted}); d != "" {
		return d
	}
	return a.Tried.run(w)
}

func genReread(g *gen) action {
	id := g.customer()
	return rereadUnread{id, backtest{id, g.live(g.known(id)), pick(g.r, []string{"reply", "reply", "reply", "summed", "peak", "tokens"}), g.now - bursar.Time(g.r.Int64N(int64(20*24*time.Hour)))}}
}

// readUnreadUsage compares how much is kept.
type readUnreadUsage struct{ Customer string }

func (a readUnreadUsage) run(w *world) string {
	if w.model.customers[a.Customer] == nil {
		return ""
	}
	list, _, err := w.engine.Unread(w.ctx, w.fresh(a.Customer), a.Customer)
	if err != nil {
		return err.Error()
	}
	got := map[string]int64{}
	for _, u := range list.Items {
		got[fmt.Sprint(u.EventName, " ", u.Model, " ", slices.Contains(u.Names, ""))] += u.Count
	}
	c, _ := w.model.customer(a.Customer)
	return diff(got, c.unreadCounts())
}

func genReadUnread(g *gen) action { return readUnreadUsage{g.customer()} }

// keptLong tells that a reservation has kept unread usage for so long that nobody can tell when it is forgotten what
// was said.
func (g *gen) keptLong(h *mHold) bool {
	for _, at := range h.call.kept {
		if g.now > at+bursar.Time(20*time.Hour) {
			return true
		}
	}
	return false
}

// smell makes an event one whose usage was not wholly understood.
func (g *gen) smell(dims []bursar.Dimension) ([]bursar.Dimension, *bursar.UnreadReading) {
	return smelt{pick(g.r, []int64{0, 0, 1, 3, 17}), pick(g.r, []int64{1, 2, 9})}.onto(dims)
}

// changedAt is when a total says that it changed: as what ends a reservation says it was used.
func (c *mCust) changedAt(k bursar.Capability, d num, now bursar.Time) bursar.Time {
	if it := c.rereading; it != nil && it.hold != nil && k.Kind == bursar.KindFeature && d.sign() > 0 {
		return max(c.total(k).at, it.at)
	}
	return now
}
