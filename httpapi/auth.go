package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/spendtoken"
)

// access is the set of key scopes and token permissions that a route admits. A route that
// names no permission is closed to access tokens.
type access uint8

const (
	accessFull access = 1 << iota
	accessRuntime
	accessRead
	tokenRead
	tokenManage
	tokenSpend // of spend tokens, which may do nothing else

	tokens = tokenRead | tokenManage

	open       access = 0                          // no key needed
	writes            = accessFull                 // governance
	reads             = accessFull | accessRead    // GETs
	consumes          = accessFull | accessRuntime // what uses up limits
	spends            = consumes | tokenSpend      // what spend tokens may, too
	answers           = consumes | accessRead      // what all keys may ask
	asks              = answers | tokenSpend       // checks
	shows             = reads | tokenRead          // what access tokens may read, too
	governs           = writes | tokenManage       // what they may change
	petitions         = spends | tokenManage       // what asks for more than there is
	petitioned        = asks | tokenRead           // what tells what became of that
)

func scopeAccess(s bursar.KeyScope) access {
	switch s {
	case bursar.ScopeFull:
		return accessFull
	case bursar.ScopeRuntime:
		return accessRuntime
	case bursar.ScopeRead:
		return accessRead
	}
	return 0
}

// adminID is the id under which the configured admin key acts.
const adminID = "admin"

// principal is who asks: the holder of an API key, of an access token or of a spend token.
type principal struct {
	id     string
	access access
	token  *bursar.AccessToken // nil = none of these
	spend  *spendtoken.Token   // the same
	behalf bool                // a key asks for the holder of spend
	bound  *bursar.APIKey      // of a key that is not for everybody
}

// maxCredentialBytes bounds a key before it is hashed.
const maxCredentialBytes = 256

var errOtherCustomersKey = bursar.Errorf(bursar.CodeForbidden, "this API key is for another customer alone")

var errOtherCustomer = bursar.Errorf(bursar.CodeForbidden, "this spend token is of another customer")

// authenticate finds out who asks, and whether the route admits them.
func (q *request) authenticate() error {
	p, err := q.asks()
	if err != nil {
		return err
	}
	q.actor, q.token, q.access = p.id, p.token, p.access
	switch {
	case q.route.access&p.access == 0:
		return q.forbidden(p)
	case p.spend != nil && q.route.customer && q.path[0] != p.spend.Customer():
		return errOtherCustomer
	case p.spend != nil:
		q.spend = newSpending(p.spend, p.behalf)
	case p.token != nil && q.route.customer && q.path[0] != p.token.CustomerID:
		return errNoSuchCustomer()
	case p.bound != nil && p.bound.CustomerID != "" && q.route.customer && q.path[0] != p.bound.CustomerID:
		return errOtherCustomersKey
	case p.token == nil:
		q.bound = p.bound
		q.api.lastUse.note(p.id, q.now)
	}
	return nil
}

// asks finds who asks: the holder of the credential, or the gateway of this process, which
// needs none; and where they ask for the holder of a spend token, that.
func (q *request) asks() (p principal, err error) {
	if own := q.r.Context().Value(fromGateway{}) != nil; own && len(q.r.Header["Authorization"]) == 0 && q.r.Header.Get("X-Api-Key") == "" {
		if err = q.catalogue(); err != nil {
			return p, err
		}
		q.now, p = q.api.engine.Now(), principal{id: gatewayID, access: accessRuntime}
	} else {
		text, err := q.credential()
		if err != nil {
			return p, err
		}
		if p, err = q.holder(text); err != nil {
			return p, err
		}
	}
	if behalf := q.r.Header[headerSpendToken]; len(behalf) > 0 {
		return q.onBehalf(p, behalf)
	}
	return p, nil
}

const errWrongKey = "this API key or access token is not valid: it may be mistyped, expired or revoked"

