package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/bursarhq/bursar/client"
)

// InProcess is a client of the server whose handler is h, without a connection between.
func InProcess(h http.Handler) *client.Client {
	c := client.New("http://in-process", "")
	c.HTTP = &http.Client{Transport: direct{h}}
	return tuned(c)
}

// From is a context in which a client that [InProcess] made tells the server the address of who
// asks, by which wrong keys are counted.
func From(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, from{}, address)
}

// Remote is a client of the server at a URL.
func Remote(url string) *client.Client { return tuned(client.New(url, "")) }

// serverTimeout bounds one attempt at the server.
const serverTimeout = 4 * time.Second

func tuned(c *client.Client) *client.Client {
	if t, ok := c.HTTP.Transport.(*http.Transport); ok {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, idleConnections
		c.HTTP.Timeout = serverTimeout
	}
	c.Retries = 1 // callers wait; what is to be recorded is tried again by books
	return c
}

// direct calls a handler as if it were a server.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	in := r.Clone(r.Context())
	in.RequestURI = in.URL.RequestURI()
	in.RemoteAddr, _ = r.Context().Value(from{}).(string)
	if in.RemoteAddr == "" {
		in.RemoteAddr = "127.0.0.1:0"
	}
	if t := httptrace.ContextClientTrace(r.Context()); t != nil && t.WroteHeaders != nil {
		t.WroteHeaders()
	}
	w := &answer{header: http.Header{}}
	d.h.ServeHTTP(w, in)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r}, nil
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
