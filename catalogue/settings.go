package catalogue

import "github.com/bursarhq/bursar"

// UpdateSettings changes what holds for the whole environment.
func (w *Write) UpdateSettings(in *SettingsPatch) (bursar.Settings, error) {
	s := w.Settings
	if in.Strict.Set {
		s.Strict = in.Strict.Value
	}
	if s == w.Settings {
		return s, nil
	}
	now := w.Now.Milli()
	s.UpdatedAt = &now
	return s, w.Put("settings", &s)
}

// Strict tells that what names no entity of a type is denied, not left ungoverned.
func (c *Catalogue) Strict(typeID string) bool {
	t := c.TypeOf[typeID]
	return c.Settings.Strict || t != nil && t.Strict
}
