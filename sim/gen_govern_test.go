package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// homeKeys are the attribution keys that a type has from the beginning.
func homeKeys(id string) []string {
	if id == "user" {
		return []string{"userId", "user.alt"}
	}
	return []string{id + "Id"}
}

// setup lists what every run begins with.
func (g *gen) setup() []op {
	var in []catalogue.EntityTypeInput
	for _, id := range typeNames {
		in = append(in, catalogue.EntityTypeInput{ID: id, DisplayName: id, AttributionKeys: homeKeys(id)})
		if x := g.enrolment(); chance(g.r, 3) {
			x.ParentKeys = slices.Compact(slices.Sorted(slices.Values(x.ParentKeys)))
			in[len(in)-1].Enrolment = bursar.Some(x)
		}
	}
	acts := []action{putTypes{in}}
	for _, id := range featureNames {
		acts = append(acts, createFeature{newFeature(id)})
	}
	for _, id := range currencyNames {
		acts = append(acts, createCurrency{newCurrency(id)})
	}
	for _, id := range g.customers[:4] {
		acts = append(acts, createCustomer{ID: id})
	}
	var ops []op
	for _, a := range acts {
		g.now += 1e6
		ops = append(ops, op{g.now, a})
	}
	return ops
}

func newCurrency(id string) bursar.Currency {
	return bursar.Currency{ID: id, DisplayName: "The " + id, Metadata: map[string]string{}, Prepaid: id == "prepaid" || id == "gold"}
}

func (g *gen) metadata() map[string]string {
	if !chance(g.r, 3) {
		return nil
	}
	return map[string]string{pick(g.r, []string{"a", "b"}): pick(g.r, []string{"", "1", "two"})}
}

func (g *gen) name() string { return pick(g.r, []string{"", "Anna", "Otto", "R_D", "100%", "anna b"}) }

func genPutTypes(g *gen) action {
	var in []catalogue.EntityTypeInput
	for range 1 + g.r.IntN(2) {
		x := catalogue.EntityTypeInput{ID: pick(g.r, typeNames), DisplayName: "T " + g.name()}
		x.AttributionKeys = homeKeys(x.ID)
		if chance(g.r, 6) {
			x.AttributionKeys = nil
			for range g.r.IntN(3) {
				x.AttributionKeys = append(x.AttributionKeys, pick(g.r, keyNames))
			}
		}
		x.Description = opt(g, 5, 1, g.name)
		x.Strict = opt(g, 5, 3, func() bool { return chance(g.r, 2) })
		x.Ungoverned = opt(g, 3, 2, g.ungoverned)
		x.Enrolment = opt(g, 4, 2, g.enrolment)
		in = append(in, x)
	}
	return putTypes{in}
}

func genArchiveTypes(g *gen) action {
	ids := []string{pick(g.r, append(typeNames, "region", "region", "region"))}
	if chance(g.r, 4) {
		ids = append(ids, pick(g.r, append(typeNames, "none")))
	}
	return archiveTypes{slices.Compact(ids), chance(g.r, 2)}
}

func genFeature(g *gen) action {
	switch g.r.IntN(5) {
	case 0:
		return createFeature{newFeature(pick(g.r, featureNames))}
	case 1, 2:
		return archiveFeature{g.feature(), chance(g.r, 3)}
	}
	return patchFeature{g.feature(), catalogue.FeaturePatch{
		DisplayName: opt(g, 7, 0, func() string { return "New " + g.name() }), Metadata: g.metadata(),
		Description: opt(g, 5, 2, g.name), FeatureUnits: opt(g, 5, 2, g.name), FeatureUnitsPlural: opt(g, 5, 2, g.name),
	}}
}

func genCurrency(g *gen) action {
	id := pick(g.r, append(currencyNames, "missing"))
	switch g.r.IntN(6) {
	case 0:
		return createCurrency{newCurrency(pick(g.r, currencyNames))}
	case 1, 2:
		return archiveCurrency{id, chance(g.r, 2)}
	case 3:
		return readCurrencyUsers{id}
	}
	return patchCurrency{id, catalogue.CurrencyPatch{
		DisplayName: opt(g, 7, 0, func() string { return "New " + g.name() }), Metadata: g.metadata(),
		Description: opt(g, 5, 2, g.name), Symbol: opt(g, 5, 2, g.name),
		Units: opt(g, 5, 2, func() bursar.Units { return bursar.Units{Singular: "coin", Plural: "coins"} }),
	}}
}

func genReadCatalogue(*gen) action { return readCatalogue{} }

func (g *gen) customerInput() bursar.CustomerInput {
	return bursar.CustomerInput{
		Name: opt(g, 6, 1, func() string { return "N" + g.name() }), Email: opt(g, 6, 1, func() string { return "a@b.example" }),
		Timezone: opt(g, 6, 2, g.zone), Metadata: g.metadata(),
	}
}

func (g *gen) zone() string {
	if chance(g.r, 20) {
		return "Mars/Olympus"
	}
	return pick(g.r, zoneNames)
}

func genCreateCustomer(g *gen) action {
	return createCustomer{pick(g.r, g.customers), g.customerInput()}
}
func genPatchCustomer(g *gen) action { return patchCustomer{g.customer(), g.customerInput()} }

