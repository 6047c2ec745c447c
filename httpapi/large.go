package httpapi

import (
	"reflect"

	"github.com/bursarhq/bursar"
)

// What is large takes its turn: it is decoded, written or compressed on half of the processors at most.
// It takes so long that small requests would wait behind many of them.
const (
	largeBody  = 8 << 10  // bytes of a request
	largeReply = 32 << 10 // bytes of a reply
	largePage  = 100      // rows of a reply
)

// lengthy is a reply that may have very many rows.
type lengthy interface{ rows() int }

// takeTurn waits until something large may be done, until the request runs out of time: then it returns
// false. The caller gives the turn back.
func (q *request) takeTurn() bool {
	select {
	case q.api.large <- struct{}{}:
		return true
	case <-q.ctx.Done():
		return false
	}
}

func (q *request) giveTurn() { <-q.api.large }

// decode fills v, of shape s, from the body. A large one waits for its turn.
func (q *request) decode(s *shape, v reflect.Value, problems *bursar.Problems) error {
	if len(q.body) >= largeBody {
		if !q.takeTurn() {
			return bursar.Errorf(bursar.CodeGovernanceUnavailable, "too many large requests wait on this node; nothing was recorded")
		}
		defer q.giveTurn()
	}
	return decodeBody(q.body, s, v, problems)
}

// render appends the document that answers v to b. A large one waits for its turn, as long as the request has time:
// what was recorded is answered in any case. The answer to a large body is large.
func (q *request) render(b []byte, v any) ([]byte, error) {
	l, ok := v.(lengthy)
	if (len(q.body) >= largeBody || ok && l.rows() > largePage) && q.takeTurn() {
		defer q.giveTurn()
	}
	return appendReply(b, v)
}
