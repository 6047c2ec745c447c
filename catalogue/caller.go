package catalogue

import (
	"sync/atomic"

	"github.com/bursarhq/bursar"
)

// revised is a thing with a revision, see [bursar.Assignment.Revision].
type revised interface{ Revision() string }

// StillAt refuses a write that is based on another revision of the one thing it changes.
func (c *Caller) StillAt(current revised) error {
	var p bursar.Problems
	p.CheckRevision("", c.IfMatch, current, true)
	return p.Err()
}

// StillAt is [Caller.StillAt] of who asks for the write.
func (w *Write) StillAt(current revised) error { return w.Caller.StillAt(current) }

// Caller is who asks for a write, for the audit listing and for replays.
type Caller struct {
	ActorType string // API_KEY, ACCESS_TOKEN, SPEND_TOKEN, NOTIFICATION or SYSTEM
	ActorID   string
	Subject   string
	RequestID string
	Token     *bursar.AccessToken // limits what is written; nil = nothing does
	Wrote     *atomic.Int64       // of a Token: told how many audit entries and webhook deliveries the request made
	Spends    *SpendPath          // of a spend token, whose holder is not trusted; nil = anything may be spent
	Types     []string            // entity types that the API key is bound to; none = it is bound to none
	// Key is set when the request came with an Idempotency-Key header on a route whose
	// body has no keys of its own.
	Key *RequestKey
	// IfMatch is the revision that the request is based on, or a word for it; "" = it does not
	// say. It is for a request that changes one thing. Where a request changes several, each says
	// its own.
	IfMatch string
}

// RequestKey makes a whole write request idempotent for 24 hours: the reply is kept
// with the write and given again to a request with the same key and content.
type RequestKey struct {
	Key     string
	Content [32]byte // hash of method, path and body
	// Render makes the reply that is kept, from what the method would return. It is
	// called while the write is decided: it must be quick and must not call the engine.
	Render func(result any) (status int, body []byte)
}
