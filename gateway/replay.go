package gateway

import (
	"context"
	"crypto/sha256"
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
	at     time.Time
}

func newReplays() *replays { return &replays{byKey: map[[sha256.Size]byte]*replay{}} }

// begin finds the reply to the same call, once it is there, or makes a place for it: first
// is true then. nil is that the caller went.
func (s *replays) begin(ctx context.Context, by *caller, path, key string, body []byte) (r *replay, first bool) {
	content := sha256.Sum256(body)
	sum := sha256.Sum256([]byte(strings.Join([]string{by.key, by.customer, path, key, string(content[:])}, "\x00")))
	for {
		s.mu.Lock()
		s.expire()
		r = s.byKey[sum]
		if r == nil {
			r = &replay{sum: sum, done: make(chan struct{})}
			s.byKey[sum] = r
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
	s.bytes -= len(r.body)
}

func (r *replay) head(status int, h http.Header) {
	r.status, r.header = status, h.Clone()
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
		r.body, r.over = nil, true
		return
	}
	r.body = append(r.body, b...)
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
	w.WriteHeader(r.status)
	w.Write(r.body) // a caller that is gone needs no answer
}
