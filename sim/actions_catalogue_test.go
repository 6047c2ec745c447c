package sim

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// first gives the first difference.
func first(differences ...string) string {
	for _, d := range differences {
		if d != "" {
			return d
		}
	}
	return ""
}

// reply compares an error or, when there is none, a value.
func reply[T any](got T, err error, want T, f *fail) string {
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	return diff(got, want)
}

type putTypes struct{ In []catalogue.EntityTypeInput }

func (a putTypes) run(w *world) string {
	got, err := w.engine.PutEntityTypes(w.ctx, caller, a.In)
	want, f := w.model.putEntityTypes(a.In)
	return reply(got, err, want, f)
}

type archiveTypes struct {
	IDs     []string
	Archive bool
}

func (a archiveTypes) run(w *world) string {
	return diffErr(w.engine.ArchiveEntityTypes(w.ctx, caller, a.IDs, a.Archive), w.model.archiveEntityTypes(a.IDs, a.Archive))
}

type createFeature struct{ F bursar.Feature }

func (a createFeature) run(w *world) string {
	got, err := w.engine.CreateFeature(w.ctx, caller, a.F)
	want, f := w.model.createFeature(a.F)
	return reply(got, err, want, f)
}

type patchFeature struct {
	ID string
	P  catalogue.FeaturePatch
}

func (a patchFeature) run(w *world) string {
	got, err := w.engine.UpdateFeature(w.ctx, caller, a.ID, a.P)
	want, f := w.model.updateFeature(a.ID, a.P)
	return reply(got, err, want, f)
}

type archiveFeature struct {
	ID      string
	Archive bool
}

func (a archiveFeature) run(w *world) string {
	got, err := w.engine.ArchiveFeature(w.ctx, caller, a.ID, a.Archive)
	want, f := w.model.archiveFeature(a.ID, a.Archive)
	return reply(got, err, want, f)
}

type createCurrency struct{ C bursar.Currency }

func (a createCurrency) run(w *world) string {
	got, err := w.engine.CreateCurrency(w.ctx, caller, a.C)
	want, f := w.model.createCurrency(a.C)
	return reply(got, err, want, f)
}

type patchCurrency struct {
	ID string
	P  catalogue.CurrencyPatch
}

func (a patchCurrency) run(w *world) string {
	got, err := w.engine.UpdateCurrency(w.ctx, caller, a.ID, a.P)
	want, f := w.model.updateCurrency(a.ID, a.P)
	return reply(got, err, want, f)
}

type archiveCurrency struct {
	ID      string
	Archive bool
}

func (a archiveCurrency) run(w *world) string {
	got, err := w.engine.ArchiveCurrency(w.ctx, caller, a.ID, a.Archive)
	want, f := w.model.archiveCurrency(a.ID, a.Archive, err != nil)
	return reply(got, err, want, f)
}

// readCatalogue compares the whole catalogue, in list order.
type readCatalogue struct{}

func (readCatalogue) run(w *world) string {
	c := w.catalogue()
	var types []bursar.EntityType
	for _, t := range c.EntityTypes() {
		types = append(types, *t)
	}
	var features []bursar.Feature
	for _, f := range c.Features() {
		features = append(features, *f)
	}
	var currencies []bursar.Currency
	for _, x := range c.Currencies() {
		currencies = append(currencies, *x)
	}
	all := ledger.ListPage{Limit: 1 << 20}
	wantTypes := pageOf(values(w.model.types), func(t bursar.EntityType) ledger.ListPos { return ledger.ListPos{CreatedAt: t.CreatedAt, ID: t.ID} }, all)
	wantFeatures := pageOf(values(w.model.features), func(f bursar.Feature) ledger.ListPos { return ledger.ListPos{CreatedAt: f.CreatedAt, ID: f.ID} }, all)
	wantCurrencies := pageOf(values(w.model.currencies), func(c bursar.Currency) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} }, all)
	return first(diff(types, wantTypes.Items), diff(features, wantFeatures.Items), diff(currencies, wantCurrencies.Items))
}

func values[T any](m map[string]*T) []T {
	var list []T
	for _, v := range m {
		list = append(list, *v)
	}
	return list
}

// readCurrencyUsers compares who uses a currency. How a user is shown is not the
// model's: the ids are compared, or their number when they are not of assignments.
type readCurrencyUsers struct{ ID string }

func (a readCurrencyUsers) run(w *world) string {
	w.catalogue() // a node has a moment later what cards another one wrote
	got, err := w.engine.CurrencyUsers(w.ctx, a.ID)
	if w.model.currencies[a.ID] == nil {
		return diffErr(err, failed(bursar.CodeCurrencyNotFound))
	}
	if err != nil {
		return err.Error()
	}
	var ids []string
	for _, u := range got {
		if u.Type == "RateCard" {
			ids = append(ids, u.ID)
		} else {
			ids = append(ids, w.modelID(u.ID))
		}
	}
	slices.Sort(ids)
	return diff(ids, w.model.currencyUsers(a.ID))
}

