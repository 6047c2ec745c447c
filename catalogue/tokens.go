package catalogue

import (
	"encoding/json"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// RevokedToken is a revocation in the catalogue.
type RevokedToken struct {
	ID        string      `json:"id"`
	RevokedAt bursar.Time `json:"revokedAt"`
	ExpiresAt bursar.Time `json:"expiresAt"`
}

// RevokedSlack is how long a revocation outlives its token, lest a slow clock revive it.
const RevokedSlack = bursar.Time(10 * 60e9)

func (c *Catalogue) applyRevoked(body []byte) error {
	var t RevokedToken
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	sweep(&c.RevokedSweep, c.Revoked, func(_ string, old RevokedToken) bool { return old.ExpiresAt+RevokedSlack < t.RevokedAt })
	c.Revoked[t.ID] = t
	return nil
}

// TokenRevoked tells whether an access token was revoked.
func (c *Catalogue) TokenRevoked(id string) bool {
	_, ok := c.Revoked[id]
	return ok
}

// TokenAudit is how the audit listing shows a token.
type TokenAudit struct {
	RootEntityID *string             `json:"rootEntityId"`
	Permissions  []bursar.Permission `json:"permissions"`
	Subject      *string             `json:"subject"`
	CreatedAt    bursar.Time         `json:"createdAt"`
	ExpiresAt    bursar.Time         `json:"expiresAt"`
	RevokedAt    *bursar.Time        `json:"revokedAt"`
}

func AuditToken(t *bursar.AccessToken) TokenAudit {
	a := TokenAudit{Permissions: t.Permissions, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt}
	if t.RootEntityID != "" {
		a.RootEntityID = &t.RootEntityID
	}
	if t.Subject != "" {
		a.Subject = &t.Subject
	}
	return a
}

const TokenCreated = "access_token.created"
