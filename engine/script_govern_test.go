package engine_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// operations are the verbs of the language.
var operations = map[string]func(*world, *op) error{}

func init() {
	for name, run := range map[string]func(*world, *op) error{
		"new": (*world).opNew, "at": (*world).opAt, "advance": (*world).opAdvance,
		"check": (*world).opCheck, "usage": (*world).opUsage, "consume": (*world).opConsume,
		"reserve": (*world).opReserve, "commit": (*world).opCommit, "release": (*world).opRelease, "extend": (*world).opExtend,
		"reservation": (*world).opReservation, "reservations": (*world).opReservations, "total": (*world).opTotal,
		"entity": (*world).opEntity, "patch": (*world).opPatch, "show": (*world).opShow, "entities": (*world).opEntities,
		"archive":   func(w *world, o *op) error { return w.archive(o, true) },
		"unarchive": func(w *world, o *op) error { return w.archive(o, false) },
		"degrade":   (*world).opDegrade, "policies": (*world).opPolicies, "drop-policy": (*world).opDropPolicy, "advise": (*world).opAdvise,
		"freeze": (*world).opFreeze, "thaw": (*world).opThaw, "freezes": (*world).opFreezes,
		"put-default": (*world).opPutDefault, "delete-default": (*world).opDeleteDefault, "defaults": (*world).opDefaults,
		"put-limit": (*world).opPutLimit, "delete-limit": (*world).opDeleteLimit, "limits": (*world).opLimits,
		"used": (*world).opUsed, "tree": (*world).opTree, "more": (*world).opMore,
		"customer": (*world).opCustomer, "type": (*world).opType, "settings": (*world).opSettings, "activity": (*world).opActivity, "feature": (*world).opFeature, "currency": (*world).opCurrency,
	} {
		operations[name] = run
	}
}

// entityInput reads "type=id" or "id", then parent=, name=, meta.k=; "-" is null.
func entityInput(it *item) (in bursar.EntityInput) {
	in.ID = it.word(0)
	for _, k := range it.order {
		v := it.pairs[k]
		meta, isMeta := strings.CutPrefix(k, "meta.")
		switch {
		case k == "parent":
			in.ParentID = opt(v)
		case k == "name":
			in.DisplayName = opt(v)
		case isMeta:
			if in.Metadata == nil {
				in.Metadata = map[string]string{}
			}
			in.Metadata[meta] = v
		default:
			in.EntityTypeID, in.ID = k, v
		}
	}
	return in
}

func opt(v string) bursar.Opt[string] {
	if v == "-" {
		return bursar.Null[string]()
	}
	return bursar.Some(v)
}

func (w *world) opEntity(o *op) error {
	var in []bursar.EntityInput
	for _, it := range o.items {
		in = append(in, entityInput(it))
	}
	_, _, err := w.engine.PutEntities(w.t.Context(), tester, "acme", in)
	return err
}

func (w *world) opPatch(o *op) error {
	_, _, err := w.engine.PatchEntity(w.t.Context(), tester, "acme", entityInput(o.item()))
	return err
}

func (w *world) opShow(o *op) error {
	for _, id := range o.item().words {
		e, _, err := w.engine.Entity(w.t.Context(), ledger.ReadOptions{}, "acme", id)
		if err != nil {
			return err
		}
		w.printEntity(&e)
	}
	return nil
}

func (w *world) opEntities(o *op) error {
	it := o.item()
	typ, _ := it.take("type")
	parent, _ := it.take("parent")
	search, _ := it.take("search")
	p, _, err := w.engine.Entities(w.t.Context(), ledger.ReadOptions{}, "acme", ledger.EntityQuery{TypeID: typ, ParentID: parent,
		Search: search, IncludeArchived: it.flag("archived"), ListPage: ledger.ListPage{Limit: 100}})
	for i := range p.Items {
		w.printEntity(&p.Items[i])
	}
	return err
}

func (w *world) archive(o *op, archive bool) error {
	_, err := w.engine.ArchiveEntities(w.t.Context(), tester, "acme", o.item().words, archive)
	return err
}

// limitInput reads "entity capability limit cadence" and options; "." is absent, "-" null.
func (w *world) limitInput(it *item) bursar.AssignmentInput {
	in := bursar.AssignmentInput{EntityID: it.word(0), Capability: capability(it.word(1))}
	switch l := it.word(2); l {
	case ".", "":
	case "-":
		in.UsageLimit = bursar.Null[bursar.Amount]()
	default:
		in.UsageLimit = bursar.Some(it.amount(2))
	}
	switch c := it.word(3); c {
	case ".", "":
	case "-":
		in.Cadence = bursar.Null[bursar.Cadence]()
	default:
		v, err := bursar.ParseCadence(c)
		if err != nil {
			it.op.bad = err.Error()
		}
		in.Cadence = bursar.Some(v)
	}
	w.limitOptions(it, &in)
	return in
}

