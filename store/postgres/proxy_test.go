package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// action is what a proxy does with a message of statements.
type action int

const (
	pass    action = iota
	cut            // lose the connection before the server has it
	hang           // keep it, and the connection
	swallow        // lose the connection once the server has answered, and the answer with it
)

// proxy stands between a store and its server. It knows enough of the protocol to tell
// which statements a message has.
type proxy struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	decide   func(statements []string) action
}

// newProxy starts a proxy, and gives the URL that leads to the database through it.
func newProxy(t *testing.T, s *pgtest.Server, url string) (*proxy, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	p := &proxy{listener: l, to: s.Addr()}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return p, strings.Replace(url, s.Addr(), l.Addr().String(), 1) + "?sslmode=disable"
}

// on sets what decides about each message from now on.
func (p *proxy) on(decide func(statements []string) action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// once decides about the next message that has the statement.
func (p *proxy) once(statement string, do func() action) {
	var once sync.Once
	p.on(func(statements []string) (a action) {
		if slices.Contains(statements, statement) {
			once.Do(func() { a = do() })
		}
		return a
	})
}

func (p *proxy) decision(statements []string) action {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil {
		return pass
	}
	return decide(statements)
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	defer func() { _, _ = client.Close(), server.Close() }()
	hello, err := message(client, 0)
	if err != nil {
		return
	}
	if _, err := server.Write(hello); err != nil {
		return
	}
	var mu sync.Mutex
	swallowing := false
	go func() {
		defer func() { _, _ = client.Close(), server.Close() }()
		for {
			m, err := message(server, 1)
			if err != nil {
				return
			}
			mu.Lock()
			s := swallowing
			mu.Unlock()
			if s && m[0] == 'Z' {
				return
			}
			if !s {
				if _, err := client.Write(m); err != nil {
					return
				}
			}
		}
	}()
	prepared := map[string]string{}
	var group []byte
	var statements []string
	for {
		m, err := message(client, 1)
		if err != nil {
			return
		}
		group = append(group, m...)
		switch words := bytes.Split(m[5:], []byte{0}); m[0] {
		case 'P':
			prepared[string(words[0])] = string(words[1])
		case 'B':
			statements = append(statements, prepared[string(words[1])])
		case 'S', 'Q', 'X':
			switch p.decision(statements) {
			case cut:
				return
			case hang:
				_, _ = io.Copy(io.Discard, client)
				return
			case swallow:
				mu.Lock()
				swallowing = true
				mu.Unlock()
			}
			if _, err := server.Write(group); err != nil {
				return
			}
			group, statements = nil, nil
		}
	}
}

// message reads one message, whose length is behind head bytes.
func message(r io.Reader, head int) ([]byte, error) {
	m := make([]byte, head+4)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	rest := make([]byte, int(binary.BigEndian.Uint32(m[head:]))-4)
	_, err := io.ReadFull(r, rest)
	return append(m, rest...), err
}
