package gateway

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// upstream is a provider as it is called.
type upstream struct {
	*Upstream
	base *url.URL
}

func newUpstream(u *Upstream) *upstream {
	base, err := url.Parse(u.BaseURL)
	if err != nil {
		panic("gateway: " + err.Error()) // Check has read it
	}
	return &upstream{u, base}
}

// target is the URL of a path below the base, with the query of the caller.
func (u *upstream) target(below, query string) *url.URL {
	to := *u.base
	if rest, found := strings.CutPrefix(below, "/v1/"); found && u.Kind == kindOpenAI {
		below = "/" + rest
	}
	to.Path = strings.TrimSuffix(to.Path, "/") + below
	switch {
	case to.RawQuery == "":
		to.RawQuery = query
	case query != "":
		to.RawQuery += "&" + query
	}
	return &to
}

// hop are headers of one connection, which are not passed on.
var hop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// own tells whether a header is of this gateway alone.
func own(name string) bool { return strings.HasPrefix(name, "Bursar-") }

// passOn copies headers that are of the call, not of the connection or of us.
func passOn(to, from http.Header) {
	for name, values := range from {
		if !own(name) {
			to[name] = append([]string(nil), values...)
		}
	}
	for _, listed := range from["Connection"] {
		for name := range strings.SplitSeq(listed, ",") {
			to.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hop {
		to.Del(name)
	}
}

// request makes the call of r for the provider: with its key in place of the caller's.
func (u *upstream) request(r *http.Request, below string, body io.ReadCloser, size int64) *http.Request {
	out := &http.Request{Method: r.Method, URL: u.target(below, r.URL.RawQuery), Header: http.Header{}, ContentLength: size,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	passOn(out.Header, r.Header)
	for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "Cookie", "Content-Length", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		out.Header.Del(name)
	}
	if _, given := r.Header["User-Agent"]; !given {
		out.Header["User-Agent"] = []string{""}
	}
	switch {
	case u.key == "":
	case u.KeyHeader != "":
		out.Header.Set(u.KeyHeader, u.key)
	case u.Kind == kindAnthropic:
		out.Header.Set("X-Api-Key", u.key)
	default:
		out.Header.Set("Authorization", "Bearer "+u.key)
	}
	if body != nil && size != 0 {
		out.Body = body
	}
	return out
}

// replayable tells whether the transport takes a request for one that it may send again although
// a provider may have begun it. Others it sends again only where that is known not to be so.
func replayable(h http.Header) bool {
	_, a := h["Idempotency-Key"]
	_, b := h["X-Idempotency-Key"]
	return a || b
}