func (w *world) limitOptions(it *item, in *bursar.AssignmentInput) {
	for k, v := range it.pairs {
		switch k {
		case "label":
			in.Label = v
		case "count":
			in.CountFrom = v
		case "scope":
			in.ScopeEntityIDs = strings.Split(v, ",")
		case "parent":
			in.ParentID = opt(v)
		case "tz":
			in.Timezone = opt(v)
		case "allocation":
			in.Allocation = opt(v)
		case "anchor":
			if in.Anchor = bursar.Null[bursar.Time](); v != "-" {
				in.Anchor = bursar.Some(w.instant(it, v))
			}
		case "enforcement":
			if in.Enforcement = bursar.Null[bursar.Enforcement](); v != "-" {
				in.Enforcement = bursar.Some(bursar.Enforcement(v))
			}
		case "thresholds":
			in.AlertThresholds = bursar.Null[[]int]()
			if v != "-" {
				var list []int
				for _, s := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' }) {
					list = append(list, it.number(s, 0))
				}
				in.AlertThresholds = bursar.Some(list)
			}
		default:
			it.op.bad = "a limit has no " + k
		}
	}
	if slices.Contains(it.words, "soft") {
		in.Enforcement = bursar.Some(bursar.Soft)
	}
}

func (w *world) opPutLimit(o *op) error {
	var in []bursar.AssignmentInput
	for _, it := range o.items {
		in = append(in, w.limitInput(it))
	}
	_, _, err := w.engine.PutAssignments(w.t.Context(), tester, "acme", in)
	return err
}

func (w *world) assignments() []bursar.Assignment {
	p, _, err := w.engine.Assignments(w.t.Context(), ledger.ReadOptions{}, "acme", ledger.AssignmentQuery{ListPage: ledger.ListPage{Limit: 1000}})
	w.must(err)
	return p.Items
}

func (w *world) opLimits(o *op) error {
	for _, a := range w.assignments() {
		if len(o.item().words) == 0 || slices.Contains(o.item().words, a.EntityID) {
			w.printAssignment(&a)
		}
	}
	return nil
}

func (w *world) opDeleteLimit(o *op) error {
	it := o.item()
	scope, _ := it.take("scope")
	for _, a := range w.assignments() {
		if a.EntityID == it.word(0) && a.Capability.ID == it.word(1) && a.Label == it.pairs["label"] && strings.Join(a.ScopeEntityIDs, ",") == scope {
			_, _, err := w.engine.DeleteAssignment(w.t.Context(), tester, "acme", a.ID)
			return err
		}
	}
	_, _, err := w.engine.DeleteAssignment(w.t.Context(), tester, "acme", "01940000-0000-7000-8000-000000000000")
	return err
}

var allCapabilities = []bursar.Capability{capability("tokens"), capability("calls"), capability("seats"), capability("credits"), capability("coins"), capability("peak"), capability("people"),
	capability("in"), capability("out"), capability("requests"), capability("cached")}

func (w *world) tree(q ledger.TreeQuery) (ledger.TreePage, error) {
	return w.engine.Tree(w.t.Context(), ledger.ReadOptions{}, "acme", q)
}

// opUsed shows how every limit stands, by entity.
func (w *world) opUsed(*op) error {
	p, err := w.tree(ledger.TreeQuery{Capabilities: allCapabilities, SortBy: ledger.SortID, IncludeArchived: true, Limit: 1000})
	for i := range p.Rows {
		w.printLimit(&p.Rows[i])
	}
	return err
}

func (w *world) opTree(o *op) error {
	it := o.item()
	q := &ledger.TreeQuery{SortBy: ledger.SortUtilization, Limit: 100, Desc: true}
	for k, v := range it.pairs {
		switch k {
		case "sort":
			q.SortBy = ledger.TreeSort(v)
		case "type":
			q.TypeIDs = strings.Split(v, ",")
		case "scope":
			q.Scope = ledger.TreeScope(v)
		case "min":
			a, err := bursar.AmountFromString(v)
			w.must(err)
			q.MinUtilization = &a
		case "search":
			q.Search = v
		case "root":
			q.RootEntityID = v
		case "depth":
			n, err := strconv.Atoi(v)
			w.must(err)
			q.Depth = &n
		case "parent":
			v = strings.Trim(v, `"`)
			q.ParentID = &v
		case "label":
			v = strings.Trim(v, `"`)
			q.Label = &v
		case "limit":
			q.Limit = it.number(v, 0)
		default:
			o.bad = "the tree has no " + k
		}
	}
	for _, word := range it.words {
		switch word {
		case "asc":
			q.Desc = false
		case "archived":
			q.IncludeArchived = true
		default:
			q.Capabilities = append(q.Capabilities, capability(word))
		}
	}
	w.page = q
	return w.opMore(o)
}

