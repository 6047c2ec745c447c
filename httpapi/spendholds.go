package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// A reservation that was made with a spend token is ended by who shows that token and the id
// that the token was given: the reservation's, and a mark that the server alone makes.
const markSeparator = "."

// newHoldKey derives the key of marks from the environment's secret.
func newHoldKey(secret [32]byte) (key [sha256.Size]byte) {
	mac := hmac.New(sha256.New, secret[:])
	io.WriteString(mac, "bursar reservation of a spend token v1")
	mac.Sum(key[:0])
	return key
}

// markedID is the id of a reservation as its maker is told it.
func (q *request) markedID(id string) string {
	if q.spend == nil || q.spend.behalf {
		return id
	}
	mac := hmac.New(sha256.New, q.api.holdKey[:])
	for _, text := range []string{q.spend.token.Customer(), id, q.spend.token.ID()} {
		io.WriteString(mac, strconv.Itoa(len(text))+":"+text)
	}
	return id + markSeparator + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// unmarked puts the id of a reservation in place of the one that the spend token was given. To
// any other token there is none.
func (q *request) unmarked() error {
	id, _, _ := strings.Cut(q.path[1], markSeparator)
	if subtle.ConstantTimeCompare([]byte(q.markedID(id)), []byte(q.path[1])) != 1 {
		return bursar.Errorf(bursar.CodeReservationNotFound, "with this spend token no reservation %.80q was made", q.path[1])
	}
	q.path[1] = strings.Clone(id) // what is kept of it does not keep all of the request line
	return nil
}

// namesIt refuses a reservation of entities that a key is not for: to it, there is none.
func (q *request) namesIt() error {
	switch {
	case q.route.pattern == reservations && q.r.Method == "GET":
		return bursar.Errorf(bursar.CodeForbidden, "this API key is for entities of some types: it lists no reservations")
	case !strings.HasPrefix(q.route.pattern, reservation):
		return nil
	}
	got, _, err := q.api.engine.Reservation(q.ctx, ledger.ReadOptions{}, q.path[0], q.path[1])
	if err == nil && q.names("", got.Dimensions) != nil {
		err = bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %.64q", q.path[1])
	}
	return err
}

// maxSpendHold is for how many seconds a spend token holds before it must extend: so long it
// outlives a revocation.
const maxSpendHold = 3600

// ending is for how long a reservation of a spend token may be: not longer than the token.
func (q *request) ending(ttlSeconds int) int {
	if q.spend == nil || q.spend.behalf {
		return ttlSeconds
	}
	return min(ttlSeconds, maxSpendHold, max(int((q.spend.token.Expires()-q.now)/1e9), bursar.MinHoldTTL))
}
