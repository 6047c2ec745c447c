package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/gateway"
)

// refusing is a provider of HTTP/2 that refuses the first request as not processed, and answers
// the others. It returns its URL.
func refusing(t *testing.T, asked *atomic.Int64) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.EnableHTTP2 = true
	s.StartTLS() // for its certificate
	config := s.TLS.Clone()
	config.NextProtos = []string{"h2"}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	s.Close()
	before := http.DefaultTransport
	trusting := before.(*http.Transport).Clone()
	trusting.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "example.com"}
	http.DefaultTransport = trusting
	t.Cleanup(func() { http.DefaultTransport = before })
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveFrames(conn, asked)
		}
	}()
	return "https://" + l.Addr().String()
}

// Types and flags of HTTP/2.
const (
	frameData, frameHeaders, frameReset, frameSettings = 0, 1, 3, 4

	flagEnd, flagHeaders, flagAck = 1, 4, 1
	refusedStream                 = 7
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	out = append(out, flags)
	out = binary.BigEndian.AppendUint32(out, stream)
	return append(out, payload...)
}

func serveFrames(conn net.Conn, asked *atomic.Int64) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	conn.Write(frame(frameSettings, 0, 0, nil))
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(append([]byte{0}, head[:3]...))
		if _, err := io.CopyN(io.Discard, conn, int64(n)); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			conn.Write(frame(frameSettings, flagAck, 0, nil))
		case (kind == frameHeaders || kind == frameData) && flags&flagEnd != 0:
			if asked.Add(1) == 1 {
				conn.Write(frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, refusedStream)))
				continue
			}
			fields := append([]byte{0x88, 0x0f, 0x10, 16}, "application/json"...) // :status 200, content-type
			conn.Write(frame(frameHeaders, flagHeaders, stream, fields))
			conn.Write(frame(frameData, flagEnd, stream, []byte(`{"usage":{"prompt_tokens":1,"completion_tokens":2}}`)))
		}
	}
}

// TestUnprocessed: a call that the provider says it has not processed is sent again, and is
// recorded once, with what it used.
func TestUnprocessed(t *testing.T) {
	var asked atomic.Int64
	at := refusing(t, &asked)
	w := newWorld(t, func(c *gateway.Config) {
		c.Upstreams = append(c.Upstreams, gateway.Upstream{Name: "h2", Kind: "openai", BaseURL: at})
	})
	got := w.post("/h2/v1/chat/completions", chat)
	if got.status != 200 || asked.Load() != 2 {
		t.Errorf("the provider was asked %d times: %+v", asked.Load(), got)
	}
	if w.used() != [5]int64{1, 0, 0, 2, 0} || len(w.holds(bursar.HoldCommitted)) != 1 {
		t.Errorf("used are %v", w.used())
	}
}
