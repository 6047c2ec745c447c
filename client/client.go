// Package client speaks to a Bursar server over its HTTP API. It imports the standard
// library and package bursar only.
//
// Every call is safe to send again, so calls are repeated when the server or the
// network fails for a moment: reads and upserts are so by nature, and a call that
// creates or records something carries an idempotency key, the caller's or one made up
// for the call. A denial (402) is an answer and is never repeated.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
)

// Limits of a call.
const (
	// DefaultRetries is how often a call that failed for a moment is sent again.
	DefaultRetries = 4
	// MaxRetryAfter bounds how long a server may ask to wait between two attempts.
	MaxRetryAfter = 30 * time.Second

	maxReplyBytes = 32 << 20
	firstBackoff  = 50 * time.Millisecond
	maxBackoff    = 2 * time.Second
	callTimeout   = 15 * time.Second // of one attempt; the server gives up after 10 s
	connections   = 64               // kept open to the server
)

// Client calls one server with one key. Its methods may be used concurrently; it keeps
// connections open between calls. Its fields may be set before the first call.
type Client struct {
	// HTTP sends the requests. Its transport must not be nil.
	HTTP *http.Client
	// Retries is how often a call may be sent again; 0 means only once.
	Retries int

	base  string
	key   string
	token string // a spend token, for whose holder key asks
	sleep func(context.Context, time.Duration) error
}

// New makes a client of the server at baseURL, such as http://127.0.0.1:8080, that
// shows key.
func New(baseURL, key string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	return &Client{
		HTTP:    &http.Client{Transport: transport, Timeout: callTimeout},
		Retries: DefaultRetries,
		base:    strings.TrimSuffix(baseURL, "/") + "/api/v1",
		key:     key,
		sleep:   sleep,
	}
}

// WithKey is a client of the same server, over the same connections, that shows another key.
func (c *Client) WithKey(key string) *Client {
	other := *c
	other.key = key
	return &other
}