// holder finds the holder of a key or token. After too many failed attempts from an address
// it asks no other node about a key that this one does not know. It then takes the admin key
// only from an address that has used it before: a person chose that key, so that each further
// attempt could be a guess.
func (q *request) holder(text string) (p principal, err error) {
	from := bursar.PeerAddress(q.r.RemoteAddr)
	shut := q.api.guard.shut(from, q.start)
	if shut {
		if err := q.api.engine.Fresh(q.ctx); err != nil {
			return p, err
		}
		if p, ok := q.api.identify(text, q.api.engine.Now()); !ok || p.id == adminID && !q.api.guard.trusts(from) {
			return p, q.refused(errWrongKey)
		}
	}
	if err := q.catalogue(); err != nil {
		return p, err
	}
	q.now = q.api.engine.Now()
	p, ok := q.api.identify(text, q.now)
	if !ok && !shut { // it may have been made on another node a moment ago
		if err := q.api.engine.Newest(q.ctx); err != nil {
			return p, err
		}
		p, ok = q.api.identify(text, q.now)
	}
	if !ok {
		return p, q.refused(errWrongKey)
	}
	if p.id == adminID {
		q.api.guard.trust(from)
	}
	return p, nil
}

// catalogue makes the catalogue as new as the request needs it. A request about the
// catalogue sees all that any node has written before it. For a request about a customer the
// catalogue may be a second old: a key that was revoked longer ago does not work.
func (q *request) catalogue() error {
	if q.route.customer || q.route.access&accessRuntime != 0 || q.route.access == tokenSpend {
		return q.api.engine.Fresh(q.ctx)
	}
	return q.api.engine.Newest(q.ctx)
}

// errNoSuchCustomer is also the answer to the holder of an access token who names another
// customer than the token's.
func errNoSuchCustomer() error {
	return bursar.Errorf(bursar.CodeCustomerNotFound, "there is no such customer")
}

// forbidden is the refusal of a key or token that the route does not admit. It says what the
// route takes.
func (q *request) forbidden(p principal) error {
	switch takes := q.route.access; {
	case p.spend != nil:
		return bursar.Errorf(bursar.CodeForbidden, "a spend token may not do this")
	case takes == tokenSpend:
		return bursar.Errorf(bursar.CodeForbidden, "only a spend token may do this")
	case p.token == nil:
		return bursar.Errorf(bursar.CodeForbidden, "an API key of scope %q may not do this; it takes %s", scopeName(p.access), takes.names())
	case takes&tokens == 0:
		return bursar.Errorf(bursar.CodeForbidden, "an access token may not do this; it takes an API key of scope %s", takes.names())
	}
	return bursar.Errorf(bursar.CodeForbidden, "this access token may only read; it takes the permission manage")
}

// credential is the text that says who asks. A stream takes an access token, but no key,
// in its query, too: browsers' EventSource sends no headers.
func (q *request) credential() (string, error) {
	key, authorization := q.r.Header["X-Api-Key"], q.r.Header["Authorization"]
	if q.route.pattern == streamPattern && len(key)+len(authorization) == 0 {
		if text := q.r.URL.Query().Get("access_token"); looksLikeToken(text) {
			return text, nil
		}
	}
	text, err := bursar.Credential(key, authorization)
	if err == nil && text == "" {
		err = bursar.Errorf(bursar.CodeUnauthenticated, "send an API key or an access token, as X-API-KEY: <key> or Authorization: Bearer <key>")
	}
	return text, err
}

// refused is the answer to a wrong key, unless there were too many from the address.
func (q *request) refused(message string) error {
	if wait := q.api.guard.failed(bursar.PeerAddress(q.r.RemoteAddr), q.start); wait > 0 {
		q.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		return bursar.Errorf(bursar.CodeRateLimited, "too many failed attempts from this address")
	}
	return bursar.Errorf(bursar.CodeUnauthenticated, "%s", message)
}

func scopeName(a access) bursar.KeyScope {
	switch a {
	case accessRuntime:
		return bursar.ScopeRuntime
	case accessRead:
		return bursar.ScopeRead
	}
	return bursar.ScopeFull
}

func (a access) names() string {
	var names []string
	for _, one := range []access{accessFull, accessRuntime, accessRead} {
		if a&one != 0 {
			names = append(names, string(scopeName(one)))
		}
	}
	return strings.Join(names, " or ")
}

