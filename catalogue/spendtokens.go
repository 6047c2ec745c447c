package catalogue

import (
	"encoding/json"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// SpendTokenKept is how long after its end a spend token is listed.
const SpendTokenKept = bursar.Time(7 * 24 * 3600e9)

// SpendTokenCreated is the audit entry that a spend token leaves.
const SpendTokenCreated = "spend_token.created"

// SpendEntity is an entity that a token is counted on.
type SpendEntity struct {
	ID, Label string
	Expires   bursar.Time
	Caps      []bursar.CapabilityAmount
}

// SpendPath is who spends with a token: the entities that it is pinned to, by the blocks of
// the token, and those that it is counted on, each above the next.
type SpendPath struct {
	ID      string // of the token itself
	Pins    [][]bursar.Dimension
	Counted []SpendEntity
}

func (c *Catalogue) applySpendToken(body []byte) error {
	t := new(bursar.SpendToken)
	if err := json.Unmarshal(body, t); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	now := t.CreatedAt
	if t.RevokedAt != nil {
		now = *t.RevokedAt
	}
	sweep(&c.SpendSweep, c.SpendOf, func(_ string, old *bursar.SpendToken) bool { return old.ExpiresAt+SpendTokenKept < now })
	c.SpendOf[t.ID] = t
	return nil
}

// SpendToken is nil when the server knows none of that id. It knows a token that a holder made
// only once that was revoked.
func (c *Catalogue) SpendToken(id string) *bursar.SpendToken { return c.SpendOf[id] }

// SpendTokens lists them by (CreatedAt, ID).
func (c *Catalogue) SpendTokens() []*bursar.SpendToken {
	return sorted(c.SpendOf, func(t *bursar.SpendToken) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

// MaySpend tells whether a token goes back to one that the server made for the customer, and
// none on the way was revoked. ids are of all these tokens, beginning with the server's.
func (c *Catalogue) MaySpend(customer string, ids []string) bool {
	if made := c.SpendOf[ids[0]]; made == nil || made.RootID != "" || made.CustomerID != customer {
		return false
	}
	for _, id := range ids {
		if t := c.SpendOf[id]; t != nil && t.RevokedAt != nil {
			return false
		}
	}
	return true
}
