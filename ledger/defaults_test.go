package ledger

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// firm is a customer that requests are made of one by one.
type firm struct {
	t     *testing.T
	state *State
	cat   *catalogue.Catalogue
}

var (
	calls   = bursar.Capability{Kind: bursar.KindFeature, ID: "calls"}
	monthly = bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth})
)

// newFirm is a customer with an org o, a team each of which n users are below, and a team
// beside it that nobody is in.
func newFirm(t *testing.T, n int) *firm {
	f := &firm{t: t, state: NewState(), cat: catalogue.NewCatalogue()}
	for _, typ := range []string{"org", "team", "user"} {
		f.cat.TypeOf[typ] = &bursar.EntityType{ID: typ}
	}
	f.cat.FeatureOf[calls.ID] = &bursar.Feature{ID: calls.ID}
	d := f.decider()
	d.Emit(&record.Customer{Customer: bursar.Customer{ID: "acme"}})
	d.Merge(store.Head{Seq: 1})
	ents := []bursar.EntityInput{entityIn("o", "org", ""), entityIn("each", "team", "o"), entityIn("beside", "team", "o")}
	for i := range n {
		ents = append(ents, entityIn(fmt.Sprint("u", i), "user", "each"))
	}
	f.do(&PutEntities{In: ents})
	return f
}

func entityIn(id, typ, parent string) bursar.EntityInput {
	return bursar.EntityInput{ID: id, EntityTypeID: typ, ParentID: bursar.Some(parent)}
}

func (f *firm) decider() *Decider {
	return &Decider{View: NewView(f.state, f.state.Head.Now+1e9), Cat: f.cat}
}

// do decides one request and gives how much was looked at for it.
func (f *firm) do(o Op) int {
	f.t.Helper()
	d := f.decider()
	if _, err := d.Attempt(o); err != nil || d.Fault != nil {
		f.t.Fatal(err, d.Fault)
	}
	visits := d.Visits
	d.Merge(store.Head{Seq: f.state.Head.Seq + 1, Now: d.Now})
	return visits
}

func (f *firm) putDefaults(in ...bursar.DefaultInput) {
	f.t.Helper()
	for i := range in {
		in[i].Capability, in[i].UsageLimit, in[i].Cadence = calls, bursar.Some(bursar.AmountFromInt(1)), monthly
	}
	f.do(&PutDefaults{In: in})
}

func (f *firm) putStrict(entity string) {
	f.t.Helper()
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: entity, Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1e9)), Cadence: monthly, Allocation: bursar.Some("strict")}}})
}

func (f *firm) costs(what string, visits, most int) {
	f.t.Helper()
	if visits > most {
		f.t.Errorf("%s: %d things were looked at, want at most %d", what, visits, most)
	}
}

