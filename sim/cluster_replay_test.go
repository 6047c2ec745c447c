package sim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// replayer replays what one customer's requests were answered, in the order of the log,
// against the model at the instants of the log's commits.
//
// The version of a reply says which commit it belongs to, and the commit's records in
// which order the requests that had an effect were decided. What had none (denials,
// duplicates, errors, checks) fits any place of its version whose state explains it.
type replayer struct {
	*world
	customer string
	rows     []loggedCommit
}

// loggedCommit is a row of the log.
type loggedCommit struct {
	head  store.Head
	deeds []deed
}

func readCommits(ctx context.Context, s store.Store, stream string) (rows []loggedCommit, err error) {
	err = s.ReadLog(ctx, stream, 0, 0, func(r store.LogRow) error {
		steps, err := deeds(r)
		rows = append(rows, loggedCommit{r.Head, steps})
		return err
	})
	return rows, err
}

// newReplayer makes one with a model that has the cluster's catalogue.
func newReplayer(customer string, rows []loggedCommit) *replayer {
	w := &world{model: newModel(horizon), toModel: map[string]string{}, toEngine: map[string]string{}, newest: map[string]string{}, version: map[string]uint64{}}
	w.model.clock = epoch
	_, f := w.model.putEntityTypes(clusterTypes)
	for _, id := range clusterFeatures {
		if f == nil {
			_, f = w.model.createFeature(newFeature(id))
		}
	}
	if f == nil {
		_, f = w.model.createCurrency(bursar.Currency{ID: "credits", DisplayName: "Credits", Prepaid: true})
	}
	if f != nil {
		panic(f.String())
	}
	return &replayer{world: w, customer: customer, rows: rows}
}

// effect is a request at its place in the log.
type effect struct {
	index int
	*exchange
}

// place finds the effects of each commit, and of those that left none the version. What
// the log has and nobody was told is a difference.
func (r *replayer) place(all []*exchange) (effects map[uint64][]effect, idle map[uint64][]*exchange, difference string) {
	type name struct {
		kind deedKind
		id   string
	}
	type position struct {
		seq   uint64
		index int
		taken bool
	}
	logged := map[name][]*position{}
	for _, row := range r.rows {
		for _, s := range row.deeds {
			n := name{s.Kind, s.ID}
			logged[n] = append(logged[n], &position{row.head.Seq, s.Index, false})
		}
	}
	effects, idle = map[uint64][]effect{}, map[uint64][]*exchange{}
	for _, c := range all {
		kind, id, ok := c.leaves(c)
		var at *position
		for _, p := range logged[name{kind, id}] {
			if ok && !p.taken && (c.tries > 1 || p.seq == c.version) {
				at = cmp.Or(at, p)
				p.taken = p == at || kind == deedGovern
			}
		}
		switch {
		case at != nil:
			effects[at.seq] = append(effects[at.seq], effect{at.index, c})
			for _, more := range c.items() {
				for _, p := range logged[name{kind, more}] {
					p.taken = true
				}
			}
		case ok && c.tries == 1 && kind != deedGovern: // governance that changes nothing leaves nothing
			return nil, nil, fmt.Sprintf("not in the log at its version: %v", c)
		default:
			c.idle = true
			idle[c.version] = append(idle[c.version], c)
		}
	}
	for n, ps := range logged {
		for _, p := range ps {
			if !p.taken && n.kind != deedExpire && n.kind != deedGovern {
				return nil, nil, fmt.Sprintf("commit %d has a %s of %s that nobody was told of", p.seq, n.kind, n.id)
			}
		}
	}
	return effects, idle, ""
}

// run replays everything and gives the first difference.
func (r *replayer) run(all []*exchange) string {
	effects, idle, difference := r.place(all)
	if difference != "" {
		return difference
	}
	for _, row := range r.rows {
		r.model.clock = row.head.Now
		clear(r.model.told)
		waiting := idle[row.head.Seq]
		delete(idle, row.head.Seq)
		list := effects[row.head.Seq]
		slices.SortFunc(list, func(a, b effect) int { return a.index - b.index })
		waiting = r.explain(waiting)
		for _, e := range list {
			if d := e.replay(r, e.exchange); d != "" {
				return fmt.Sprintf("commit %d at %s, record %d: %s\n%v", row.head.Seq, instant(row.head.Now), e.index, d, e.exchange)
			}
			waiting = r.explain(waiting)
		}
		if c, _ := r.model.customer(r.customer); c != nil {
			c.untold = nil
		}
		for _, x := range waiting {
			if d := r.later(x, row.head.Now); d != "" {
				return fmt.Sprintf("after commit %d at %s: %s\n%v", row.head.Seq, instant(row.head.Now), d, x)
			}
		}
	}
	for v, list := range idle {
		if v != 0 {
			return fmt.Sprintf("version %d is not in the log: %v", v, list[0])
		}
	}
	return ""
}

