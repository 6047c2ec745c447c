package sim

import (
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// refused: the request names nobody where somebody has to be named.
func (c *mCust) refused(a attribution) bool {
	for _, x := range a.ignored {
		if a.strict || c.m.settings.Strict || c.m.types[x.typ].Strict {
			return true
		}
	}
	return a.strict && len(a.chains) == 0
}

// like is the live entity of a type that was probably meant: one that is the same but for
// case, or else one character away; the first by id.
func (c *mCust) like(typ, id string) string {
	nearest := ""
	for _, known := range sortedKeys(c.entities) {
		e := c.entities[known]
		if e.ArchivedAt != nil || e.EntityTypeID != typ {
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
	if in.Strict.Set && in.Strict.Value != m.settings.Strict {
		at := now.Milli()
		m.settings = bursar.Settings{Strict: in.Strict.Value, UpdatedAt: &at}
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
	return updateSettings{catalogue.SettingsPatch{Strict: opt(g, 1, 1, func() bool { return chance(g.r, 4) })}}
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
