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
)

// access is the set of key scopes that a route admits.
type access uint8

const (
	accessFull access = 1 << iota
	accessRuntime
	accessRead

	open   access = 0                                       // no key needed
	writes        = accessFull                              // governance
	reads         = accessFull | accessRead                 // GETs
	spends        = accessFull | accessRuntime              // what uses up limits
	asks          = accessFull | accessRuntime | accessRead // checks
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

// maxCredentialBytes bounds a key before it is hashed.
const maxCredentialBytes = 256

// authenticate finds out who asks, and whether the route admits them.
func (q *request) authenticate() error {
	text, err := credential(q.r.Header["X-Api-Key"], q.r.Header["Authorization"])
	if err != nil {
		return err
	}
	if err := q.catalogue(); err != nil {
		return err
	}
	now := q.api.engine.Now()
	id, scope, ok := q.api.identify(text, now)
	if !ok { // it may have been made on another node a moment ago
		if err := q.api.engine.Newest(q.ctx); err != nil {
			return err
		}
		id, scope, ok = q.api.identify(text, now)
	}
	if !ok {
		return q.refused("this API key is not valid: it may be mistyped, expired or revoked")
	}
	q.actor = id
	if q.route.access&scope == 0 {
		return bursar.Errorf(bursar.CodeForbidden, "an API key of scope %q may not do this; it takes %s", scopeName(scope), q.route.access.names())
	}
	q.api.lastUse.note(id, now)
	return nil
}

// catalogue makes the catalogue as new as the request needs it: what is about the
// catalogue itself sees all that was written before on any node, and for the rest a key
// that was revoked a second ago does not work.
func (q *request) catalogue() error {
	if q.route.customer || q.route.access == spends || q.route.access == asks {
		return q.api.engine.Fresh(q.ctx)
	}
	return q.api.engine.Newest(q.ctx)
}

// refused is the answer to a wrong key, unless there were too many from the address.
func (q *request) refused(message string) error {
	if wait := q.api.guard.failed(clientIP(q.r.RemoteAddr), q.start); wait > 0 {
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

// credential is the key in a request's headers.
func credential(apiKey, authorization []string) (string, error) {
	var text string
	for _, key := range apiKey {
		if text != "" && key != text {
			return "", errTwoKeys()
		}
		text = key
	}
	for _, h := range authorization {
		scheme, token, _ := strings.Cut(h, " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", bursar.Errorf(bursar.CodeUnauthenticated, "the Authorization header must be: Bearer <API key>")
		}
		if text != "" && token != text {
			return "", errTwoKeys()
		}
		text = token
	}
	if text == "" {
		return "", bursar.Errorf(bursar.CodeUnauthenticated, "send an API key, as X-API-KEY: <key> or Authorization: Bearer <key>")
	}
	return text, nil
}

func errTwoKeys() error {
	return bursar.Errorf(bursar.CodeUnauthenticated, "the request carries two different keys; send one")
}

// identify looks text up among the keys. Every comparison of secrets is of SHA-256
// sums, in constant time.
func (a *API) identify(text string, now bursar.Time) (id string, scope access, ok bool) {
	if len(text) > maxCredentialBytes {
		return "", 0, false
	}
	var buf [maxCredentialBytes]byte
	sum := sha256.Sum256(buf[:copy(buf[:], text)])
	if a.admin != nil && subtle.ConstantTimeCompare(sum[:], a.admin[:]) == 1 {
		return adminID, accessFull, true
	}
	rest, found := strings.CutPrefix(text, "bsk_")
	id, _, split := strings.Cut(rest, "_")
	if !found || !split {
		return "", 0, false
	}
	key := a.engine.Catalogue().APIKey(id)
	if key == nil || subtle.ConstantTimeCompare(sum[:], key.Hash) != 1 || !key.Live(now) {
		return "", 0, false
	}
	return key.ID, scopeAccess(key.Scope), true
}

// Limits of the guard.
const (
	guardFailures  = 20
	guardWindow    = time.Minute
	guardAddresses = 100_000
	retryAfterMax  = 30 * time.Second
)

// guard counts failed attempts by address and fixed minute. It refuses further failed
// ones only: a valid key from the same address passes.
type guard struct {
	mu     sync.Mutex
	since  time.Time
	counts map[netip.Addr]int
}

func newGuard() *guard { return &guard{counts: map[netip.Addr]int{}} }

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

// clientIP is the peer's address; of IPv6 its /64, which one client owns whole.
// Forwarded headers are not believed: anybody can send them.
func clientIP(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip := at.Addr().Unmap()
	if ip.Is6() {
		if block, err := ip.Prefix(64); err == nil {
			return block.Addr()
		}
	}
	return ip
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