// identify finds the holder of a key or token: it checks the signature of a token, and looks
// a key up. Every comparison of secrets is of SHA-256 sums, in constant time.
func (a *API) identify(text string, now bursar.Time) (p principal, ok bool) {
	if looksLikeToken(text) {
		if p, ok := a.identifyToken(text, now); ok {
			return p, true
		} // an admin key may look like one
	}
	if spendtoken.Looks(text) {
		if p, ok := a.identifySpend(text, now); ok {
			return p, true
		}
	}
	if len(text) > maxCredentialBytes {
		return p, false
	}
	var buf [maxCredentialBytes]byte
	sum := sha256.Sum256(buf[:copy(buf[:], text)])
	if a.admin != nil && subtle.ConstantTimeCompare(sum[:], a.admin[:]) == 1 {
		return principal{id: adminID, access: accessFull}, true
	}
	rest, found := strings.CutPrefix(text, "bsk_")
	id, _, split := strings.Cut(rest, "_")
	if !found || !split {
		return p, false
	}
	key := a.engine.Catalogue().APIKey(id)
	if key == nil || subtle.ConstantTimeCompare(sum[:], key.Hash) != 1 || !key.Live(now) {
		return p, false
	}
	p = principal{id: key.ID, access: scopeAccess(key.Scope)}
	if key.Bound() {
		p.bound = key
	}
	return p, true
}

func (a *API) identifyToken(text string, now bursar.Time) (p principal, ok bool) {
	t := a.tokens.verify(text, now)
	if t == nil || a.engine.Catalogue().TokenRevoked(t.ID) {
		return p, false
	}
	p = principal{id: t.ID, access: tokenRead, token: t}
	if t.Manages() {
		p.access |= tokenManage
	}
	return p, true
}

// Limits of the guard.
const (
	guardFailures  = 20
	guardWindow    = time.Minute
	guardAddresses = 100_000
	guardTrusted   = 1000
	retryAfterMax  = 30 * time.Second
)

// guard counts failed attempts by address and fixed minute. It refuses further attempts that
// fail. A valid key from the same address passes, except the admin key from an address that
// has not used it before.
type guard struct {
	mu      sync.Mutex
	since   time.Time
	counts  map[netip.Addr]int
	trusted map[netip.Addr]bool
}

func newGuard() *guard {
	return &guard{counts: map[netip.Addr]int{}, trusted: map[netip.Addr]bool{}}
}

// shut tells that there were too many failures from an address.
func (g *guard) shut(from netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[from] >= guardFailures && now.Sub(g.since) < guardWindow
}

// trust notes that the admin key came from an address while it was open.
func (g *guard) trust(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.trusted) >= guardTrusted {
		clear(g.trusted)
	}
	g.trusted[from] = true
}

func (g *guard) trusts(from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trusted[from]
}

// failed notes a failure at now. A wait above 0, in whole seconds, means that there
// were too many.
func (g *guard) failed(from netip.Addr, now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) >= guardWindow || len(g.counts) >= guardAddresses {
		g.since = now
		clear(g.counts)
	}
	g.counts[from]++
	if g.counts[from] <= guardFailures {
		return 0
	}
	wait = g.since.Add(guardWindow).Sub(now).Truncate(time.Second) + time.Second
	return min(wait, retryAfterMax)
}

// lastUse keeps when each key was last used, to the minute, in this process only: to
// store it would turn every check into a write.
type lastUse struct{ keys sync.Map } // id to *atomic.Int64, a bursar.Time

func newLastUse() *lastUse { return &lastUse{} }

func (l *lastUse) note(id string, now bursar.Time) {
	v, ok := l.keys.Load(id)
	if !ok {
		v, _ = l.keys.LoadOrStore(id, new(atomic.Int64))
	}
	minute := int64(now) - int64(now)%int64(time.Minute)
	if at := v.(*atomic.Int64); at.Load() != minute {
		at.Store(minute)
	}
}

// of is when the key was last used; nil if it was not.
func (l *lastUse) of(id string) *bursar.Time {
	v, ok := l.keys.Load(id)
	if !ok {
		return nil
	}
	t := bursar.Time(v.(*atomic.Int64).Load())
	return &t
}
