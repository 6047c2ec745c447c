package gateway

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// Limits of a call.
const (
	maxWholeBytes = 64 << 20 // of a reply that is read whole
	pieceBytes    = 32 << 10
	smallBody     = 64 << 10        // of a request, which is read before its key is looked up
	commitWait    = time.Second     // that a reply waits for its cost
	endsWithin    = 5 * time.Second // in which the hold of a call that is over has ended, too
)

// call is one that is governed, while it runs.
type call struct {
	g     *Gateway
	w     http.ResponseWriter
	r     *http.Request
	to    *upstream
	by    *caller
	asked *asked
	hold  *hold
	share share   // of the memory for bodies
	kept  *replay // nil = the reply is not kept
	usage reading
	gone  bool // the caller is
	over  bool // how the hold ends is settled
}

// govern answers a call of a governed endpoint.
func (g *Gateway) govern(w http.ResponseWriter, r *http.Request, to *upstream, below, endpoint string) {
	began := time.Now()
	c := &call{g: g, w: w, r: r, to: to, share: share{of: g.memory}}
	defer c.share.drop()
	if p := c.read(endpoint); p != nil {
		g.metrics.stopped(to, p)
		refuse(w, to.Kind, p)
		return
	}
	given := r.Header.Get("Idempotency-Key")
	if given != "" {
		kept, first := g.replays.begin(r.Context(), c.by, to.target(below, r.URL.RawQuery).String(), given, c.asked.body)
		if kept == nil {
			return // the caller has gone
		}
		if !first && c.by.spend { // lest it was revoked since
			if p := g.mayspend(r.Context(), c.by); p != nil {
				g.metrics.stopped(to, p)
				refuse(w, to.Kind, p)
				return
			}
		}
		if !first {
			g.metrics.replayed(to)
			kept.answer(w)
			return
		}
		c.kept = kept
		defer func() { g.replays.finish(kept) }()
	}
	var p *problem
	if c.hold, p = g.reserve(r.Context(), c.by, c.asked, to, given); p != nil {
		g.metrics.stopped(to, p)
		refuse(w, to.Kind, p)
		return
	}
	defer time.AfterFunc(endsWithin, func() { g.running.Delete(c.hold.id) })
	g.metrics.held(time.Since(began))
	g.metrics.open.Inc()
	defer g.metrics.open.Dec()
	c.send(below)
}

// read reads who calls, and what for.
func (c *call) read(endpoint string) (p *problem) {
	if c.by, p = c.g.callerOf(c.r); p != nil {
		return p
	}
	if p = c.by.needCustomer(); p != nil {
		return p
	}
	if n := c.r.ContentLength; (n < 0 || n > smallBody) && !c.g.known.has(c.by) {
		if p = c.g.mayspend(c.r.Context(), c.by); p != nil {
			c.w.Header().Set("Connection", "close") // rather than wait for what comes
			return p
		}
	}
	control := http.NewResponseController(c.w)
	control.SetReadDeadline(time.Now().Add(stallTimeout))
	c.asked, p = c.g.readBody(c.r, endpoint, &c.share)
	control.SetReadDeadline(time.Time{})
	return p
}

// context is that of the call to the provider. It outlives the caller for as long as the
// configuration says.
func (c *call) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(c.g.ended, time.Duration(c.g.config.CallSeconds)*time.Second)
	stop := context.AfterFunc(c.r.Context(), func() {
		if c.g.config.OnDisconnect == disconnectAbort {
			cancel()
			return
		}
		late := time.NewTimer(time.Duration(c.g.config.FinishSeconds) * time.Second)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// send sends the call, passes the reply on and has it recorded.
func (c *call) send(below string) {
	ctx, cancel := c.context()
	defer cancel()
	defer func() {
		if !c.over { // a panic
			c.end(c.hold.settle())
		}
	}()
	out := c.to.request(c.r, below, &sending{rest: c.asked.body}, int64(len(c.asked.body)))
	if !replayable(out.Header) {
		out.GetBody = func() (io.ReadCloser, error) { return &sending{rest: c.asked.body}, nil }
	}
	out.Header.Set("Accept-Encoding", "identity")
	out.Header.Del("Content-Encoding")
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { sent.Store(false) }, // what was sent before is known to be unprocessed
		WroteHeaders: func() { sent.Store(true) },
	})
	reply, err := c.g.send.RoundTrip(out.WithContext(ctx))
	c.asked.body = nil
	c.share.drop()
	if err != nil {
		c.failed(err, sent.Load())
		return
	}
	defer reply.Body.Close()
	h := c.w.Header()
	passOn(h, reply.Header)
	c.hold.show(h)
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		c.end(c.hold.release())
		c.w.WriteHeader(reply.StatusCode)
		c.cut(c.pump(reply.Body, nil))
		return
	}
	body, readable := decoded(reply, h)
	kind, _, _ := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	switch {
	case readable && kind == "text/event-stream":
		c.stream(reply.StatusCode, body)
	case readable && (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")):
		c.whole(reply.StatusCode, body)
	default:
		c.w.WriteHeader(reply.StatusCode)
		err := c.pump(body, nil)
		c.end(c.hold.settle())
		c.cut(err)
	}
}