// explain leaves what the state of this moment does not explain.
func (r *replayer) explain(waiting []*exchange) []*exchange {
	return slices.DeleteFunc(waiting, func(x *exchange) bool {
		_, read := x.asking.(askCheck)
		return !read && x.replay(r, x) == ""
	})
}

// clockSlack is how far a node's estimate of the database's clock may be off this
// process's, on one machine.
const clockSlack = bursar.Time(250 * time.Millisecond)

// later looks for an instant between the commit and the reply at which the state of the
// commit explains x: time alone ends windows, reservations and boosts, also the one that x
// asks for.
func (r *replayer) later(x *exchange, from bursar.Time) (difference string) {
	c := r.model.customers[r.customer]
	if c == nil {
		return "there was no such customer yet"
	}
	ask := func() string { return x.replay(r, x) }
	if difference = r.at(c, from, ask); difference == "" {
		return ""
	}
	until := bursar.Time(x.ended) + clockSlack
	var instants []bursar.Time
	if b, ok := x.asking.(askBoost); ok {
		instants = append(instants, *b.in.ExpiresAt) // a boost of the past is refused
	}
	for _, h := range c.open {
		instants = append(instants, h.ExpiresAt)
	}
	for _, row := range c.rows {
		for t := from; ; {
			if t = bursar.Time(row.window(int64(t)).end); t > until {
				break
			}
			instants = append(instants, t)
		}
		for _, b := range row.boosts {
			instants = append(instants, b.ExpiresAt)
		}
	}
	slices.Sort(instants)
	for _, t := range slices.Compact(instants) {
		if from < t && t <= until && r.at(c, t, ask) == "" {
			return ""
		}
	}
	return difference
}

// at asks f as if it were t, without t's consequences for the model.
func (r *replayer) at(c *mCust, t bursar.Time, f func() string) string {
	open, clock := c.open, r.model.clock
	ended := func(h *mHold) bool { return h.ExpiresAt <= t }
	for _, h := range open {
		if ended(h) {
			c.hold(h, -1)
		}
	}
	c.open = slices.DeleteFunc(slices.Clone(open), ended)
	r.model.clock = t
	d := f()
	r.model.clock, c.open = clock, open
	for _, h := range open {
		if ended(h) {
			c.hold(h, 1)
		}
	}
	return d
}

// trial runs what may change entities and limits of the customer, and takes it back
// unless f agrees.
func (r *replayer) trial(f func() string) string {
	c := r.model.customers[r.customer]
	if c == nil {
		return f()
	}
	entities, log, undo := maps.Clone(c.entities), c.log, c.keepRows()
	rows := slices.Clone(c.rows)
	d := f()
	if d != "" {
		undo()
		c.entities, c.log, c.rows = entities, log, rows
	}
	return d
}

// backInTime finds replies that are older than what somebody had already been told when
// they were asked for or, of a check that accepts an age, that long before.
func backInTime(all []*exchange) string {
	since := func(x *exchange) int64 {
		if c, ok := x.asking.(askCheck); ok {
			return x.began - c.stale*int64(time.Millisecond)
		}
		return x.began
	}
	bySent, byDone := slices.Clone(all), slices.Clone(all)
	slices.SortFunc(bySent, func(a, b *exchange) int { return cmp.Compare(since(a), since(b)) })
	slices.SortFunc(byDone, func(a, b *exchange) int { return cmp.Compare(a.ended, b.ended) })
	var newest *exchange
	for i, n := 0, 0; i < len(bySent); i++ {
		x := bySent[i]
		for ; n < len(byDone) && byDone[n].ended < since(x); n++ {
			if newest == nil || byDone[n].version > newest.version {
				newest = byDone[n]
			}
		}
		if newest != nil && x.tries == 1 && x.version != 0 && x.version < newest.version {
			return fmt.Sprintf("answered from the past: %v\nafter %v", x, newest)
		}
	}
	return ""
}
