package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

func (m *model) catalogueNow() bursar.Time {
	now := m.cat.now(m.clock)
	m.cat.tried(now)
	return now
}

// putEntityTypes judges each item against the catalogue as the items before it leave
// it. Once an item was bad, what later items say about keys may depend on it.
func (m *model) putEntityTypes(in []catalogue.EntityTypeInput) ([]bursar.EntityType, *fail) {
	now := m.catalogueNow()
	types := map[string]*bursar.EntityType{}
	for id, t := range m.types {
		v := *t
		types[id] = &v
	}
	var p problems
	var out []bursar.EntityType
	for i, x := range in {
		p.item = fmt.Sprintf("/types/%d", i)
		if slices.ContainsFunc(in[:i], func(y catalogue.EntityTypeInput) bool { return y.ID == x.ID }) {
			p.at("/id", bursar.CodeValidationFailed)
		}
		afterBad := len(p.list) > 0
		for j, key := range x.AttributionKeys {
			if slices.Contains(x.AttributionKeys[:j], key) || keyTaken(types, x.ID, key) && !afterBad {
				p.at(fmt.Sprintf("/attributionKeys/%d", j), bursar.CodeValidationFailed)
			} else if afterBad {
				p.maybe(fmt.Sprintf("/attributionKeys/%d", j), bursar.CodeValidationFailed)
			}
		}
		t := types[x.ID]
		if t == nil {
			t = &bursar.EntityType{ID: x.ID, CreatedAt: now.Milli()}
			types[x.ID] = t
		}
		t.DisplayName, t.AttributionKeys = x.DisplayName, append([]string{}, x.AttributionKeys...)
		t.UpdatedAt, t.ArchivedAt = now.Milli(), nil
		setName(&t.Description, x.Description)
		if x.Strict.Set {
			t.Strict = x.Strict.Value
		}
		if x.Ungoverned.Set {
			t.Ungoverned = x.Ungoverned.Value
		}
		judgeEnrolment(&p, x)
		if x.Enrolment.Null {
			t.Enrolment = nil
		} else if x.Enrolment.Set {
			t.Enrolment = &bursar.Enrolment{ParentKeys: append([]string{}, x.Enrolment.Value.ParentKeys...), ParentID: x.Enrolment.Value.ParentID}
		}
		out = append(out, *t)
	}
	judgeParentKeys(&p, types, in)
	if f := p.err(); f != nil {
		return nil, f
	}
	m.types = types
	m.cat.wrote(now)
	for _, t := range out {
		m.tellAll(bursar.EventEntityTypeUpdated, map[string]any{"entityType": t})
	}
	return out, nil
}

func keyTaken(types map[string]*bursar.EntityType, except, key string) bool {
	for id, t := range types {
		if id != except && t.ArchivedAt == nil && slices.Contains(t.AttributionKeys, key) {
			return true
		}
	}
	return false
}

func (m *model) archiveEntityTypes(ids []string, archive bool) *fail {
	now := m.catalogueNow()
	var p problems
	for i, id := range ids {
		if m.types[id] == nil {
			p.item = fmt.Sprintf("/ids/%d", i)
			p.at("", bursar.CodeEntityTypeNotFound)
		}
	}
	if f := p.err(); f != nil {
		return f
	}
	for _, id := range ids {
		if archive && m.typeInUse(id) {
			return failed(bursar.CodeEntityTypeInUse)
		}
		if archive || m.types[id].ArchivedAt == nil {
			continue
		}
		for _, key := range m.types[id].AttributionKeys {
			if keyTaken(m.types, id, key) || m.keyTakenAmong(ids, id, key) {
				return failed(bursar.CodeValidationFailed)
			}
		}
	}
	for _, id := range ids {
		if t := m.types[id]; (t.ArchivedAt != nil) != archive {
			t.ArchivedAt = archivedAt(archive, now)
			t.UpdatedAt = now.Milli()
			m.cat.wrote(now)
			m.tellAll(bursar.EventEntityTypeUpdated, map[string]any{"entityType": *t})
		}
	}
	return nil
}

// keyTakenAmong: another type that is restored by the same request has the key.
func (m *model) keyTakenAmong(ids []string, except, key string) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		return id != except && slices.Contains(m.types[id].AttributionKeys, key)
	})
}

func (m *model) typeInUse(id string) bool {
	for _, c := range m.customers {
		for _, e := range c.entities {
			if e.EntityTypeID == id && e.ArchivedAt == nil {
				return true
			}
		}
	}
	return false
}

func archivedAt(archive bool, now bursar.Time) *bursar.Time {
	if !archive {
		return nil
	}
	t := now.Milli()
	return &t
}

func (m *model) createFeature(f bursar.Feature) (bursar.Feature, *fail) {
	now := m.catalogueNow()
	if m.features[f.ID] != nil {
		return bursar.Feature{}, failed(bursar.CodeAlreadyExists)
	}
	f.CreatedAt, f.UpdatedAt = now.Milli(), now.Milli()
	f.Metadata = mergeMetadata(nil, f.Metadata)
	m.features[f.ID] = &f
	m.cat.wrote(now)
	return f, nil
}