// failed answers when there is no reply.
func (c *call) failed(err error, sent bool) {
	if sent { // it may have been billed
		c.end(c.hold.settle())
	} else {
		c.end(c.hold.release())
	}
	if c.r.Context().Err() != nil {
		c.left()
	} else {
		c.g.metrics.died(c.to)
		c.g.log.Warn("the provider gave no reply", "upstream", c.to.Name, "sent", sent, "err", err)
	}
	p := &problem{status: http.StatusBadGateway, code: "UpstreamUnavailable", message: "the provider gave no reply", retry: true}
	if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout awaiting response headers") {
		p.status, p.message = http.StatusGatewayTimeout, "the provider gave no reply in time"
	}
	c.hold.show(c.w.Header())
	refuse(c.w, c.to.Kind, p)
}

// decoded is the body of a reply to read; readable is false where its encoding is unknown.
// Nothing else than plain bytes was asked for, but some compress all the same.
func decoded(reply *http.Response, h http.Header) (body io.Reader, readable bool) {
	switch strings.ToLower(reply.Header.Get("Content-Encoding")) {
	case "", "identity":
		return reply.Body, true
	case "gzip":
		h.Del("Content-Encoding")
		h.Del("Content-Length")
		return &lateGzip{from: reply.Body}, true
	}
	return reply.Body, false
}

// lateGzip begins to decode with the first read, so that a stream's head is not waited for.
type lateGzip struct {
	from io.Reader
	z    *gzip.Reader
}

func (l *lateGzip) Read(b []byte) (int, error) {
	if l.z == nil {
		z, err := gzip.NewReader(l.from)
		if err != nil {
			return 0, err
		}
		l.z = z
	}
	return l.z.Read(b)
}

// stream passes a stream on, as it comes.
func (c *call) stream(status int, body io.Reader) {
	h := c.w.Header()
	if c.asked.addUsage {
		h.Del("Content-Length")
	}
	c.begin(status)
	e := &events{usage: &c.usage, filter: c.asked.addUsage}
	err := c.pump(body, e)
	if err == nil {
		c.usage.ended()
	}
	used := c.usage.object()
	if used == nil {
		c.end(c.hold.settle())
	} else {
		c.end(c.hold.commit(used, c.usage.answered(c.asked.model)))
	}
	if err == nil && used != nil && c.kept != nil {
		c.kept.whole = true
	}
	c.cut(err)
}

// begin sends the head of a reply.
func (c *call) begin(status int) {
	if c.kept != nil {
		c.g.replays.head(c.kept, status, c.w.Header())
	}
	inTime(c.w)
	c.w.WriteHeader(status)
	http.NewResponseController(c.w).Flush() // a caller that is gone is noticed with the first piece
}

// whole reads a reply that is no stream, so that its cost can stand in its head.
func (c *call) whole(status int, body io.Reader) {
	b, err := c.share.readAll(io.LimitReader(body, maxWholeBytes), -1)
	more := len(b) == maxWholeBytes || errors.Is(err, errFull)
	if err != nil && !more {
		c.end(c.hold.settle())
		c.broke(err)
		c.w.Header().Del("Content-Length")
		refuse(c.w, c.to.Kind, &problem{status: http.StatusBadGateway, code: "UpstreamUnavailable", message: "the provider's reply broke off", retry: true})
		return
	}
	c.usage.whole(b)
	if used := c.usage.object(); used != nil {
		c.endNow(c.hold.commit(used, c.usage.answered(c.asked.model)))
	} else {
		c.end(c.hold.settle())
	}
	if c.kept != nil {
		c.g.replays.head(c.kept, status, c.w.Header())
	}
	c.w.WriteHeader(status)
	c.write(b)
	if !more {
		if c.kept != nil {
			c.kept.whole = true
		}
		return
	}
	c.cut(c.pump(body, nil))
}

// cut breaks the connection of a caller whose reply broke off, who must not take it for whole.
func (c *call) cut(err error) {
	if err == nil {
		return
	}
	c.broke(err)
	panic(http.ErrAbortHandler)
}

