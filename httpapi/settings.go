package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

type settingsOut struct {
	Strict    bool         `json:"strict" doc:"Every entity type is strict: an id that names no entity is denied."`
	UpdatedAt *bursar.Time `json:"updatedAt" doc:"null: nothing has ever been set."`
}

func viewSettings(s bursar.Settings) settingsOut {
	return settingsOut{s.Strict, s.UpdatedAt}
}

func (a *API) getSettings(call, *nothing) (bursar.Settings, uint64, error) {
	return a.engine.Catalogue().Settings, 0, nil
}

type settingsPatch struct {
	Strict bursar.Opt[bool] `json:"strict" doc:"As every entity type were strict; null is false."`
}

func (a *API) patchSettings(c call, in *settingsPatch) (bursar.Settings, uint64, error) {
	return ofNoCustomer(a.engine.UpdateSettings(c.ctx, c.by, catalogue.SettingsPatch{Strict: in.Strict}))
}
