package httpapi

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// headerSpendToken has the spend token of the one for whom a key asks.
const headerSpendToken = "Bursar-Spend-Token"

// gatewayID is the id under which the gateway of this process acts.
const gatewayID = "gateway"

// fromGateway is the key in a context of what the gateway of this process asks.
type fromGateway struct{}

// ForGateway serves a gateway of this process: requests without a credential are its own, and
// may do what a key of scope runtime may.
func (a *API) ForGateway() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), fromGateway{}, true)))
	})
}

// onBehalf is who asks where the holder of a key that may spend as anybody asks for the holder
// of a spend token: the request is judged as that one's, but what it makes is the key's to
// end. Guesses are not counted: who makes them has a key.
func (q *request) onBehalf(p principal, texts []string) (none principal, _ error) {
	switch where := q.route.pattern; {
	case p.access&(accessFull|accessRuntime) == 0 || p.bound != nil:
		return none, bursar.Errorf(bursar.CodeForbidden, "%s takes an API key of scope full or runtime that is bound to nobody", headerSpendToken)
	case len(texts) > 1:
		return none, bursar.Errorf(bursar.CodeValidationFailed, "there is more than one %s header", headerSpendToken)
	case where != reservations && where != ownBudgetPattern:
		return none, bursar.Errorf(bursar.CodeForbidden, "%s is for making a reservation and for the token's budget; ask everything else with the key alone", headerSpendToken)
	}
	by, ok := q.api.identifySpend(texts[0], q.now)
	if !ok { // it may have been made on another node a moment ago
		if err := q.api.engine.Newest(q.ctx); err != nil {
			return none, err
		}
		if by, ok = q.api.identifySpend(texts[0], q.now); !ok {
			return none, bursar.Errorf(bursar.CodeUnauthenticated, "this spend token is not valid: it may be mistyped, expired or revoked")
		}
	}
	q.api.lastUse.note(p.id, q.now)
	by.behalf = true
	return by, nil
}