type createCustomer struct {
	ID string
	In bursar.CustomerInput
}

func (a createCustomer) run(w *world) string {
	got, v, err := w.engine.CreateCustomer(w.ctx, caller, a.ID, a.In)
	want, f := w.model.createCustomer(a.ID, a.In)
	if d := reply(got, err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.ID, v)
}

type patchCustomer struct {
	ID string
	In bursar.CustomerInput
}

func (a patchCustomer) run(w *world) string {
	got, v, err := w.engine.UpdateCustomer(w.ctx, caller, a.ID, a.In)
	want, f := w.model.updateCustomer(a.ID, a.In)
	if d := reply(got, err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.ID, v)
}

type archiveCustomer struct {
	ID      string
	Archive bool
}

func (a archiveCustomer) run(w *world) string {
	got, v, err := w.engine.ArchiveCustomer(w.ctx, caller, a.ID, a.Archive)
	want, f := w.model.archiveCustomer(a.ID, a.Archive)
	if d := reply(got, err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.ID, v)
}

type getCustomer struct {
	ID     string
	TooNew bool // ask for a version that is not there yet
}

func (a getCustomer) run(w *world) string {
	ro := ledger.ReadOptions{MinVersion: w.version[a.ID]}
	c, _ := w.model.customer(a.ID)
	if a.TooNew && c != nil {
		ro.MinVersion += 1 << 30
		_, _, err := w.engine.Customer(w.ctx, ro, a.ID)
		return diffErr(err, failed(bursar.CodeGovernanceUnavailable))
	}
	got, v, err := w.engine.Customer(w.ctx, ro, a.ID)
	if c == nil {
		return diffErr(err, failed(bursar.CodeCustomerNotFound))
	}
	if d := reply(got, err, c.info, nil); d != "" {
		return d
	}
	return w.sawVersion(a.ID, v)
}

type listCustomers struct{ Q store.CustomerQuery }

func (a listCustomers) run(w *world) string {
	query := func(p ledger.ListPage) store.CustomerQuery {
		q := a.Q
		q.Limit, q.After, q.Before = p.Limit, (*store.CustomerPos)(p.After), (*store.CustomerPos)(p.Before)
		return q
	}
	return comparePages(pages[bursar.Customer]{
		got: func(p ledger.ListPage) (ledger.Page[bursar.Customer], error) {
			return w.engine.Customers(w.ctx, query(p))
		},
		want: func(p ledger.ListPage) (ledger.Page[bursar.Customer], *fail) {
			return w.model.listCustomers(query(p)), nil
		},
		place: func(c bursar.Customer) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} },
	}, ledger.ListPage{Limit: a.Q.Limit, After: (*ledger.ListPos)(a.Q.After)})
}

// pages compares two paged lists page by page.
type pages[T any] struct {
	got      func(ledger.ListPage) (ledger.Page[T], error)
	want     func(ledger.ListPage) (ledger.Page[T], *fail)
	place    func(T) ledger.ListPos
	norm     func(T) T                           // replaces the engine's ids
	toEngine func(ledger.ListPos) ledger.ListPos // puts them back into a cursor
}

// comparePages walks to the end, then back by one page.
func comparePages[T any](p pages[T], page ledger.ListPage) string {
	for n := 0; ; n++ {
		want, f := p.want(page)
		if d := p.compare(page, want, f); d != "" || f != nil {
			return d
		}
		if len(want.Items) == 0 {
			return ""
		}
		if !want.HasNext || n == 40 {
			at := p.place(want.Items[0])
			page.After, page.Before = nil, &at
			want, f = p.want(page)
			return p.compare(page, want, f)
		}
		at := p.place(want.Items[len(want.Items)-1])
		page.After = &at
	}
}

func (p pages[T]) compare(page ledger.ListPage, want ledger.Page[T], f *fail) string {
	asked := page
	if p.toEngine != nil {
		for _, pos := range []**ledger.ListPos{&asked.After, &asked.Before} {
			if *pos != nil {
				at := p.toEngine(**pos)
				*pos = &at
			}
		}
	}
	got, err := p.got(asked)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	items := slices.Clone(got.Items)
	for i := range items {
		if p.norm != nil {
			items[i] = p.norm(items[i])
		}
	}
	d := diff(items, want.Items)
	// Ahead of the page the answer is exact; behind it, where the cursor is, a page may
	// be promised that is empty.
	ahead, behind := got.HasNext == want.HasNext, got.HasPrev || !want.HasPrev
	if page.Before != nil {
		ahead, behind = got.HasPrev == want.HasPrev, got.HasNext || !want.HasNext
	}
	if d == "" && len(items) > 0 && !(ahead && behind) {
		d = fmt.Sprintf("next %v, prev %v; model next %v, prev %v", got.HasNext, got.HasPrev, want.HasNext, want.HasPrev)
	}
	if d != "" {
		d = fmt.Sprintf("page %s: %s", brief(reflect.ValueOf(page)), d)
	}
	return d
}