// What has nothing to do with what strict limits share out looks at no more where there are
// defaults than where there are none.
func TestWritesBesideDefaults(t *testing.T) {
	const users = 20_000
	t.Run("nothing is strict", func(t *testing.T) {
		f := newFirm(t, users)
		f.putDefaults(bursar.DefaultInput{EntityTypeID: "user"}, bursar.DefaultInput{EntityTypeID: "team", Metadata: map[string]string{"tier": "1"}})
		f.costs("a team changes what its default goes by",
			f.do(&PutEntities{Patch: true, In: []bursar.EntityInput{{ID: "each", Metadata: map[string]string{"tier": "1"}}}}), 100)
	})
	t.Run("no limit by default changes", func(t *testing.T) {
		f := newFirm(t, users)
		f.putDefaults(bursar.DefaultInput{EntityTypeID: "user"})
		f.putStrict("o")
		for what, in := range map[string]bursar.EntityInput{
			"a name":                              {ID: "u7", DisplayName: bursar.Some("Seven")},
			"a name of a team":                    {ID: "each", DisplayName: bursar.Some("Each")},
			"metadata that no default goes by":    {ID: "u8", Metadata: map[string]string{"tier": "1"}},
			"a new entity of a type without any":  entityIn("t2", "team", "o"),
			"an entity as it was, with its place": entityIn("u9", "user", "each"),
		} {
			f.costs(what, f.do(&PutEntities{In: []bursar.EntityInput{in}}), 100)
		}
	})
	t.Run("strict limits elsewhere", func(t *testing.T) {
		f := newFirm(t, users)
		var teams, patches []bursar.EntityInput
		var limits []bursar.AssignmentInput
		for i := range 100 {
			id := fmt.Sprint("t", i)
			teams = append(teams, entityIn(id, "team", "o"), entityIn("under-"+id, "team", id))
			patches = append(patches, bursar.EntityInput{ID: id, Metadata: map[string]string{"tier": "1"}})
		}
		for i := range users {
			limits = append(limits, bursar.AssignmentInput{EntityID: fmt.Sprint("u", i), Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly})
		}
		f.do(&PutEntities{In: teams})
		f.do(&PutAssignments{In: limits})
		f.putDefaults(bursar.DefaultInput{EntityTypeID: "team", Metadata: map[string]string{"tier": "1"}})
		f.putStrict("beside")
		f.costs("100 teams that others are below", f.do(&PutEntities{In: patches}), 500)
	})
}

// What finding the nearest default looks at counts, and defaults of other places are not looked at.
func TestNearestDefaultCounts(t *testing.T) {
	f := newFirm(t, 1)
	var tiers, elsewhere []bursar.DefaultInput
	var teams []bursar.EntityInput
	for i := range 90 {
		id := fmt.Sprint("t", i)
		teams = append(teams, entityIn(id, "team", "o"))
		elsewhere = append(elsewhere, bursar.DefaultInput{EntityID: id, EntityTypeID: "user"})
		tiers = append(tiers, bursar.DefaultInput{EntityTypeID: "user", Metadata: map[string]string{"tier": id}})
	}
	f.do(&PutEntities{In: teams})
	look := func() int {
		v := NewView(f.state, f.state.Head.Now)
		v.eachRow(v.EntOrd("u0"), 0, func(uint32, *record.Limit) {})
		return v.Visits
	}
	f.putDefaults(elsewhere...)
	f.costs("defaults of other teams", look(), 10)
	f.putDefaults(tiers...)
	if n := look(); n < 90 {
		t.Errorf("that 90 tiers are not a user's counts as %d looks", n)
	}
}

// Labels of defaults that come and go leave no rows behind that each decision looks through.
func TestFormerDefaultsAreForgotten(t *testing.T) {
	f := newFirm(t, 1)
	look := func() int {
		v := NewView(f.state, f.state.Head.Now)
		v.eachRow(v.EntOrd("u0"), 0, func(uint32, *record.Limit) {})
		return v.Visits
	}
	for i := range 100 {
		label := fmt.Sprint("l", i)
		f.putDefaults(bursar.DefaultInput{EntityTypeID: "user", Label: label})
		if i%2 == 0 { // made as a limit of its own, and given back
			f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, Label: label}}})
			d := f.decider()
			f.do(&DeleteAssignment{ID: store.FormatID(d.RowID(d.FindRow(Target{Ent: d.EntOrd("u0")}, d.CapOrd(calls), label)))})
		} else {
			d := f.decider()
			d.eachRow(d.EntOrd("u0"), 0, func(row uint32, _ *record.Limit) {
				f.do(&CreateBoost{Row: store.FormatID(d.RowID(row)), In: bursar.BoostInput{Amount: bursar.AmountFromInt(1)}})
			})
		}
		d := f.decider()
		f.do(&DeleteDefault{ID: store.FormatID(d.defaultSet().list[0].ID)})
	}
	f.costs("what was limited by 100 labels, one after the other", look(), bursar.MaxPlainLimits+1)
	if err := f.state.Sound(); err != nil {
		t.Error(err)
	}
}
