package catalogue

import (
	"cmp"
	"fmt"
	"slices"

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
	if th := in.Thresholds; th.Set {
		if s.AlertThresholds = nil; !th.Null {
			curve := append([]int{}, th.Value...) // an empty list is kept, too: it is not the configured one
			slices.Sort(curve)
			curve = slices.Compact(curve)
			s.AlertThresholds = &curve
		}
	}
	if r := in.UsageRules; r.Set {
		if s.UsageRules = nil; len(r.Value) > 0 {
			s.UsageRules = &r.Value
		}
	}
	var p bursar.Problems
	bursar.CheckUsageRules("/rules", in.UsageRules.Value, &p)
	CheckThresholds("/thresholds", in.Thresholds.Value, &p)
	if checkUngoverned("/ungoverned", s.Ungoverned, &p); !p.Empty() {
		return s, p.Err()
	}
	if old := w.Settings.AlertThresholds; old != nil && s.AlertThresholds != nil && slices.Equal(*old, *s.AlertThresholds) {
		s.AlertThresholds = old
	}
	if slices.Equal(s.RulesOfUsage(), w.Settings.RulesOfUsage()) {
		s.UsageRules = w.Settings.UsageRules
	}
	if s == w.Settings {
		return s, nil
	}
	now := w.Now.Milli()
	s.UpdatedAt = &now
	return s, w.Put("settings", &s)
}

// CheckThresholds adds to p what is wrong with the percentages at which limits warn.
func CheckThresholds(at string, list []int, p *bursar.Problems) {
	for i, t := range list {
		if t < 1 || t > 1000 {
			p.Add(fmt.Sprintf("%s/%d", at, i), bursar.CodeValidationFailed, "a threshold is a whole percentage from 1 to 1000")
		}
	}
	if len(list) > bursar.MaxThresholds {
		p.Add(at, bursar.CodeValidationFailed, "at most %d thresholds", bursar.MaxThresholds)
	}
}

// NewThresholds are the thresholds of a new limit that says none.
func (c *Catalogue) NewThresholds() []int {
	if c.Settings.AlertThresholds != nil {
		return *c.Settings.AlertThresholds
	}
	return c.Thresholds
}

// Strict tells whether an id that names no entity of a type is denied, and not left ungoverned.
func (c *Catalogue) Strict(typeID string) bool {
	t := c.TypeOf[typeID]
	return c.Settings.Strict || t != nil && t.Strict
}

// Ungoverned says what becomes of use that nothing limits, by entities of a type; "" = by nobody.
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