// opMore shows the next page of the last tree.
func (w *world) opMore(*op) error {
	p, err := w.engine.Tree(w.t.Context(), ledger.ReadOptions{}, "acme", *w.page)
	if err != nil {
		return err
	}
	for i := range p.Rows {
		w.printRow(&p.Rows[i])
	}
	if len(p.Rows) == 0 {
		w.printf("no rows\n")
	}
	if w.page.After = p.Next; p.Next != nil {
		w.printf("more\n")
	}
	return nil
}

// opCustomer is "create id", "archive", "unarchive" or "zone Europe/Berlin".
func (w *world) opCustomer(o *op) error {
	var err error
	switch it := o.item(); it.word(0) {
	case "create":
		_, _, err = w.engine.CreateCustomer(w.t.Context(), tester, it.word(1), bursar.CustomerInput{})
	case "zone":
		_, _, err = w.engine.UpdateCustomer(w.t.Context(), tester, "acme", bursar.CustomerInput{Timezone: opt(it.word(1))})
	default:
		_, _, err = w.engine.ArchiveCustomer(w.t.Context(), tester, "acme", it.word(0) == "archive")
	}
	return err
}

// opSettings is "strict", "ungoverned=…", both or nothing.
func (w *world) opSettings(o *op) error {
	it := o.item()
	ungoverned, _ := it.take("ungoverned")
	_, err := w.engine.UpdateSettings(w.t.Context(), tester, catalogue.SettingsPatch{Strict: bursar.Some(it.flag("strict")), Ungoverned: bursar.Some(bursar.Ungoverned(ungoverned))})
	return err
}

// opType is "put id key…", "archive id" or "unarchive id".
func (w *world) opType(o *op) error {
	it := o.item()
	if it.word(0) == "put" {
		in := catalogue.EntityTypeInput{Strict: bursar.Some(it.flag("strict"))}
		ungoverned, _ := it.take("ungoverned")
		enrol, set := it.take("enrol")
		in.Enrolment = enrolment(enrol, set)
		in.ID, in.DisplayName, in.AttributionKeys, in.Ungoverned = it.word(1), it.word(1), it.words[2:], bursar.Some(bursar.Ungoverned(ungoverned))
		_, err := w.engine.PutEntityTypes(w.t.Context(), tester, []catalogue.EntityTypeInput{in})
		return err
	}
	return w.engine.ArchiveEntityTypes(w.t.Context(), tester, it.words[1:], it.word(0) == "archive")
}

// opActivity tells who made and changed which entity.
func (w *world) opActivity(*op) error {
	p, _, err := w.engine.Activity(w.t.Context(), ledger.ReadOptions{}, "acme", store.ActivityQuery{Limit: 100})
	for _, a := range slices.Backward(p.Items) {
		if a.TargetType == "entity" {
			w.printf("%s %s by %s %s\n", a.Action, a.TargetID, a.ActorType, a.ActorID)
		}
	}
	return err
}

// enrolment is "KEY,…/PARENT", of which either may be left out; PARENT - is a root.
func enrolment(text string, set bool) bursar.Opt[bursar.Enrolment] {
	if !set {
		return bursar.Null[bursar.Enrolment]()
	}
	var x bursar.Enrolment
	keys, parent, _ := strings.Cut(text, "/")
	if keys != "" {
		x.ParentKeys = strings.Split(keys, ",")
	}
	if parent != "" {
		parent = strings.TrimSuffix(parent, "-")
		x.ParentID = &parent
	}
	return bursar.Some(x)
}

func (w *world) opFeature(o *op) error {
	_, err := w.engine.ArchiveFeature(w.t.Context(), tester, o.item().word(1), o.item().word(0) == "archive")
	return err
}

func (w *world) opCurrency(o *op) error {
	_, err := w.engine.ArchiveCurrency(w.t.Context(), tester, o.item().word(1), o.item().word(0) == "archive")
	return err
}
