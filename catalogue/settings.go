package catalogue

import (
	"cmp"

	"github.com/bursarhq/bursar"
)

// UpdateSettings changes what holds for the whole environment.
func (w *Write) UpdateSettings(in *SettingsPatch) (bursar.Settings, error) {
	s := w.Settings
	if in.Strict.Set {
		s.Strict = in.Strict.Value
	}
	if in.Ungoverned.Set {
		s.Ungoverned = in.Ungoverned.Value
	}
	if s.Ungoverned == bursar.UngovernedWarn {
		s.Ungoverned = ""
	}
	var p bursar.Problems
	if checkUngoverned("/ungoverned", s.Ungoverned, &p); !p.Empty() {
		return s, p.Err()
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

// Ungoverned says what becomes of use by entities of a type that nothing limits; "" = by nobody.
func (c *Catalogue) Ungoverned(typeID string) bursar.Ungoverned {
	if t := c.TypeOf[typeID]; t != nil && t.Ungoverned != "" {
		return t.Ungoverned
	}
	return cmp.Or(c.Settings.Ungoverned, bursar.UngovernedWarn)
}

func checkUngoverned(at string, u bursar.Ungoverned, p *bursar.Problems) {
	switch u {
	case "", bursar.UngovernedAllow, bursar.UngovernedWarn, bursar.UngovernedDeny:
	default:
		p.Add(at, bursar.CodeValidationFailed, "one of allow, warn and deny")
	}
}
