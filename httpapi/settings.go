package httpapi

import (
	"cmp"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

type settingsOut struct {
	Strict     bool              `json:"strict" doc:"Every entity type is strict: an id that names no entity is denied."`
	Ungoverned bursar.Ungoverned `json:"ungoverned" is:"enum=allow|warn|deny" doc:"What becomes of use that nothing limits, where the entity type says nothing of it or no entity is named."`
	UpdatedAt  *bursar.Time      `json:"updatedAt" doc:"null: nothing has ever been set."`
}

func viewSettings(s bursar.Settings) settingsOut {
	return settingsOut{s.Strict, cmp.Or(s.Ungoverned, bursar.UngovernedWarn), s.UpdatedAt}
}

func (a *API) getSettings(call, *nothing) (bursar.Settings, uint64, error) {
	return a.engine.Catalogue().Settings, 0, nil
}

type settingsPatch struct {
	Strict     bursar.Opt[bool]   `json:"strict" doc:"As every entity type were strict; null is false."`
	Ungoverned bursar.Opt[string] `json:"ungoverned" is:"enum=allow|warn|deny" doc:"null is warn."`
}

func (a *API) patchSettings(c call, in *settingsPatch) (bursar.Settings, uint64, error) {
	return ofNoCustomer(a.engine.UpdateSettings(c.ctx, c.by, catalogue.SettingsPatch{Strict: in.Strict, Ungoverned: ungovernedIn(in.Ungoverned)}))
}

func ungovernedIn(in bursar.Opt[string]) bursar.Opt[bursar.Ungoverned] {
	return bursar.Opt[bursar.Ungoverned]{Set: in.Set, Null: in.Null, Value: bursar.Ungoverned(in.Value)}
}
