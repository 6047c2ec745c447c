package httpapi

import (
	"reflect"
	"runtime"

	"github.com/bursarhq/bursar"
)

// largeBody is the number of bytes from which on a body waits for its turn to be decoded.
// Decoding a large body takes so long that small requests would wait behind many of them.
const largeBody = 8 << 10

// newDecoding is room for the large bodies that are decoded at a time: on half of the
// processors.
func newDecoding() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// decode fills v, of shape s, from the body. A large one waits for its turn, as long as
// the request may take.
func (q *request) decode(s *shape, v reflect.Value, problems *bursar.Problems) error {
	if len(q.body) >= largeBody {
		select {
		case q.api.decoding <- struct{}{}:
		case <-q.ctx.Done():
			return bursar.Errorf(bursar.CodeGovernanceUnavailable, "too many large requests wait on this node; nothing was recorded")
		}
		defer func() { <-q.api.decoding }()
	}
	return decodeBody(q.body, s, v, problems)
}
