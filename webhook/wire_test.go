package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
)

// bubble runs f where time passes only while everybody waits: what is to happen at an
// instant happens at it, however slow the machine is. Sockets of the kernel do not wait in
// that sense, so receivers are made by wires.receiver and reached by pipes.
func bubble(t *testing.T, f func(t *testing.T, w *wires)) {
	synctest.Test(t, func(t *testing.T) { f(t, &wires{to: map[string]*wire{}}) })
}

// wires are the pipes to receivers, by address.
type wires struct {
	mu sync.Mutex
	to map[string]*wire
}

// receiver is newReceiver's, at the end of a pipe.
func (w *wires) receiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	w.mu.Lock()
	l := &wire{addr: fmt.Sprintf("127.0.0.1:%d", 1000+len(w.to)), calls: make(chan net.Conn), closed: make(chan struct{})}
	w.to[l.addr] = l
	w.mu.Unlock()
	rec := &receiver{}
	rec.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: rec.handler(answer)}}
	rec.Start()
	t.Cleanup(rec.Close)
	return rec
}

// connect makes sender dial w alone.
func (w *wires) connect(sender *Sender) {
	sender.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		w.mu.Lock()
		l := w.to[addr]
		w.mu.Unlock()
		ours, theirs := net.Pipe()
		select {
		case l.calls <- theirs:
			return ours, nil
		case <-l.closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// wire is a listener for pipes; it is its own address.
type wire struct {
	addr   string
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *wire) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wire) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *wire) Addr() net.Addr  { return l }
func (l *wire) Network() string { return "pipe" }
func (l *wire) String() string  { return l.addr }
