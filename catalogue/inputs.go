package catalogue

import (
	"maps"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// SetOpt is how null and "" clear a text.
func SetOpt(dst **string, src bursar.Opt[string]) {
	if !src.Set {
		return
	}
	if *dst = nil; !src.Null && src.Value != "" {
		v := src.Value
		*dst = &v
	}
}

// PatchMetadata merges in into m; "" deletes a key. The result is never nil.
func PatchMetadata(m, in map[string]string, pointer string, p *bursar.Problems) map[string]string {
	out := make(map[string]string, len(m)+len(in))
	maps.Copy(out, m)
	for _, k := range record.SortedKeys(in) {
		v := in[k]
		switch err := bursar.CheckMetadata(k, v); {
		case err != nil:
			p.Add(pointer+"/"+EscapePointer(k), bursar.CodeValidationFailed, "%v", err)
		case v == "":
			delete(out, k)
		default:
			out[k] = v
		}
	}
	if len(out) > bursar.MaxMetadataKeys {
		p.Add(pointer, bursar.CodeValidationFailed, "metadata has at most %d keys, this would have %d", bursar.MaxMetadataKeys, len(out))
	}
	return out
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// EscapePointer is one key as a part of a JSON pointer (RFC 6901).
func EscapePointer(key string) string { return pointerEscapes.Replace(key) }

// EntityTypeInput creates or replaces an entity type; Description absent, null or ""
// clears it.
type EntityTypeInput struct {
	ID              string
	DisplayName     string
	AttributionKeys []string
	Description     bursar.Opt[string]            // absent keeps it; null or "" clears it
	Strict          bursar.Opt[bool]              // absent keeps it; null is false
	Ungoverned      bursar.Opt[bursar.Ungoverned] // absent keeps it; null is what the environment says
	Enrolment       bursar.Opt[bursar.Enrolment]  // absent keeps it; null ends it
	IfMatch         string                        // the revision that this is based on, or a word for it; "" = does not say
}

// FeaturePatch updates a feature; absent members are kept.
type FeaturePatch struct {
	DisplayName        bursar.Opt[string]
	Description        bursar.Opt[string]
	FeatureUnits       bursar.Opt[string]
	FeatureUnitsPlural bursar.Opt[string]
	Metadata           map[string]string // merges; "" deletes a key
	Meter              bursar.Opt[bursar.Meter]
}

// CurrencyPatch updates a currency; absent members are kept, null and "" clear.
type CurrencyPatch struct {
	DisplayName bursar.Opt[string]
	Description bursar.Opt[string]
	Symbol      bursar.Opt[string]
	Units       bursar.Opt[bursar.Units]
	Metadata    map[string]string // merges; "" deletes a key
}

// RateCardInput creates a rate card with its first version, in force from EffectiveFrom
// (0 = now).
type RateCardInput struct {
	ID, CurrencyID, DisplayName string
	RateVersionInput
}

// RateVersionInput adds a version to a rate card. EffectiveFrom (0 = now) is not in the
// past and after the last version's.
type RateVersionInput struct {
	EffectiveFrom bursar.Time
	Rates         []bursar.Rate // Per 0 = 1
	Corrects      int           // 0 = none
}

// WebhookInput creates an endpoint. Kind "" = webhook.
type WebhookInput struct {
	Kind        bursar.WebhookKind
	URL         string
	Description *string
	EventTypes  []string // nil = all
	CustomerID  *string
}

// WebhookPatch updates an endpoint; absent members are kept, null clears.
type WebhookPatch struct {
	URL         bursar.Opt[string]
	Description bursar.Opt[string]
	EventTypes  bursar.Opt[[]string]
	CustomerID  bursar.Opt[string]
	Enabled     bursar.Opt[bool]
}

// SettingsPatch changes what holds for the whole environment; absent members are kept.
type SettingsPatch struct {
	Strict     bursar.Opt[bool]              // null is false
	Ungoverned bursar.Opt[bursar.Ungoverned] // null is UngovernedWarn
	Thresholds bursar.Opt[[]int]             // null is as the server is configured
	UsageRules bursar.Opt[[]bursar.UsageRule]
}