func (m *model) updateFeature(id string, p catalogue.FeaturePatch) (bursar.Feature, *fail) {
	now := m.catalogueNow()
	f := m.features[id]
	if f == nil {
		return bursar.Feature{}, failed(bursar.CodeFeatureNotFound)
	}
	if p.Meter.Set && !p.Meter.Null && extreme(&p.Meter.Value) && m.livePriced(id) {
		return bursar.Feature{}, failedAt("/meter", bursar.CodeValidationFailed)
	}
	if p.DisplayName.Set {
		f.DisplayName = p.DisplayName.Value
	}
	setName(&f.Description, p.Description)
	setName(&f.FeatureUnits, p.FeatureUnits)
	setName(&f.FeatureUnitsPlural, p.FeatureUnitsPlural)
	switch {
	case p.Meter.Null:
		f.Meter = nil
	case p.Meter.Set:
		v := p.Meter.Value
		f.Meter = &v
	}
	f.Metadata = mergeMetadata(f.Metadata, p.Metadata)
	f.UpdatedAt = now.Milli()
	m.cat.wrote(now)
	return *f, nil
}

func (m *model) archiveFeature(id string, archive bool) (bursar.Feature, *fail) {
	now := m.catalogueNow()
	f := m.features[id]
	if f == nil {
		return bursar.Feature{}, failed(bursar.CodeFeatureNotFound)
	}
	if (f.ArchivedAt != nil) != archive {
		f.ArchivedAt, f.UpdatedAt = archivedAt(archive, now), now.Milli()
		m.cat.wrote(now)
	}
	return *f, nil
}

func (m *model) createCurrency(x bursar.Currency) (bursar.Currency, *fail) {
	now := m.catalogueNow()
	if m.currencies[x.ID] != nil {
		return bursar.Currency{}, failed(bursar.CodeAlreadyExists)
	}
	x.CreatedAt, x.UpdatedAt = now.Milli(), now.Milli()
	x.Metadata = mergeMetadata(nil, x.Metadata)
	m.currencies[x.ID] = &x
	m.cat.wrote(now)
	return x, nil
}

func (m *model) updateCurrency(id string, p catalogue.CurrencyPatch) (bursar.Currency, *fail) {
	now := m.catalogueNow()
	x := m.currencies[id]
	if x == nil {
		return bursar.Currency{}, failed(bursar.CodeCurrencyNotFound)
	}
	if p.DisplayName.Set {
		x.DisplayName = p.DisplayName.Value
	}
	setName(&x.Description, p.Description)
	setName(&x.Symbol, p.Symbol)
	switch {
	case p.Units.Null:
		x.Units = nil
	case p.Units.Set:
		x.Units = &p.Units.Value
	}
	x.Metadata = mergeMetadata(x.Metadata, p.Metadata)
	x.UpdatedAt = now.Milli()
	m.cat.wrote(now)
	return *x, nil
}

// archiveCurrency: whether a grant still counts that time has ended and no commit has
// is the engine's choice, which refused tells.
func (m *model) archiveCurrency(id string, archive, refused bool) (bursar.Currency, *fail) {
	now := m.catalogueNow()
	x := m.currencies[id]
	if x == nil {
		return bursar.Currency{}, failed(bursar.CodeCurrencyNotFound)
	}
	if archive && x.ArchivedAt == nil && (len(m.currencyUsers(id)) > 0 || refused && m.endedUnrecorded(id)) {
		return bursar.Currency{}, failed(bursar.CodeCurrencyInUse)
	}
	if (x.ArchivedAt != nil) != archive {
		x.ArchivedAt, x.UpdatedAt = archivedAt(archive, now), now.Milli()
		m.cat.wrote(now)
	}
	return *x, nil
}

