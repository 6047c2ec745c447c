package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Limits of replies that are kept for a retry.
const (
	maxReplyBytes = 1 << 20
	maxKeptBytes  = 64 << 20
	keptFor       = 10 * time.Minute
	entryBytes    = 512 // of a reply without its header and body
)

// replays keeps the replies to calls that have an idempotency key. A retry gets the reply of
// the first attempt, once that has come, and the provider is not called, nor paid, again.
type replays struct {
	mu    sync.Mutex
	byKey map[[sha256.Size]byte]*replay
	ended []*replay // whole ones, the oldest first
	bytes int
}

// replay is one reply. What is below done is read only once done is closed.
type replay struct {
	sum    [sha256.Size]byte
	done   chan struct{}
	whole  bool // it is all there
	over   bool // it is too large to keep
	status int
	header http.Header
	body   []byte
	size   int // with all that belongs to it
	at     time.Time
}

func newReplays() *replays { return &replays{byKey: map[[sha256.Size]byte]*replay{}} }

// begin finds the reply to the same call, once it is there, or makes a place for it: first
// is true then. nil is that the caller went.
func (s *replays) begin(ctx context.Context, by *caller, target, key string, body []byte) (r *replay, first bool) {
	content := sha256.Sum256(body)
	dims, err := json.Marshal(by.dims)
	if err != nil {
		panic("gateway: " + err.Error()) // they are texts, numbers and booleans
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{by.key, by.customer, string(dims), target, key, string(content[:])}, "\x00")))
	for {
		s.mu.Lock()
		s.expire()
		r = s.byKey[sum]
		if r == nil {
			r = &replay{sum: sum, done: make(chan struct{}), size: entryBytes}
			s.byKey[sum] = r
			s.bytes += r.size
			s.mu.Unlock()
			return r, true
		}
		s.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, false
		}
		if r.whole {
			return r, false
		}
	}
}

// expire forgets what is old or too much. The lock is held.
func (s *replays) expire() {
	for len(s.ended) > 0 && (s.bytes > maxKeptBytes/2 || time.Since(s.ended[0].at) > keptFor) {
		s.forget(s.ended[0])
		s.ended = s.ended[1:]
	}
}

func (s *replays) forget(r *replay) {
	delete(s.byKey, r.sum)
	s.bytes -= r.size
}

// head keeps the head of the reply.
func (s *replays) head(r *replay, status int, h http.Header) {
	r.status, r.header = status, h.Clone()
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 64
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.size += n
	s.bytes += n
}

// add keeps a piece of the reply, if there is room.
func (s *replays) add(r *replay, b []byte) {
	if r.over {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.body)+len(b) > maxReplyBytes || s.bytes+len(b) > maxKeptBytes {
		s.bytes -= len(r.body)
		r.size -= len(r.body)
		r.body, r.over = nil, true
		return
	}
	r.body = append(r.body, b...)
	r.size += len(b)
	s.bytes += len(b)
}

// finish ends the attempt. What is not whole is forgotten, and the next one is sent.
func (s *replays) finish(r *replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.whole = r.whole && !r.over; r.whole {
		r.at = time.Now()
		s.ended = append(s.ended, r)
	} else {
		s.forget(r)
		r.body = nil
	}
	close(r.done)
}

// answer sends the reply again.
func (r *replay) answer(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	h.Set("Bursar-Replayed", "true")
	inTime(w)
	w.WriteHeader(r.status)
	writePieces(w, r.body) // a caller that is gone needs no answer
}
