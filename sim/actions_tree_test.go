package sim

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type putEntities struct {
	Customer string
	In       []bursar.EntityInput
}

func (a putEntities) run(w *world) string {
	got, v, err := w.engine.PutEntities(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putEntities(a.Customer, a.In)
	if d := first(reply(got, err, want, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type patchEntity struct {
	Customer string
	In       bursar.EntityInput
}

func (a patchEntity) run(w *world) string {
	got, v, err := w.engine.PatchEntity(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.patchEntity(a.Customer, a.In)
	if d := first(reply(got, err, want, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type archiveEntities struct {
	Customer string
	IDs      []string
	Archive  bool
}

func (a archiveEntities) run(w *world) string {
	v, err := w.engine.ArchiveEntities(w.ctx, caller, a.Customer, a.IDs, a.Archive)
	f := w.model.archiveEntities(a.Customer, a.IDs, a.Archive)
	if d := first(diffErr(err, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

// fresh asks for nothing older than what was seen.
func (w *world) fresh(customer string) ledger.ReadOptions {
	return ledger.ReadOptions{MinVersion: w.version[customer]}
}

type getEntity struct{ Customer, ID string }

func (a getEntity) run(w *world) string {
	got, v, err := w.engine.Entity(w.ctx, w.fresh(a.Customer), a.Customer, a.ID)
	want, f := w.model.entity(a.Customer, a.ID)
	if d := reply(got, err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listEntities struct {
	Customer string
	Q        ledger.EntityQuery
}

func (a listEntities) run(w *world) string {
	query := func(p ledger.ListPage) ledger.EntityQuery {
		q := a.Q
		q.ListPage = p
		return q
	}
	return comparePages(pages[bursar.Entity]{
		got: func(p ledger.ListPage) (ledger.Page[bursar.Entity], error) {
			page, _, err := w.engine.Entities(w.ctx, w.fresh(a.Customer), a.Customer, query(p))
			return page, err
		},
		want: func(p ledger.ListPage) (ledger.Page[bursar.Entity], *fail) {
			return w.model.listEntities(a.Customer, query(p))
		},
		place: func(e bursar.Entity) ledger.ListPos { return ledger.ListPos{CreatedAt: e.CreatedAt, ID: e.ID} },
	}, a.Q.ListPage)
}

type putAssignments struct {
	Customer string
	In       []bursar.AssignmentInput
}

func (a putAssignments) run(w *world) string {
	got, v, err := w.engine.PutAssignments(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putAssignments(a.Customer, a.In)
	if d := first(diffErr(err, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d assignments, model %d", len(got), len(want))
	}
	for i := range got {
		under := a.Customer
		if r := w.model.customers[a.Customer].row(want[i].ID); r.taken {
			under = "what was given: " + want[i].ID // its id is from when something was counted first
		}
		if d := first(w.bind(under, got[i].ID, want[i].ID), diff(w.assignment(got[i]), want[i])); d != "" {
			return fmt.Sprintf("assignment %d: %s", i, d)
		}
	}
	return w.sawVersion(a.Customer, v)
}

// assignment is a with the model's id.
func (w *world) assignment(a bursar.Assignment) bursar.Assignment {
	a.ID, a.DefaultOf = w.modelID(a.ID), w.source(a.DefaultOf)
	a.Start = nil // the model's limits begin at 0; what that is said with is not compared
	return a
}

// rowID is the model's id of the limit with a natural key; unknown when there is none.
func (w *world) rowID(customer string, k naturalKey) string {
	if c := w.model.customers[customer]; c != nil {
		if r := c.rowByKey(k); r != nil {
			return r.id
		}
		if r := c.given[k]; r != nil && r.by != nil {
			return r.id
		}
	}
	return "a-unknown"
}

type deleteAssignment struct {
	Customer string
	Key      naturalKey
}

func (a deleteAssignment) run(w *world) string {
	id := w.rowID(a.Customer, a.Key)
	got, v, err := w.engine.DeleteAssignment(w.ctx, caller, a.Customer, w.engineID(id))
	want, f := w.model.deleteAssignment(a.Customer, id)
	if d := first(reply(w.assignment(got), err, want, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type getAssignment struct {
	Customer string
	Key      naturalKey
}

func (a getAssignment) run(w *world) string {
	id := w.rowID(a.Customer, a.Key)
	got, v, err := w.engine.Assignment(w.ctx, w.fresh(a.Customer), a.Customer, w.engineID(id))
	want, f := w.model.getAssignment(a.Customer, id)
	if d := reply(w.assignment(got), err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listAssignments struct {
	Customer string
	Q        ledger.AssignmentQuery
}

func (a listAssignments) run(w *world) string {
	if c := w.model.customers[a.Customer]; c != nil && c.taken {
		return w.allAssignments(a)
	}
	query := func(p ledger.ListPage) ledger.AssignmentQuery {
		q := a.Q
		q.ListPage = p
		return q
	}
	return comparePages(pages[bursar.Assignment]{
		got: func(p ledger.ListPage) (ledger.Page[bursar.Assignment], error) {
			page, _, err := w.engine.Assignments(w.ctx, w.fresh(a.Customer), a.Customer, query(p))
			return page, err
		},
		want: func(p ledger.ListPage) (ledger.Page[bursar.Assignment], *fail) {
			return w.model.listAssignments(a.Customer, query(p))
		},
		place:    func(x bursar.Assignment) ledger.ListPos { return ledger.ListPos{ID: x.ID} },
		norm:     w.assignment,
		toEngine: w.enginePos,
	}, a.Q.ListPage)
}

func (w *world) enginePos(p ledger.ListPos) ledger.ListPos {
	p.ID = w.engineID(p.ID)
	return p
}

// readTree walks all pages of a tree query.
type readTree struct {
	Customer string
	Q        ledger.TreeQuery
}

func (a readTree) run(w *world) string {
	want, f := w.model.tree(a.Customer, a.Q)
	q, rows := a.Q, []ledger.TreeRow{}
	for n := 0; ; n++ {
		page, err := w.engine.Tree(w.ctx, w.fresh(a.Customer), a.Customer, q)
		if d := diffErr(err, f); d != "" || f != nil {
			return d
		}
		if c, now := w.model.customer(a.Customer); page.AsOf.Milli() != now.Milli() {
			return fmt.Sprintf("as of %s, model %s of %s", instant(page.AsOf), instant(now), c.info.ID)
		}
		if d := w.sawVersion(a.Customer, page.Version); d != "" {
			return d
		}
		if len(page.Rows) > q.Limit || len(page.Rows) < q.Limit && page.Next != nil {
			return fmt.Sprintf("page %d of %d has %d rows, next %q", n, q.Limit, len(page.Rows), page.Next)
		}
		for _, row := range page.Rows {
			row.Effective = nil // the model does not say what blocks from above
			if row.Limit != nil {
				l := *row.Limit
				l.AssignmentID, l.DefaultOf = w.modelID(l.AssignmentID), w.source(l.DefaultOf)
				row.Limit = &l
			}
			rows = append(rows, row)
		}
		if q.After = page.Next; page.Next == nil {
			break
		}
	}
	created := map[string]bursar.Time{}
	if c := w.model.customers[a.Customer]; c != nil {
		for _, r := range c.limits() {
			created[r.id] = r.created
		}
	}
	return diff(ordered(rows, created, a.Q), ordered(want, created, a.Q))
}

// readHistory compares a usage series: its amounts, or its running totals.
type readHistory struct {
	Customer string
	Q        ledger.HistoryQuery
}

func (a readHistory) run(w *world) string {
	w.catalogue() // attribution keys tell groups apart, and a node has a moment later what another one wrote of them
	want, most, f := w.model.history(a.Customer, a.Q)
	got, v, err := w.engine.History(w.ctx, w.fresh(a.Customer), a.Customer, a.Q)
	if f == nil && err != nil && len(want) > most {
		f = failed(bursar.CodeValidationFailed)
	}
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if len(got.Series) > most {
		return fmt.Sprintf("%d series, model at most %d", len(got.Series), most)
	}
	if slices.Contains(got.Warnings, bursar.WarnDimensions) { // the model tells any number of them apart
		return w.sawVersion(a.Customer, v)
	}
	seen := map[string]bool{}
	for _, s := range got.Series {
		name := ""
		for _, t := range s.Tags {
			name += t.Key + "=" + t.Value + "\n"
		}
		l := want[name]
		if seen[name] || l == nil {
			l = &line{intervals: map[bursar.Time]num{}}
		}
		seen[name] = true
		if d := l.compare(s.Points, a.Q.Running); d != "" {
			return fmt.Sprintf("series %q: %s", name, d)
		}
	}
	for name, l := range want {
		if d := l.compare(nil, a.Q.Running); !seen[name] && d != "" {
			return fmt.Sprintf("series %q is missing: %s", name, d)
		}
	}
	return w.sawVersion(a.Customer, v)
}

// compare takes an interval that is not listed as one without a change.
func (l *line) compare(points []ledger.Point, running bool) string {
	sum, last := l.from, bursar.Time(-1<<63)
	for _, p := range points {
		if p.Timestamp <= last {
			return fmt.Sprintf("points are not in order at %s", instant(p.Timestamp))
		}
		amount := l.intervals[p.Timestamp]
		last, sum = p.Timestamp, sum.add(amount)
		value := amount
		if running {
			value = sum
		}
		if running && l.since != nil {
			value = l.total(l.end(p.Timestamp))
		}
		if value.amount() != p.Value {
			return fmt.Sprintf("%s at %s, model %s", p.Value, instant(p.Timestamp), value)
		}
	}
	for t, amount := range l.intervals {
		if amount.sign() != 0 && !hasPoint(points, t) {
			return fmt.Sprintf("no point at %s, model %s", instant(t), amount)
		}
	}
	return ""
}

// total is the running total at the end of an interval, of the window that this is in.
func (l *line) total(end bursar.Time) num {
	var sum num
	for _, f := range l.all {
		if at := floorTo(f.at, quarter); at >= l.since(end-1) && at < int64(end) {
			sum = sum.add(f.amount)
		}
	}
	return sum
}

func hasPoint(points []ledger.Point, t bursar.Time) bool {
	for _, p := range points {
		if p.Timestamp == t {
			return true
		}
	}
	return false
}
