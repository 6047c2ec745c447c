package bursar

// RateCard prices features in one currency. A feature has at most one live card per
// currency.
type RateCard struct {
	ID          string        `json:"id"`
	CurrencyID  string        `json:"currencyId"`
	DisplayName string        `json:"displayName"`
	Versions    []RateVersion `json:"versions"` // ascending; Versions[i].Version = i+1
	CreatedAt   Time          `json:"createdAt"`
	ArchivedAt  *Time         `json:"archivedAt"`
}

// RateVersion is an immutable price list, in force from EffectiveFrom until the next
// version's or until the card is archived.
type RateVersion struct {
	Version       int    `json:"version"`
	EffectiveFrom Time   `json:"effectiveFrom"`
	Rates         []Rate `json:"rates"`
	// Corrects is the version whose charges re-pricing replaces by this one's; 0 = none.
	Corrects  int  `json:"corrects,omitempty"`
	CreatedAt Time `json:"createdAt"`
}

// Rate is the price of Per units of a feature, for usage whose dimensions have one of
// the listed values under every key of Match. Of several rates that match, the one with
// the most keys applies.
type Rate struct {
	FeatureID string              `json:"featureId"`
	Amount    Amount              `json:"amount"` // ≥ 0
	Per       int64               `json:"per"`    // 1, 1000 or 1000000
	Match     map[string][]string `json:"match,omitempty"`
}

// Limits of rate cards: rates of a version, and values of one key of a match.
const (
	MaxRates       = 50_000
	MaxMatchValues = 1000
)

// At is the version in force at t; nil when there is none.
func (c *RateCard) At(t Time) *RateVersion {
	if c.ArchivedAt != nil && t >= *c.ArchivedAt {
		return nil
	}
	for i := len(c.Versions) - 1; i >= 0; i-- {
		if c.Versions[i].EffectiveFrom <= t {
			return &c.Versions[i]
		}
	}
	return nil
}

// Prices reports whether v has a rate of the feature, for whatever dimensions.
func (v *RateVersion) Prices(featureID string) bool {
	for i := range v.Rates {
		if v.Rates[i].FeatureID == featureID {
			return true
		}
	}
	return false
}

// Cost is what amount units cost: amount × Amount ÷ Per, rounded half-even to 9
// decimals. ok is false when that is 10^15 or more.
func (r *Rate) Cost(amount Amount) (cost Amount, ok bool) { return amount.MulDiv(r.Amount, r.Per) }

// Cost is what usage costs in one currency.
type Cost struct {
	CurrencyID string
	Amount     Amount
}
