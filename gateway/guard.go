package gateway

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
)

// guard counts the wrong keys that come from each address. The server sees the gateway's
// address alone, and could shut out only all of its callers.
type guard struct {
	mu     sync.Mutex
	since  time.Time
	counts map[netip.Addr]int
}

// Limits of guessing.
const (
	guardFailures  = 20 // from one address, in each
	guardWindow    = time.Minute
	guardAddresses = 10_000
)

func newGuard() *guard { return &guard{counts: map[netip.Addr]int{}} }

// note counts what the server said of a caller's key.
func (g *guard) note(by *caller, p *problem) {
	if p.status != http.StatusUnauthorized {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.since) >= guardWindow || len(g.counts) >= guardAddresses {
		g.since = time.Now()
		clear(g.counts)
	}
	g.counts[bursar.PeerAddress(by.from)]++
}

// refusal is that of a key from an address with too many wrong ones, unless the key is known.
func (g *guard) refusal(by *caller, known *knownKeys) *problem {
	g.mu.Lock()
	shut := g.counts[bursar.PeerAddress(by.from)] >= guardFailures && time.Since(g.since) < guardWindow
	g.mu.Unlock()
	if !shut || known.has(by) {
		return nil
	}
	return &problem{status: http.StatusTooManyRequests, code: bursar.CodeRateLimited, message: "too many failed attempts from this address", retry: true}
}
