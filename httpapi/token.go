package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// An access token is a JWT, signed with HMAC-SHA256 and a key that only the nodes of this
// environment can derive. It says all that it allows; what it cannot say, that it was
// revoked, is in the catalogue.

// maxTokenBytes bounds a token before its signature is computed: ids of full length fit.
const maxTokenBytes = 4096

const (
	tokenIssuer   = "bursar"
	tokenAudience = "bursar:governance"
)

// maxIssuedAhead is how far ahead a token may say that it was made. One that was made under
// a wrong clock ends with that clock.
const maxIssuedAhead = bursar.Time(5 * time.Minute)

// tokenClaims are what a token says beside the registered claims.
type tokenClaims struct {
	jwt.Claims
	CustomerID   string              `json:"customerId"`
	RootEntityID string              `json:"rootEntityId,omitempty"`
	Permissions  []bursar.Permission `json:"permissions"`
}

type tokenKey [sha256.Size]byte

// newTokenKey derives the key of access tokens from the environment's secret.
func newTokenKey(secret [32]byte) tokenKey {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte("bursar access token v1"))
	return tokenKey(mac.Sum(nil))
}

// sign makes the text of t.
func (k *tokenKey) sign(t *bursar.AccessToken) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: k[:]}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(tokenClaims{
		Claims: jwt.Claims{
			Issuer: tokenIssuer, Audience: jwt.Audience{tokenAudience}, ID: t.ID, Subject: t.Subject,
			IssuedAt: jwt.NewNumericDate(t.CreatedAt.Std()), Expiry: jwt.NewNumericDate(t.ExpiresAt.Std()),
		},
		CustomerID: t.CustomerID, RootEntityID: t.RootEntityID, Permissions: t.Permissions,
	}).Serialize()
}

// looksLikeToken tells a token from an API key, which has no dots where it begins alike.
func looksLikeToken(text string) bool {
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

// verify reads a token that sign made and that has not expired at now; nil for any other
// text. No other algorithm is accepted, least of all none.
func (k *tokenKey) verify(text string, now bursar.Time) *bursar.AccessToken {
	if len(text) > maxTokenBytes {
		return nil
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil
	}
	var c tokenClaims
	if err := parsed.Claims(k[:], &c); err != nil {
		return nil
	}
	if c.Issuer != tokenIssuer || !c.Audience.Contains(tokenAudience) || c.Expiry == nil || c.ID == "" || c.CustomerID == "" {
		return nil
	}
	if c.IssuedAt == nil || bursar.TimeOf(c.IssuedAt.Time()) > now+maxIssuedAhead {
		return nil
	}
	t := &bursar.AccessToken{ID: c.ID, CustomerID: c.CustomerID, RootEntityID: c.RootEntityID, Permissions: c.Permissions,
		Subject: c.Subject, ExpiresAt: bursar.TimeOf(c.Expiry.Time())}
	if now >= t.ExpiresAt {
		return nil
	}
	return t
}