// broke notes that a reply broke off: because the caller left, or by the provider.
func (c *call) broke(err error) {
	if c.r.Context().Err() != nil {
		c.left()
		return
	}
	id := ""
	if c.hold != nil {
		id = c.hold.id
	}
	c.g.metrics.died(c.to)
	c.g.log.Warn("the provider's reply broke off", "upstream", c.to.Name, "hold", id, "err", err)
}

// left notes once that the caller has gone.
func (c *call) left() {
	if !c.gone {
		c.gone = true
		c.g.metrics.left(c.to)
	}
}

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// pump passes on what body has until it ends. A caller who has gone gets no more, but the
// usage is read all the same.
func (c *call) pump(body io.Reader, e *events) error {
	buf := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(buf)
	for {
		n, err := body.Read(buf[:])
		piece := buf[:n]
		if e != nil && n > 0 {
			piece = e.feed(piece)
		}
		c.write(piece)
		if err != nil {
			if e != nil {
				c.write(e.end())
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

func (c *call) write(b []byte) {
	if len(b) == 0 {
		return
	}
	if c.kept != nil {
		c.g.replays.add(c.kept, b)
	}
	if c.gone {
		return
	}
	err := writePieces(c.w, b)
	if err == nil {
		err = http.NewResponseController(c.w).Flush()
	}
	if err != nil {
		c.left()
	}
}

// inTime lets the caller have stallTimeout to take what is written next.
func inTime(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTimeout))
}

// writePieces writes b, and lets the caller have time for each piece of it.
func writePieces(w http.ResponseWriter, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), pieceBytes)
		inTime(w)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// end has the task done soon.
func (c *call) end(t *task) {
	c.over = true
	c.g.books.later(t)
}

// endNow waits for the task, within bounds, and shows what it cost.
func (c *call) endNow(t *task) {
	c.over = true
	if done := c.g.books.now(t, commitWait); done != nil {
		showEnd(c.w.Header(), done, &c.g.config.Advice)
	}
}

// Headers that replies have.
const (
	headerCall      = "Bursar-Call"
	headerCost      = "Bursar-Cost"
	headerRemaining = "Bursar-Remaining"
	headerLimit     = "Bursar-Limit"
	headerAdvice    = "Bursar-Advice"
	headerDegraded  = "Bursar-Degraded"
	headerWarnings  = "Bursar-Warnings"
	headerGoverned  = "Bursar-Governed"
)

// show tells the caller what the hold says.
func (h *hold) show(to http.Header) {
	if h.degraded != "" {
		to.Set(headerDegraded, h.degraded)
	}
	if h.unheld {
		to.Set(headerGoverned, "false")
		return
	}
	to.Set(headerCall, h.id)
	showLimit(to, h.tightest)
	showAdvice(to, h.tightest, h.advice, &h.g.config.Advice)
	if len(h.warnings) > 0 {
		to.Set(headerWarnings, strings.Join(h.warnings, ","))
	}
}

// showEnd tells what the call cost, and what is left after it.
func showEnd(to http.Header, r *client.Reservation, a *Advice) {
	var costs []string
	for _, cost := range r.Cost {
		costs = append(costs, cost.Amount.String()+" "+cost.CurrencyID)
	}
	if len(costs) > 0 {
		to.Set(headerCost, strings.Join(costs, ", "))
	}
	showLimit(to, r.Tightest)
	showAdvice(to, r.Tightest, r.Advice, a)
}

// showLimit tells of the tightest limit; nil = nothing was asked of any.
func showLimit(to http.Header, b *client.Binding) {
	if !limits(b) {
		return
	}
	of := b.FeatureID
	if of == "" {
		of = b.CurrencyID
	}
	if b.EntityID != "" {
		of = b.EntityID + "/" + of
	}
	to.Set(headerRemaining, b.Remaining.String())
	to.Set(headerLimit, of)
}

func limits(b *client.Binding) bool { return b != nil && b.Remaining != nil && b.UsageLimit != nil }

// showAdvice tells how to go on: as the server said or, by the percentages of a, from the tightest limit.
func showAdvice(to http.Header, b *client.Binding, said *client.Advice, a *Advice) {
	switch {
	case said != nil && a.serverSays:
		to.Set(headerAdvice, string(said.Level))
	case limits(b):
		to.Set(headerAdvice, string(bursar.AdviceFor(b.CurrentUsage.Add(b.Reserved), *b.UsageLimit, a.WindDown, a.Stop)))
	case said != nil:
		to.Set(headerAdvice, string(bursar.AdviceFor(bursar.AmountFromInt(said.UsedPercent), bursar.AmountFromInt(100), a.WindDown, a.Stop)))
	}
}
