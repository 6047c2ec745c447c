package sim

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// refused: the request names nobody where somebody has to be named.
func (c *mCust) refused(a attribution) bool {
	for _, x := range a.ignored {
		barred := c.enrolment != nil && c.enrolment.barred[unnamed{typ: x.typ, id: x.id}]
		if barred || x.number && c.m.types[x.typ].Enrolment != nil || a.strict || c.m.settings.Strict || c.m.types[x.typ].Strict {
			return true
		}
	}
	for _, x := range a.unclear {
		all, _ := squeezed(x.key)
		known, _ := squeezed(x.meant)
		if a.strict || all == known && (c.m.settings.Strict || c.m.types[x.typ].Strict) {
			return true
		}
	}
	return a.strict && len(a.chains) == 0
}

// meantBy is the attribution key, and its type, that is meant by a key that is none and that
// nothing reads: one that is the same without case, separators and an id at the end, or the
// same as the id of a type; else one that is a character away.
func (m *model) meantBy(key string) (meant, typ string) {
	if m.typeNamed(key) != "" || m.isRead(key) || key == "model" || strings.HasPrefix(key, "tokens.") {
		return "", ""
	}
	keys := map[string]string{}
	for _, t := range m.types {
		for _, k := range t.AttributionKeys {
			if t.ArchivedAt == nil {
				keys[k] = t.ID
			}
		}
	}
	name, short := squeezed(key)
	if name == "" {
		return "", ""
	}
	for _, k := range sortedKeys(keys) {
		if all, _ := squeezed(k); all == name {
			return k, keys[k]
		}
	}
	for _, k := range sortedKeys(keys) {
		if _, s := squeezed(k); s == short {
			return k, keys[k]
		}
	}
	for _, id := range sortedKeys(m.types) {
		t := m.types[id]
		if _, s := squeezed(id); s == short && t.ArchivedAt == nil && len(t.AttributionKeys) > 0 {
			return t.AttributionKeys[0], id
		}
	}
	for _, k := range sortedKeys(keys) {
		n, s := squeezed(k)
		if min(len(n), len(name)) >= 5 && oneApart(n, name) || min(len(s), len(short)) >= 5 && oneApart(s, short) {
			return k, keys[k]
		}
	}
	return "", ""
}

// squeezed is a name without case and separators, and that without an id at its end.
func squeezed(name string) (all, short string) {
	all = strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(name))
	if short = strings.TrimSuffix(all, "id"); short == "" {
		short = all
	}
	return all, short
}

// isRead: a meter of a live feature reads the property, or a price goes by it.
func (m *model) isRead(key string) bool {
	for _, f := range m.features {
		if f.ArchivedAt != nil || f.Meter == nil {
			continue
		}
		if f.Meter.Aggregation.Field == key {
			return true
		}
		for _, x := range f.Meter.Filters {
			if slices.ContainsFunc(x.Conditions, func(c bursar.MeterCondition) bool { return c.Field == key }) {
				return true
			}
		}
	}
	for _, card := range m.cards {
		for _, v := range card.Versions {
			if slices.ContainsFunc(v.Rates, func(r bursar.Rate) bool { return len(r.Match[key]) > 0 }) {
				return true
			}
		}
	}
	return false
}

// like is the live entity of a type that was probably meant: one that is the same but for
// case, or else one character away; the first by id.
func (c *mCust) like(typ, id string) string {
	nearest := ""
	for _, known := range sortedKeys(c.entities) {
		e := c.entities[known]
		if e.ArchivedAt != nil || e.EntityTypeID != typ || c.enrolment != nil && slices.Contains(c.enrolment.later, known) {
			continue
		}
		a, b := strings.ToLower(id), strings.ToLower(known)
		if a == b {
			return known
		}
		if nearest == "" && len(a) >= 4 && len(a) <= 64 && oneApart(a, b) {
			nearest = known
		}
	}
	return nearest
}

// oneApart: one character more, less or another, or two neighbours swapped.
func oneApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 1:
		return a[i:] == b[i+1:]
	case 0:
		return i < len(a) && (a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
	}
	return false
}

func (m *model) updateSettings(in catalogue.SettingsPatch) bursar.Settings {
	now := m.catalogueNow()
	s := m.settings
	if in.Strict.Set {
		s.Strict = in.Strict.Value
	}
	if in.Ungoverned.Set {
		if s.Ungoverned = in.Ungoverned.Value; s.Ungoverned == "warn" {
			s.Ungoverned = "" // as if nothing had been said
		}
	}
	if r := in.UsageRules; r.Set && !slices.Equal(s.RulesOfUsage(), r.Value) {
		s.UsageRules = &r.Value
	}
	if s != m.settings {
		at := now.Milli()
		s.UpdatedAt = &at
		m.settings = s
		m.cat.wrote(now)
	}
	return m.settings
}

// updateSettings changes what holds for the environment.
type updateSettings struct{ In catalogue.SettingsPatch }

func (a updateSettings) run(w *world) string {
	got, err := w.engine.UpdateSettings(w.ctx, caller, a.In)
	return reply(got, err, w.model.updateSettings(a.In), nil)
}

func genSettings(g *gen) action {
	in := catalogue.SettingsPatch{}
	if chance(g.r, 2) {
		in.Strict = opt(g, 1, 1, func() bool { return chance(g.r, 4) })
	} else {
		in.Ungoverned = opt(g, 1, 1, g.ungoverned)
	}
	return updateSettings{in}
}

// miswritten is an attribution key as somebody else would write it.
func (g *gen) miswritten(key string) string {
	switch g.r.IntN(5) {
	case 0:
		return strings.ToUpper(key)
	case 1:
		return strings.Replace(key, "Id", "_id", 1)
	case 2:
		return strings.TrimSuffix(key, "Id")
	case 3:
		return strings.TrimSuffix(key, "Id") + "s"
	}
	return g.mistyped(key)
}

// mistyped is an id as somebody in a hurry writes it.
func (g *gen) mistyped(id string) string {
	i := g.r.IntN(len(id))
	switch g.r.IntN(5) {
	case 0:
		return strings.ToUpper(id)
	case 1:
		return id[:i] + id[i+1:]
	case 2:
		return id[:i] + "x" + id[i:]
	case 3:
		return id[:i] + "7" + id[i+1:]
	}
	if i == 0 {
		return strings.ToLower(id)
	}
	return id[:i-1] + id[i:i+1] + id[i-1:i] + id[i+1:]
}
