package gateway

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// caller is who calls, as the request says.
type caller struct {
	key      string
	customer string
	dims     map[string]any
	server   *client.Client // asked with its key
	from     string         // its address
}

// from is the key of the caller's address in a context.
type from struct{}

// context is ctx with the caller's address, which the server in the same process is told.
func (c *caller) context(ctx context.Context) context.Context {
	return From(ctx, c.from)
}

// callerOf reads a request's headers.
func (g *Gateway) callerOf(r *http.Request) (*caller, *problem) {
	key, p := credential(r.Header)
	if p != nil {
		return nil, p
	}
	c := &caller{key: key, customer: r.Header.Get(HeaderCustomer), dims: map[string]any{}, server: g.server.WithKey(key), from: r.RemoteAddr}
	if c.customer == "" {
		c.customer = g.config.Customer
	}
	for _, text := range r.Header[HeaderDimensions] {
		if err := ReadDimensions(text, c.dims); err != nil {
			return nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: err.Error()}
		}
	}
	return c, nil
}

// credential is the key of a caller, where the SDKs put it: Authorization or x-api-key.
func credential(h http.Header) (string, *problem) {
	var keys []string
	if scheme, token, _ := strings.Cut(h.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != "" {
		keys = append(keys, strings.TrimSpace(token))
	}
	if key := h.Get("X-Api-Key"); key != "" && (len(keys) == 0 || keys[0] != key) {
		keys = append(keys, key)
	}
	if len(keys) == 2 { // an SDK that was given another key by its environment, too
		var ours []string
		for _, key := range keys {
			if strings.HasPrefix(key, "bsk_") {
				ours = append(ours, key)
			}
		}
		keys = ours
	}
	if len(keys) != 1 {
		return "", &problem{status: http.StatusUnauthorized, code: bursar.CodeUnauthenticated,
			message: "give one Bursar API key (bsk_…) as the API key of your SDK; the gateway has the provider's"}
	}
	return keys[0], nil
}

// needCustomer is what is wrong with a call that is nobody's.
func (c *caller) needCustomer() *problem {
	if c.customer == "" {
		return &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed,
			message: "say whose call this is: send the header " + HeaderCustomer + ", or configure a customer"}
	}
	return nil
}

// knownKeys remembers, by their sums, keys that the server took: while it cannot be asked,
// and calls are to go on, only those are let through.
type knownKeys struct {
	mu   sync.Mutex
	last map[[sha256.Size]byte]time.Time
}

// Limits of what is remembered of keys.
const (
	maxKnownKeys = 10_000
	knownFor     = time.Hour
)

func newKnownKeys() *knownKeys { return &knownKeys{last: map[[sha256.Size]byte]time.Time{}} }

func (k *knownKeys) sum(c *caller) [sha256.Size]byte {
	return sha256.Sum256([]byte(c.key))
}

// note remembers that the server took the caller's key, or that it did not.
func (k *knownKeys) note(c *caller, took bool) {
	sum := k.sum(c)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !took {
		delete(k.last, sum)
		return
	}
	if len(k.last) >= maxKnownKeys {
		clear(k.last)
	}
	k.last[sum] = time.Now()
}

func (k *knownKeys) has(c *caller) bool {
	sum := k.sum(c)
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.last[sum]
	return ok && time.Since(at) < knownFor
}
