package bursar

// SpendTokenType is the type of the entities that spend tokens with caps are counted on, and
// SpendTokenKey its attribution key. The server makes both.
const (
	SpendTokenType = "spend-token"
	SpendTokenKey  = "spendTokenId"
)

// Limits of spend tokens.
const (
	MinSpendTTL     = 60           // seconds
	MaxSpendTTL     = 366 * 86_400 // seconds
	DefaultSpendTTL = 86_400       // seconds
	MaxSpendTokens  = 10_000       // of an environment at a time
	MaxSpendMade    = 10_000       // entities and caps that are ever made for all tokens that were made from one
)

// SpendToken is what is kept of a spend token: all but its text.
type SpendToken struct {
	ID         string            `json:"id"`
	CustomerID string            `json:"customerId"`
	RootID     string            `json:"rootId,omitempty"` // of one that its holder made, the token that it was made from
	Label      string            `json:"label,omitempty"`
	Entities   map[string]string `json:"entities,omitempty"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Features   []string          `json:"features,omitempty"`
	Currencies []string          `json:"currencies,omitempty"`
	Events     []string          `json:"events,omitempty"`
	Models     []string          `json:"models,omitempty"`
	Caps       []SpendCap        `json:"caps,omitempty"`
	CreatedAt  Time              `json:"createdAt"`
	ExpiresAt  Time              `json:"expiresAt"`
	RevokedAt  *Time             `json:"revokedAt,omitempty"`
}

// SpendCap is how much of a feature or of a currency may be used with a token.
type SpendCap struct {
	FeatureID  string `json:"featureId,omitempty"`
	CurrencyID string `json:"currencyId,omitempty"`
	Amount     Amount `json:"amount"`
}

// Capability is what the cap is of.
func (c *SpendCap) Capability() Capability {
	if c.CurrencyID != "" {
		return Capability{Kind: KindCurrency, ID: c.CurrencyID}
	}
	return Capability{Kind: KindFeature, ID: c.FeatureID}
}
