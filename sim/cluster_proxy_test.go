package sim

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// proxy stands between nodes and their database, and makes the network as bad as a test
// wants it.
type proxy struct {
	listener net.Listener
	to       string
	all      sync.WaitGroup

	mu    sync.Mutex
	delay time.Duration // of each piece of data
	hole  chan struct{} // while not nil nothing goes through and nobody is told; closed at the end
	links map[*link]bool
}

// link is one connection with the two sockets that it is made of.
type link struct{ client, server net.Conn }

func newProxy(t *testing.T, s *pgtest.Server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: s.Addr(), links: map[*link]bool{}}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.heal()
		p.cut(false)
		p.all.Wait()
	})
	return p
}

// through is the URL by way of the proxy.
func (p *proxy) through(url string) string {
	return strings.Replace(url, p.to, p.listener.Addr().String(), 1) + "?sslmode=disable"
}

func (p *proxy) serve(client net.Conn) {
	if !p.pass() {
		_ = client.Close()
		return
	}
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client, server}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			p.pump(way[0], way[1])
			_, _ = client.Close(), server.Close()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pass waits for as long as the network is to swallow or delay something.
func (p *proxy) pass() bool {
	p.mu.Lock()
	hole, delay := p.hole, p.delay
	p.mu.Unlock()
	if hole != nil {
		<-hole
		return false // what was swallowed is lost, and with it the connection
	}
	if delay > 0 {
		<-time.After(delay)
	}
	return true
}

func (p *proxy) pump(from, to net.Conn) {
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if !p.pass() {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err == io.EOF || err != nil {
			return
		}
	}
}

// slow delays everything by d each way; 0 for no longer.
func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// swallow lets nothing through any more. Connections stay open.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = make(chan struct{})
}

// heal ends swallow.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hole != nil {
		close(p.hole)
		p.hole = nil
	}
}

// cut ends all connections; by a reset if so, which discards what is on its way.
func (p *proxy) cut(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		for _, c := range []net.Conn{l.client, l.server} {
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}
}
