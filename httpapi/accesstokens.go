package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type accessTokenIn struct {
	customerPath
	RootEntityID     *string             `json:"rootEntityId" is:"entityId" doc:"Only this entity and what is below it; it may change what is below only."`
	Permissions      []bursar.Permission `json:"permissions" is:"required,n=1-2,enum=read|manage" doc:"manage is to read, too."`
	ExpiresInSeconds *int                `json:"expiresInSeconds" is:"n=60-86400,default=3600"`
	Subject          *string             `json:"subject" is:"len=0-255" doc:"Your id of the person, for the activity list."`
}

// accessTokenOut is a token; Token, its text, is told once, when it is made.
type accessTokenOut struct {
	ID               string              `json:"id"`
	Token            string              `json:"token,omitempty" doc:"Only in the reply that made it."`
	CustomerID       string              `json:"customerId"`
	RootEntityID     *string             `json:"rootEntityId"`
	Permissions      []bursar.Permission `json:"permissions"`
	ExpiresInSeconds int                 `json:"expiresInSeconds" doc:"As it was asked for."`
	Subject          *string             `json:"subject"`
	CreatedAt        bursar.Time         `json:"createdAt"`
	ExpiresAt        bursar.Time         `json:"expiresAt"`
	RevokedAt        *bursar.Time        `json:"revokedAt"`
}

func viewAccessToken(t bursar.AccessToken) accessTokenOut {
	return accessTokenOut{
		ID: t.ID, CustomerID: t.CustomerID, RootEntityID: orNil(&t.RootEntityID), Permissions: t.Permissions,
		// The end is cut to a whole second, the beginning is not.
		ExpiresInSeconds: int((t.ExpiresAt - t.CreatedAt + 1e9 - 1) / 1e9),
		Subject:          orNil(&t.Subject), CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt,
	}
}

// createAccessToken makes a token. A replayed reply is without its text: it is kept
// nowhere.
func (a *API) createAccessToken(c call, in *accessTokenIn) (out accessTokenOut, _ uint64, _ error) {
	t, version, err := a.engine.CreateAccessToken(c.ctx, c.by, in.CustomerID, ledger.AccessTokenInput{
		RootEntityID: orZero(in.RootEntityID), Permissions: in.Permissions, Subject: orZero(in.Subject),
		TTLSeconds: or(in.ExpiresInSeconds, bursar.DefaultTokenTTL),
	})
	if err != nil {
		return out, version, err
	}
	out = viewAccessToken(t)
	out.Token, err = a.tokens.sign(&t)
	return out, version, err
}

func (a *API) revokeAccessToken(c call, in *accessTokenPath) (bursar.AccessToken, uint64, error) {
	return a.engine.RevokeAccessToken(c.ctx, c.by, in.CustomerID, in.TokenID)
}