// currencyUsers lists the ids of what uses the currency: limits, cards and grants.
func (m *model) currencyUsers(id string) []string {
	var ids []string
	for _, card := range m.cards {
		if card.CurrencyID == id && card.ArchivedAt == nil {
			ids = append(ids, card.ID)
		}
	}
	for _, key := range sortedKeys(m.customers) {
		c, _ := m.customer(key)
		for _, r := range c.rows {
			if r.cap == currencyOf(id) {
				ids = append(ids, r.id)
			}
		}
		for _, d := range c.defaults {
			if d.cap == currencyOf(id) {
				ids = append(ids, d.id)
			}
		}
		for _, g := range c.grants {
			if g.CurrencyID == id && !g.overdraft() && (g.Status == bursar.GrantActive || g.Status == bursar.GrantScheduled) {
				ids = append(ids, g.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *model) endedUnrecorded(currency string) bool {
	for _, c := range m.customers {
		for _, u := range c.untold {
			if slices.ContainsFunc(u.told, func(x message) bool { return x.data["currencyId"] == currency }) || len(u.told) == 0 {
				return true
			}
		}
	}
	return false
}

func (m *model) createCustomer(id string, in bursar.CustomerInput) (bursar.Customer, *fail) {
	if m.customers[id] != nil {
		return bursar.Customer{}, failed(bursar.CodeAlreadyExists)
	}
	if f := badZone(in); f != nil {
		return bursar.Customer{}, f
	}
	c := &mCust{
		m: m, entities: map[string]bursar.Entity{}, freezes: map[string]*mFreeze{}, given: map[naturalKey]*mRow{}, totals: map[bursar.Capability]*mTotal{},
		levels: map[levelKey]mLevel{}, keys: map[keyID]mKey{}, calls: map[[3]string][]float64{}, sorts: map[string][][3]string{}, low: map[lowKey]bool{}, poolAt: map[string]bursar.Time{}, promos: map[string]*mPromo{}, distinct: map[string]bool{},
	}
	c.info = bursar.Customer{ID: id, CreatedAt: m.clock.Milli()}
	c.set(in, m.clock)
	m.customers[id] = c
	return c.info, nil
}

func badZone(in bursar.CustomerInput) *fail {
	if in.Timezone.Set && !in.Timezone.Null && zoneOf(in.Timezone.Value) == nil {
		return failedAt("/timezone", bursar.CodeValidationFailed)
	}
	return nil
}

func (c *mCust) set(in bursar.CustomerInput, now bursar.Time) {
	setName(&c.info.Name, in.Name)
	setName(&c.info.Email, in.Email)
	setName(&c.info.Timezone, in.Timezone)
	setName(&c.info.Language, in.Language)
	setName(&c.info.BillingID, in.BillingID)
	setName(&c.info.BillingCurrency, in.BillingCurrency)
	c.info.Metadata = mergeMetadata(c.info.Metadata, in.Metadata)
	c.info.UpdatedAt = now.Milli()
	c.log.wrote(now)
}

func (m *model) updateCustomer(id string, in bursar.CustomerInput) (bursar.Customer, *fail) {
	c, now := m.customer(id)
	if c == nil {
		return bursar.Customer{}, failed(bursar.CodeCustomerNotFound)
	}
	c.log.tried(now)
	if f := badZone(in); f != nil {
		return bursar.Customer{}, f
	}
	c.set(in, now)
	return c.info, nil
}

func (m *model) archiveCustomer(id string, archive bool) (bursar.Customer, *fail) {
	c, now := m.customer(id)
	if c == nil {
		return bursar.Customer{}, failed(bursar.CodeCustomerNotFound)
	}
	c.log.tried(now)
	if (c.info.ArchivedAt != nil) != archive {
		c.info.ArchivedAt, c.info.UpdatedAt = archivedAt(archive, now), now.Milli()
		c.log.wrote(now)
	}
	return c.info, nil
}

func (m *model) listCustomers(q store.CustomerQuery) ledger.Page[bursar.Customer] {
	var list []bursar.Customer
	for _, c := range m.customers {
		x := c.info
		if x.ArchivedAt != nil && !q.IncludeArchived || q.Email != "" && (x.Email == nil || *x.Email != q.Email) ||
			q.Name != "" && (x.Name == nil || *x.Name != q.Name) ||
			q.Search != "" && !inAny(q.Search, &x.ID, x.Name, x.Email) ||
			q.CreatedFrom != 0 && x.CreatedAt < q.CreatedFrom || q.CreatedTo != 0 && x.CreatedAt >= q.CreatedTo {
			continue
		}
		list = append(list, x)
	}
	place := func(x bursar.Customer) ledger.ListPos { return ledger.ListPos{CreatedAt: x.CreatedAt, ID: x.ID} }
	page := ledger.ListPage{Limit: q.Limit, After: (*ledger.ListPos)(q.After), Before: (*ledger.ListPos)(q.Before)}
	return pageOf(list, place, page)
}

func inAny(part string, texts ...*string) bool {
	return slices.ContainsFunc(texts, func(t *string) bool { return t != nil && strings.Contains(strings.ToLower(*t), strings.ToLower(part)) })
}

// pageOf sorts a list by its places and cuts a page out of it.
func pageOf[T any](list []T, place func(T) ledger.ListPos, p ledger.ListPage) ledger.Page[T] {
	slices.SortFunc(list, func(a, b T) int { return comparePos(place(a), place(b)) })
	from, to := 0, len(list)
	if p.After != nil {
		for from < to && comparePos(place(list[from]), *p.After) <= 0 {
			from++
		}
	}
	if p.Before != nil {
		for to > 0 && comparePos(place(list[to-1]), *p.Before) >= 0 {
			to--
		}
		from = max(from, to-p.Limit)
	}
	to = min(to, from+p.Limit)
	return ledger.Page[T]{Items: list[from:to], HasPrev: from > 0, HasNext: to < len(list)}
}

func comparePos(a, b ledger.ListPos) int {
	if a.CreatedAt != b.CreatedAt {
		if a.CreatedAt < b.CreatedAt {
			return -1
		}
		return 1
	}
	return strings.Compare(a.ID, b.ID)
}