// OnBehalf is a client of the same server, over the same connections, that makes reservations for
// the holder of a spend token, as a gateway does: whose they are, and what may be held, the token
// says; to end them is for the client's key alone.
func (c *Client) OnBehalf(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// Error is a reply that is not a success. Binding, ResetsAt, Chains and Warnings are set when a
// limit denied, Chains, Warnings and Frozen when a freeze did, Allocation when a write would have broken a strict one.
type Error struct {
	Status    int
	Code      bursar.Code
	Message   string
	Retryable bool // the same request may succeed later
	RequestID string
	Fields    []bursar.FieldError // the bad places of the request

	Binding  *Binding
	ResetsAt *bursar.Time // when the binding limit's window ends
	Chains   [][]Node
	Advice   *Advice // of a denial: how to go on all the same
	Warnings []string
	Frozen   *Frozen // what denied where a freeze did; Binding is nil then

	Allocation *AllocationProblem

	shouldRetry string // the header that outranks what Status suggests
	retryAfter  time.Duration
}

func (e *Error) Error() string {
	return fmt.Sprintf("bursar: %d %s: %s", e.Status, e.Code, e.Message)
}

// RetryAfter is how long the server asks to wait before the same request; 0 = it does not say.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Denied returns the denial in err; ok is false when err is anything else, such as a
// failure to decide.
func Denied(err error) (denial *Error, ok bool) {
	return denial, errors.As(err, &denial) && denial.Status == http.StatusPaymentRequired
}

// again reports whether to send the call once more.
func (e *Error) again() bool {
	switch {
	case e.Status == http.StatusPaymentRequired:
		return false
	case e.shouldRetry != "":
		return e.shouldRetry == "true"
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// call is one request, before it is sent.
type call struct {
	method string
	path   string // below the base, escaped
	query  url.Values
	in     any    // body; nil = none
	key    string // Idempotency-Key header
}

// do sends c until it succeeds, fails for good or has no retries left, and reads the
// reply into out, which may be nil.
func (c *Client) do(ctx context.Context, what call, out any) error {
	var body []byte
	if what.in != nil {
		var err error
		if body, err = json.Marshal(what.in); err != nil {
			return fmt.Errorf("bursar: encoding the request: %w", err)
		}
	}
	target := c.base + what.path
	if len(what.query) > 0 {
		target += "?" + what.query.Encode()
	}
	for attempt := 0; ; attempt++ {
		reply, err := c.send(ctx, what, target, body)
		if err == nil {
			return decode(reply, out)
		}
		var e *Error
		answered := errors.As(err, &e)
		if attempt >= c.Retries || ctx.Err() != nil || answered && !e.again() {
			return err
		}
		wait := backoff(attempt)
		if answered && e.retryAfter > 0 {
			wait = min(e.retryAfter, MaxRetryAfter)
		}
		if c.sleep(ctx, wait) != nil {
			return err
		}
	}
}

func decode(reply []byte, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("bursar: reading the reply: %w", err)
	}
	return nil
}

// send makes one attempt and returns the body of a success.
func (c *Client) send(ctx context.Context, what call, target string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, what.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Code: bursar.CodeValidationFailed, Message: err.Error(), shouldRetry: "false"}
	}
	req.Header.Set("X-API-KEY", c.key)
	if c.token != "" {
		req.Header.Set("Bursar-Spend-Token", c.token)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if what.key != "" {
		req.Header.Set("Idempotency-Key", what.key)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("bursar: %w", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return nil, fmt.Errorf("bursar: reading the reply: %w", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return reply, nil
	}
	return nil, failure(resp, reply)
}

// failure reads a problem document. A reply that is none, of a proxy perhaps, still
// makes an Error with its status.
func failure(resp *http.Response, reply []byte) *Error {
	var p struct {
		Code      bursar.Code         `json:"code"`
		Message   string              `json:"message"`
		Retryable bool                `json:"retryable"`
		Errors    []bursar.FieldError `json:"errors"`
		Binding   *Binding            `json:"binding"`
		Advice    *Advice             `json:"advice"`
		ResetsAt  *bursar.Time        `json:"resetsAt"`
		Chains    [][]Node            `json:"chains"`
		Frozen    *Frozen             `json:"frozen"`
		Warnings  []string            `json:"warnings"`

		Allocation *AllocationProblem `json:"allocation"`
	}
	if json.Unmarshal(reply, &p) != nil || p.Code == "" {
		p.Message = http.StatusText(resp.StatusCode)
	}
	e := &Error{
		Status: resp.StatusCode, Code: p.Code, Message: p.Message, Retryable: p.Retryable, RequestID: resp.Header.Get("X-Request-Id"),
		Fields: p.Errors, Binding: p.Binding, ResetsAt: p.ResetsAt, Chains: p.Chains, Advice: p.Advice, Frozen: p.Frozen, Warnings: p.Warnings, Allocation: p.Allocation, shouldRetry: resp.Header.Get("X-Should-Retry"),
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.retryAfter = time.Duration(min(s, int(MaxRetryAfter/time.Second))) * time.Second
	}
	return e
}

// backoff is the pause after the attempt, counted from 0: it doubles, and half of it is
// chance so that clients which failed together do not come back together.
func backoff(attempt int) time.Duration {
	d := min(firstBackoff<<min(attempt, 10), maxBackoff)
	return d/2 + mathrand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// keyFor makes the header key of a call whose body has none.
func keyFor(own string) string {
	if own != "" {
		return ""
	}
	return rand.Text()
}

// segments escapes and joins the parts of a path.
func segments(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(part))
	}
	return b.String()
}

// data is how replies wrap what they say.
type data[T any] struct {
	Data T `json:"data"`
}

// ask sends a call whose reply is {data: T}.
func ask[T any](ctx context.Context, c *Client, what call) (T, error) {
	var out data[T]
	err := c.do(ctx, what, &out)
	return out.Data, err
}

// post sends what needs no body, such as …/archive.
func post[T any](ctx context.Context, c *Client, path string) (T, error) {
	return ask[T](ctx, c, call{method: http.MethodPost, path: path, key: keyFor("")})
}

// postIDs sends what is about several things and answers with nothing of use.
func postIDs(ctx context.Context, c *Client, path string, ids []string) error {
	in := map[string]any{"ids": ids}
	return c.do(ctx, call{method: http.MethodPost, path: path, in: in, key: keyFor("")}, nil)
}
