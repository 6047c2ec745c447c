package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type putDefaults struct {
	Customer string
	In       []bursar.DefaultInput
}

func (a putDefaults) run(w *world) string {
	got, v, err := w.engine.PutDefaults(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putDefaults(a.Customer, a.In)
	if d := first(diffErr(err, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d defaults, model %d", len(got), len(want))
	}
	for i := range got {
		if d := first(w.bind("defaults of "+a.Customer, got[i].ID, want[i].ID), diff(w.defaultLimit(got[i]), want[i])); d != "" {
			return fmt.Sprintf("default %d: %s", i, d)
		}
	}
	return w.sawVersion(a.Customer, v)
}

func (w *world) defaultLimit(x bursar.Default) bursar.Default {
	x.ID = w.modelID(x.ID)
	return x
}

// deleteDefault names a default by its place.
type deleteDefault struct {
	Customer string
	Ref      int
}

func (a deleteDefault) run(w *world) string {
	id := "l-unknown"
	if c := w.model.customers[a.Customer]; c != nil && a.Ref < len(c.defaults) {
		id = c.defaults[a.Ref].id
	}
	got, v, err := w.engine.DeleteDefault(w.ctx, caller, a.Customer, w.engineID(id))
	want, f := w.model.deleteDefault(a.Customer, id)
	if d := first(reply(w.defaultLimit(got), err, want, f), w.diffAllocation(err, f)); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listDefaults struct{ Customer string }

func (a listDefaults) run(w *world) string {
	got, _, err := w.engine.Defaults(w.ctx, w.fresh(a.Customer), a.Customer)
	want, f := w.model.listDefaults(a.Customer)
	got = slices.Clone(got)
	for i := range got {
		got[i] = w.defaultLimit(got[i])
	}
	return reply(got, err, want, f)
}

// source is x with the model's id.
func (w *world) source(x *bursar.DefaultSource) *bursar.DefaultSource {
	if x == nil {
		return nil
	}
	y := *x
	if y.DefaultID = w.modelID(y.DefaultID); y.Metadata == nil {
		y.Metadata = map[string]string{}
	}
	return &y
}

// isGiven tells of an id of the engine that it is of a limit by default.
func isGiven(id string) bool { return len(id) == 36 && id[14] == '8' }

// learn asks what the limits by default are called: nothing made them that could have told.
func (w *world) learn() {
	for _, id := range sortedKeys(w.model.customers) {
		if len(w.model.customers[id].defaults) == 0 {
			continue
		}
		q := ledger.TreeQuery{SortBy: ledger.SortID, IncludeArchived: true, Limit: 1000}
		for _, f := range featureNames {
			q.Capabilities = append(q.Capabilities, featureOf(f))
		}
		for _, x := range currencyNames {
			q.Capabilities = append(q.Capabilities, currencyOf(x))
		}
		for {
			page, err := w.engine.Tree(w.ctx, w.fresh(id), id, q)
			if err != nil {
				panic(err)
			}
			for _, row := range page.Rows {
				if l := row.Limit; l.DefaultOf != nil {
					name := w.model.customers[id].givenID(naturalKey{row.EntityID, l.Capability, "", l.Label})
					if old := w.toEngine[name]; old != "" && old != l.AssignmentID {
						panic(fmt.Sprintf("%s is called %s, and before %s", name, l.AssignmentID, old))
					}
					w.toEngine[name], w.toModel[l.AssignmentID] = l.AssignmentID, name
				}
			}
			if q.After = page.Next; page.Next == nil {
				break
			}
		}
	}
}

// ordered puts rows of one entity that are equal by the query in the order of the model's ids:
// those of limits by default are the engine's own.
func ordered(rows []ledger.TreeRow, created map[string]bursar.Time, q ledger.TreeQuery) []ledger.TreeRow {
	of := func(r ledger.TreeRow) bursar.Time { return created[r.Limit.AssignmentID] }
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[i].Limit != nil && rows[j].EntityID == rows[i].EntityID && compareBy(rows[i], rows[j], of(rows[i]), of(rows[j]), q) == 0 {
			j++
		}
		slices.SortFunc(rows[i:j], func(a, b ledger.TreeRow) int {
			if a.Limit == nil {
				return 0
			}
			return strings.Compare(a.Limit.AssignmentID, b.Limit.AssignmentID)
		})
		i = j
	}
	return rows
}

// allAssignments walks all pages of a list, for a customer whose limits came from defaults:
// those have ids from before they were the entity's own.
func (w *world) allAssignments(a listAssignments) string {
	want, f := w.model.listAssignments(a.Customer, ledger.AssignmentQuery{EntityID: a.Q.EntityID, Capability: a.Q.Capability, Label: a.Q.Label,
		ListPage: ledger.ListPage{Limit: 1 << 20}})
	var got []bursar.Assignment
	for q := a.Q; ; {
		page, _, err := w.engine.Assignments(w.ctx, w.fresh(a.Customer), a.Customer, q)
		if d := diffErr(err, f); d != "" || f != nil {
			return d
		}
		for _, x := range page.Items {
			got = append(got, w.assignment(x))
		}
		if !page.HasNext {
			break
		}
		q.After = &ledger.ListPos{ID: page.Items[len(page.Items)-1].ID}
	}
	slices.SortFunc(got, func(x, y bursar.Assignment) int { return strings.Compare(x.ID, y.ID) })
	if len(got) == 0 && len(want.Items) == 0 {
		return ""
	}
	return diff(got, want.Items)
}
