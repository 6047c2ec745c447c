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

// thresholdsOut is the alert curve of limits that have none of their own.
type thresholdsOut struct {
	Thresholds []int        `json:"thresholds" doc:"Percent of a limit at which one warns that is made from now on and does not say; [] is at none."`
	UpdatedAt  *bursar.Time `json:"updatedAt" doc:"When settings of the environment last changed; null: never, and the thresholds are those that the server is configured with."`
}

func viewThresholds(x thresholdsOut) thresholdsOut { return x }

func (a *API) thresholds(s bursar.Settings) thresholdsOut {
	out := thresholdsOut{Thresholds: append([]int{}, a.engine.Catalogue().Thresholds...), UpdatedAt: s.UpdatedAt}
	if s.AlertThresholds != nil {
		out.Thresholds = append([]int{}, *s.AlertThresholds...)
	}
	return out
}

func (a *API) getThresholds(call, *nothing) (thresholdsOut, uint64, error) {
	return a.thresholds(a.engine.Catalogue().Settings), 0, nil
}

type thresholdsPatch struct {
	Thresholds bursar.Opt[[]int] `json:"thresholds" is:"n=0-10,each=1-1000" doc:"Percent, in the place of those before; null: as the server is configured."`
}

func (a *API) patchThresholds(c call, in *thresholdsPatch) (thresholdsOut, uint64, error) {
	s, version, err := ofNoCustomer(a.engine.UpdateSettings(c.ctx, c.by, catalogue.SettingsPatch{Thresholds: in.Thresholds}))
	return a.thresholds(s), version, err
}
