package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// memory is what the bodies of all calls take together.
type memory struct {
	used atomic.Int64
	most int64
}

// share is what one call takes of it.
type share struct {
	of    *memory
	taken int64
}

// errFull is that the bodies of all calls would take too much.
var errFull = errors.New("gateway: too much is read at once")

func errBusy() *problem {
	return &problem{status: http.StatusServiceUnavailable, code: "GatewayBusy", message: "this gateway reads as much as it may at once (maxMemoryBytes)", retry: true}
}

func (s *share) grow(n int64) bool {
	if s.of.used.Add(n) > s.of.most {
		s.of.used.Add(-n)
		return false
	}
	s.taken += n
	return true
}

// drop gives back all of it.
func (s *share) drop() {
	s.of.used.Add(-s.taken)
	s.taken = 0
}

// firstBytes is where reading begins.
const firstBytes = 4 << 10

// readAll reads r, which may say its size, as long as there is memory: what was announced and
// does not come takes none. With errFull it returns what it has.
func (s *share) readAll(r io.Reader, size int64) ([]byte, error) {
	var b []byte
	for {
		if len(b) == cap(b) {
			room := max(2*int64(cap(b)), firstBytes)
			if size >= int64(len(b)) && size < room {
				room = size + 1 // for the end to be seen
			}
			if !s.grow(room - int64(cap(b))) {
				return b, errFull
			}
			b = append(make([]byte, 0, room), b...)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// sending is a body on its way. It lets go of the bytes once they are sent.
type sending struct {
	mu   sync.Mutex
	rest []byte
}

func (s *sending) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = nil
	return nil
}
