package httpapi

import "sync"

// Limits of the bytes of bodies in memory at one time, without the firstBody of each body: of
// the process, of one API key and of one access token. A body of the largest size fits into
// each limit.
const (
	maxBodies      = 128 << 20
	maxKeyBodies   = 96 << 20
	maxTokenBodies = 4 << 20
)

// bodyBudget counts the memory that requests' bodies take.
type bodyBudget struct {
	mu  sync.Mutex
	all int64
	by  map[string]int64 // by API key or access token
}

func newBodyBudget() *bodyBudget { return &bodyBudget{by: map[string]int64{}} }

// take notes n bytes more for q; false, and nothing is noted, when they are too many.
func (b *bodyBudget) take(q *request, n int64) bool {
	most := int64(maxKeyBodies)
	if q.token != nil {
		most = maxTokenBodies
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all+n > maxBodies || b.by[q.actor]+n > most {
		return false
	}
	b.all += n
	b.by[q.actor] += n
	q.taken += n
	return true
}

// give takes back what q has.
func (b *bodyBudget) give(q *request) {
	if q.taken == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all -= q.taken
	if b.by[q.actor] -= q.taken; b.by[q.actor] == 0 {
		delete(b.by, q.actor)
	}
	q.taken = 0
}
