package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// pass passes on a call of a path that is not governed, untouched, for who has a key that may
// spend.
func (g *Gateway) pass(w http.ResponseWriter, r *http.Request, to *upstream, below string) {
	if p := g.mayPass(r, below); p != nil {
		g.metrics.refused(to)
		refuse(w, to.Kind, p)
		return
	}
	g.metrics.passed(to)
	w.Header().Set(headerGoverned, "false")
	c := &call{g: g, w: w, r: r, to: to}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(g.config.CallSeconds)*time.Second)
	defer cancel()
	defer context.AfterFunc(g.ended, cancel)()
	out := to.request(r, below, io.NopCloser(r.Body), r.ContentLength)
	reply, err := g.send.RoundTrip(out.WithContext(ctx))
	if err != nil {
		refuse(w, to.Kind, c.noReply(err))
		return
	}
	defer reply.Body.Close()
	passOn(w.Header(), reply.Header)
	w.WriteHeader(reply.StatusCode)
	c.cut(c.pump(reply.Body, nil))
}

// noReply is what the caller learns where the provider gave no reply to a call that was passed on.
func (c *call) noReply(err error) *problem {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		c.g.metrics.refused(c.to)
		return errTooLarge()
	case c.r.Context().Err() != nil:
		c.left()
	default:
		c.g.metrics.died(c.to)
	}
	return &problem{status: http.StatusBadGateway, code: "UpstreamUnavailable", message: "the provider gave no reply", retry: true}
}

func errTooLarge() *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, code: bursar.CodeTooLarge, message: "the request is larger than this gateway takes (maxBodyBytes)"}
}

func (g *Gateway) mayPass(r *http.Request, below string) *problem {
	by, p := g.callerOf(r)
	switch {
	case p != nil:
		return p
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: "this gateway takes no WebSockets: nobody could tell what they use"}
	case realtime(below):
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: "this gateway opens no realtime sessions: nobody could tell what they use"}
	case by.spend && !free(r.Method, below):
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden, message: "a spend token is for calls that are governed; " + r.Method + " " + below + " is none"}
	case !free(r.Method, below) && !g.config.allowed(below):
		return &problem{status: http.StatusForbidden, code: bursar.CodeForbidden,
			message: "this gateway lets only calls through that it governs; " + r.Method + " " + below + " is none (allowPaths in its configuration lets others pass)"}
	case r.ContentLength > g.config.MaxBodyBytes:
		return errTooLarge()
	}
	return g.mayspend(r.Context(), by)
}

// mayspend tells whether the caller's key may record usage: the server is sent a report of
// nothing, which it refuses as empty to those who may, and for want of rights to others. Of a
// spend token it is asked for the budget.
func (g *Gateway) mayspend(ctx context.Context, by *caller) *problem {
	if p := g.guard.refusal(by, g.known); p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(by.context(ctx), reserveTimeout)
	defer cancel()
	var err error
	if by.spend {
		_, err = by.server.OwnBudget(ctx)
	} else {
		_, err = by.server.ReportUsage(ctx)
	}
	var e *client.Error
	if err == nil || errors.As(err, &e) && e.Status == http.StatusBadRequest {
		g.known.note(by, true)
		return nil
	}
	p := problemOf(err)
	g.guard.note(by, p)
	switch {
	case p.code == codeUnavailable && g.config.Unavailable == policyAllow && !by.spend && g.known.has(by):
		return nil
	case p.status == http.StatusUnauthorized || p.status == http.StatusForbidden:
		g.known.note(by, false)
	}
	return p
}
