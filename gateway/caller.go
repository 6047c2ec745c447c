package gateway

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/spendtoken"
)

// caller is who calls, as the request says.
type caller struct {
	key      string
	customer string
	dims     map[string]any
	server   *client.Client // asked whether it may call
	books    *client.Client // told how its calls end
	from     string         // its address
	spend    bool           // the key is a spend token, which says of whom the call is
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
	if spendtoken.Looks(key) {
		return c, c.bySpendToken(g, r.Header)
	}
	c.books = c.server
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

// bySpendToken takes from a spend token whose call it is. The server judges it: it adds what
// the token pins, and refuses what is not genuine. What is held is the gateway's to end, with
// its own key, also once the token is over.
func (c *caller) bySpendToken(g *Gateway, h http.Header) *problem {
	if g.own == nil {
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: "this gateway takes no spend tokens: its operator must give it an API key of its own (bursar gateway --server-key)"}
	}
	c.server, c.books = g.own.OnBehalf(c.key), g.own
	t, err := spendtoken.Parse(c.key)
	if err != nil {
		return &problem{status: http.StatusUnauthorized, code: bursar.CodeUnauthenticated, message: err.Error()}
	}
	c.spend = true
	switch {
	case t.Expires() <= bursar.TimeOf(time.Now()): // also while the server cannot be asked
		return &problem{status: http.StatusUnauthorized, code: bursar.CodeUnauthenticated, message: "this spend token has ended"}
	case c.customer != "" && c.customer != t.Customer():
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: HeaderCustomer + ": this spend token is of another customer; leave the header out"}
	case len(h[HeaderDimensions]) > 0:
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: HeaderDimensions + ": the spend token says whose call this is; leave the header out"}
	}
	c.customer = t.Customer()
	return nil
}

// credential is the key of a caller, where the SDKs put it: Authorization or x-api-key. Of several an
// SDK's environment may have given it the others, so those that are not Bursar's do not count then. An
// Authorization that bears nothing, such as that of a proxy, is no key.
func credential(h http.Header) (string, *problem) {
	apiKey, authorization := h["X-Api-Key"], slices.DeleteFunc(slices.Clone(h["Authorization"]), func(value string) bool { return bursar.Bearer(value) == "" })
	key, err := bursar.Credential(apiKey, authorization)
	if err != nil {
		key, err = bursar.Credential(slices.DeleteFunc(slices.Clone(apiKey), foreign), slices.DeleteFunc(authorization, foreign))
	}
	if err != nil || key == "" {
		return "", &problem{status: http.StatusUnauthorized, code: bursar.CodeUnauthenticated,
			message: "give one Bursar API key (bsk_…) or spend token (bst_…) as the API key of your SDK; the gateway has the provider's"}
	}
	return key, nil
}

// foreign tells whether what a header has is another's key.
func foreign(value string) bool {
	key := value
	if _, token, ok := strings.Cut(value, " "); ok {
		key = strings.TrimSpace(token)
	}
	return !strings.HasPrefix(key, "bsk_") && !spendtoken.Looks(key)
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
	last [2]map[[sha256.Size]byte]time.Time // of API keys; of spend tokens, which holders make without end
}

// Limits of what is remembered of keys.
const (
	maxKnownKeys = 10_000
	knownFor     = time.Hour
)

func newKnownKeys() *knownKeys { return &knownKeys{last: [2]map[[sha256.Size]byte]time.Time{{}, {}}} }

func (k *knownKeys) of(c *caller) map[[sha256.Size]byte]time.Time {
	if c.spend {
		return k.last[1]
	}
	return k.last[0]
}

func (k *knownKeys) sum(c *caller) [sha256.Size]byte {
	return sha256.Sum256([]byte(c.key))
}

// note remembers that the server took the caller's key, or that it did not.
func (k *knownKeys) note(c *caller, took bool) {
	sum := k.sum(c)
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.of(c)
	if !took {
		delete(last, sum)
		return
	}
	if len(last) >= maxKnownKeys {
		clear(last)
	}
	last[sum] = time.Now()
}

func (k *knownKeys) has(c *caller) bool {
	sum := k.sum(c)
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.of(c)[sum]
	return ok && time.Since(at) < knownFor
}