// genArchiveCustomer brings the busy ones back soon.
func genArchiveCustomer(g *gen) action {
	for _, id := range g.customers[:3] {
		if c := g.m.customers[id]; c != nil && c.info.ArchivedAt != nil {
			return archiveCustomer{id, false}
		}
	}
	return archiveCustomer{g.customer(), chance(g.r, 5)}
}

func genGetCustomer(g *gen) action { return getCustomer{g.customer(), chance(g.r, 5)} }

func genListCustomers(g *gen) action {
	q := store.CustomerQuery{Limit: 1 + g.r.IntN(6), IncludeArchived: chance(g.r, 2)}
	switch g.r.IntN(6) {
	case 0:
		q.Email = "a@b.example"
	case 1:
		q.Name = "N" + g.name()
	case 2:
		q.CreatedFrom = g.now - bursar.Time(g.r.Int64N(max(1, int64(1+g.now-epoch))))
	case 3:
		q.Search = strings.ToUpper(string(g.customer()[0]))
	case 4:
		q.CreatedTo = g.now - bursar.Time(g.r.Int64N(max(1, int64(1+g.now-epoch))))
	}
	return listCustomers{q}
}

func (g *gen) entityInput(c *mCust) bursar.EntityInput {
	x := bursar.EntityInput{
		ID: g.entity(), Metadata: g.metadata(), DisplayName: opt(g, 7, 1, g.name), ParentID: g.parent(c),
	}
	if _, known := c.entities[x.ID]; !known || chance(g.r, 15) {
		x.EntityTypeID = pick(g.r, typeNames)
		if x.EntityTypeID == "region" && !chance(g.r, 5) {
			x.EntityTypeID = "user"
		}
		if chance(g.r, 30) {
			x.EntityTypeID = pick(g.r, []string{"", "planet"})
		}
	}
	if chance(g.r, 100) {
		x.ID = pick(g.r, []string{"archive", "-x", "a@b", ""})
	}
	return x
}

func (g *gen) parent(c *mCust) bursar.Opt[string] {
	return opt(g, 4, 1, func() string {
		if chance(g.r, 10) {
			return g.entity()
		}
		return g.live(c)
	})
}

func genPutEntities(g *gen) action {
	id := g.customer()
	c := g.known(id)
	chain := chance(g.r, 8) // each below the one before
	var in []bursar.EntityInput
	for range 1 + g.r.IntN(5) {
		x := g.entityInput(c)
		if len(in) > 0 && (chain || chance(g.r, 4)) {
			x.ParentID = bursar.Some(in[len(in)-1].ID)
		}
		if slices.ContainsFunc(in, func(y bursar.EntityInput) bool { return y.ID == x.ID }) && !chance(g.r, 20) {
			continue
		}
		in = append(in, x)
	}
	return putEntities{id, in}
}

func genPatchEntity(g *gen) action {
	id := g.customer()
	c := g.known(id)
	return patchEntity{id, bursar.EntityInput{
		ID: g.entity(), Metadata: g.metadata(), DisplayName: opt(g, 5, 1, g.name), ParentID: g.parent(c),
	}}
}

func genArchiveEntities(g *gen) action {
	a := archiveEntities{Customer: g.customer(), Archive: !chance(g.r, 3)}
	for range 1 + g.r.IntN(2) {
		a.IDs = append(a.IDs, g.entity())
	}
	if !a.Archive {
		a.IDs = append(a.IDs[:1], g.entity(), g.entity(), g.entity())
	}
	if c := g.known(a.Customer); len(c.entities) > 0 && !chance(g.r, 20) {
		a.IDs = slices.DeleteFunc(a.IDs, func(id string) bool {
			_, known := c.entities[id]
			return !known
		})
	}
	slices.Sort(a.IDs)
	if a.IDs = slices.Compact(a.IDs); len(a.IDs) == 0 {
		a.IDs = []string{g.entity()}
	}
	return a
}

func genGetEntity(g *gen) action { return getEntity{g.customer(), g.entity()} }

func genListEntities(g *gen) action {
	q := ledger.EntityQuery{ListPage: g.page(), IncludeArchived: chance(g.r, 2)}
	switch g.r.IntN(5) {
	case 0:
		q.TypeID = pick(g.r, typeNames)
	case 1:
		q.ParentID = g.entity()
	case 2:
		q.Search = pick(g.r, []string{"e1", "AN", "%", "_", "x"})
	case 3:
		q.After = &ledger.ListPos{CreatedAt: g.now.Milli() - bursar.Time(time.Duration(g.r.IntN(1000))*time.Second), ID: g.entity()}
	}
	return listEntities{g.customer(), q}
}

var limits = []string{"0", "1", "5", "10", "10", "25", "50", "100", "300", "999999999999999"}

func (g *gen) assignmentInput(c *mCust) bursar.AssignmentInput {
	x := bursar.AssignmentInput{
		EntityID: g.live(c), Capability: g.capability(), Label: pick(g.r, labels),
		UsageLimit: opt(g, 1, 1, func() bursar.Amount { return parse(pick(g.r, limits)) }),
		Cadence:    opt(g, 2, 0, func() bursar.Cadence { return randomCadence(g.r) }),
		Enforcement: opt(g, 6, 1, func() bursar.Enforcement {
			return pick(g.r, []bursar.Enforcement{bursar.Hard, bursar.Hard, bursar.Soft})
		}),
		AlertThresholds: opt(g, 7, 1, g.thresholds),
		Timezone:        opt(g, 7, 1, g.zone),
		Anchor:          opt(g, 8, 1, g.anchor),
		Allocation:      opt(g, 9, 1, func() string { return "none" }),
	}
	if chance(g.r, 30) {
		x.EntityID = g.entity()
	}
	if chance(g.r, 50) {
		x.ParentID = g.parent(c)
	}
	if c.rowByKey(keyOf(x)) == nil && !chance(g.r, 20) {
		x.UsageLimit = bursar.Some(parse(pick(g.r, limits)))
		x.Cadence = bursar.Some(randomCadence(g.r))
	}
	switch g.r.IntN(120) {
	case 0, 1:
		x.Cadence = bursar.Null[bursar.Cadence]()
	case 2:
		x.UsageLimit = bursar.Some(parse("-1"))
	case 3:
		x.Label = "no label"
	case 4:
		x.AlertThresholds = bursar.Some([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	}
	if chance(g.r, 3) {
		for range 1 + g.r.IntN(3) {
			x.ScopeEntityIDs = append(x.ScopeEntityIDs, g.live(c))
		}
	}
	if len(c.rows) > 0 && chance(g.r, 2) {
		r := pick(g.r, c.rows)
		if c.entities[r.entity].ArchivedAt != nil && !chance(g.r, 10) {
			r = pick(g.r, c.rows)
		}
		x.EntityID, x.Capability, x.Label, x.ScopeEntityIDs = r.entity, r.cap, r.label, slices.Clone(r.scope)
		slices.Reverse(x.ScopeEntityIDs)
	}
	return x
}

// genCrowd puts many limits on one entity, which it has room for only a few times.
func genCrowd(g *gen) action {
	a := putAssignments{Customer: g.customer()}
	c := g.known(a.Customer)
	x := bursar.AssignmentInput{EntityID: g.live(c), Capability: g.capability(), UsageLimit: bursar.Null[bursar.Amount](),
		Cadence: bursar.Some(randomCadence(g.r))}
	if chance(g.r, 2) { // few pairs, so that they fill up
		x.EntityID, x.ScopeEntityIDs = g.entities[0], []string{g.entities[1+g.r.IntN(2)]}
	}
	first := g.r.IntN(24)
	for i := range 4 + g.r.IntN(14) {
		x.Label = fmt.Sprint("n", first+i)
		a.In = append(a.In, x)
	}
	return a
}

func (g *gen) thresholds() []int {
	list := []int{}
	for range g.r.IntN(4) {
		list = append(list, 1+g.r.IntN(150))
	}
	if chance(g.r, 20) {
		list = append(list, pick(g.r, []int{0, 1001}))
	}
	return list
}

func (g *gen) anchor() bursar.Time {
	a := epoch + bursar.Time(g.r.Int64N(int64(800*24*time.Hour))) - bursar.Time(400*24*time.Hour)
	if chance(g.r, 2) {
		return bursar.Time(floorTo(int64(a), int64(time.Hour)))
	}
	return a
}

func genPutAssignments(g *gen) action {
	id := g.customer()
	c := g.known(id)
	var in []bursar.AssignmentInput
	for range 1 + g.r.IntN(4) {
		x := g.assignmentInput(c)
		if slices.ContainsFunc(in, func(y bursar.AssignmentInput) bool { return keyOf(y) == keyOf(x) }) && !chance(g.r, 10) {
			continue
		}
		in = append(in, x)
	}
	return putAssignments{id, in}
}

func (g *gen) rowKey(c *mCust) naturalKey {
	if len(c.rows) == 0 || chance(g.r, 30) {
		return naturalKey{entity: g.entity(), cap: g.capability()}
	}
	return pick(g.r, c.rows).key()
}

func genDeleteAssignment(g *gen) action {
	id := g.customer()
	c := g.known(id)
	if len(c.rows) < 20 && !chance(g.r, 5) {
		return getAssignment{id, g.rowKey(c)}
	}
	return deleteAssignment{id, g.rowKey(c)}
}

func genGetAssignment(g *gen) action {
	id := g.customer()
	return getAssignment{id, g.rowKey(g.known(id))}
}

func genListAssignments(g *gen) action {
	id := g.customer()
	q := ledger.AssignmentQuery{ListPage: g.page()}
	if chance(g.r, 3) {
		q.EntityID = g.live(g.known(id))
	}
	if chance(g.r, 3) {
		q.Capability = g.capability()
	}
	if chance(g.r, 4) {
		l := pick(g.r, labels)
		q.Label = &l
	}
	return listAssignments{id, q}
}

func describe(ops []op) string {
	text := ""
	for _, o := range ops {
		text += fmt.Sprintln(" ", o)
	}
	return text
}
