package httpapi

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

// Limits of streams. A row is sent at most once in streamPoll.
const (
	maxStreams  = 1000 // at a time, on this node
	streamPoll  = 250 * time.Millisecond
	streamBeat  = 15 * time.Second // of silence before a comment keeps the connection
	streamWrite = 30 * time.Second // for a client to take what is sent
	streamRetry = 2000             // milliseconds before a browser connects again
)

// pace is how often a stream looks for changes and, without any, says that it lives.
type pace struct{ poll, beat time.Duration }

type streamQuery struct {
	customerPath
	treeFilters
	AccessToken string `query:"access_token" doc:"In place of a header, which EventSource cannot send. No API key."`
}

// streamEvent describes nothing: a stream is text.
type streamEvent struct{}

type removedOut struct {
	AssignmentID string `json:"assignmentId"`
}

// stream sends what changes in the governance tree until the client leaves, the caller
// may no longer see it, or the server stops. It is by hand because its reply does not end.
func (a *API) stream(q *request) error {
	in := new(streamQuery)
	if err := q.read(q.route.shape, reflect.ValueOf(in).Elem()); err != nil {
		return err
	}
	if a.streams.Add(1) > maxStreams {
		a.streams.Add(-1)
		q.w.Header().Set("Retry-After", "5")
		return bursar.Errorf(bursar.CodeRateLimited, "there are %d streams on this node, the most there may be", maxStreams)
	}
	defer a.streams.Add(-1)
	last := q.r.Header.Get("Last-Event-ID")
	w, version, err := a.engine.Watch(q.ctx, q.call(in).options(), in.CustomerID, in.query(), last)
	q.version = version
	if err != nil {
		return err
	}
	defer w.Close()
	s := &streamer{q: q, watch: w, control: http.NewResponseController(q.w), capabilities: in.query().Capabilities, denials: a.observed.last(in.CustomerID)}
	s.begin()
	if q.r.Method != http.MethodHead {
		s.run()
	}
	return nil
}

// streamer writes one stream.
type streamer struct {
	q       *request
	watch   *engine.Watch
	control *http.ResponseController
	sent    time.Time

	capabilities []bursar.Capability // that it is about; none = all
	denials      uint64              // number of the last denial that it looked at
}

// begin sends the head, and where the stream begins: a client that reads the tree from
// now on misses nothing.
func (s *streamer) begin() {
	q := s.q
	s.control.SetReadDeadline(time.Time{}) // the server's is for requests that end
	h := q.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["X-Accel-Buffering"] = []string{"no"}
	h["X-Request-Id"] = []string{q.id}
	h["X-Bursar-Version"] = []string{strconv.FormatUint(q.version, 10)}
	q.status = http.StatusOK
	q.w.WriteHeader(q.status)
	b := append(q.out[:0], "retry: "...)
	b = strconv.AppendInt(b, streamRetry, 10)
	b = append(append(b, "\nid: "...), s.watch.Position()...)
	s.send(append(b, "\n\n"...))
}

// send writes b, which becomes q's buffer, and reports whether the client takes it.
func (s *streamer) send(b []byte) bool {
	s.q.out = b
	s.sent = time.Now()
	s.control.SetWriteDeadline(s.sent.Add(streamWrite))
	if _, err := s.q.w.Write(b); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

func (s *streamer) run() {
	a := s.q.api
	tick := time.NewTicker(a.pace.poll)
	defer tick.Stop()
	for {
		changes, err := s.watch.Poll(s.q.r.Context())
		if err != nil {
			return // the client connects again, and is told what it is then
		}
		if len(changes) > 0 && !s.send(s.events(changes)) {
			return
		}
		if refused := s.refused(); len(refused) > 0 && !s.send(s.refusals(refused)) {
			return
		}
		if time.Since(s.sent) >= a.pace.beat && !s.send(append(s.q.out[:0], ": alive\n\n"...)) {
			return
		}
		select {
		case <-s.q.r.Context().Done():
			return
		case <-a.drained:
			return
		case <-tick.C:
		}
		if !a.mayStill(s.q) {
			return
		}
	}
}

// events writes changes; the last one has the position behind all of them.
func (s *streamer) events(changes []ledger.Change) []byte {
	b := s.q.out[:0]
	for i := range changes {
		c := &changes[i]
		name, data := "resync", any(nothing{})
		switch {
		case c.Row != nil:
			name, data = "node", viewTreeRow(c.Row)
		case c.Removed != "":
			name, data = "removed", removedOut{c.Removed}
		case c.Entity != nil:
			name, data = "entity", viewEntity(*c.Entity)
		}
		if i == len(changes)-1 {
			b = append(append(append(b, "id: "...), s.watch.Position()...), '\n')
		}
		b = append(append(append(b, "event: "...), name...), "\ndata: "...)
		b = appendBare(b, data)
		b = append(b, "\n\n"...)
	}
	return b
}

// refusals writes what was refused. Such events have no position: they are not told
// again, a read of the tree has them.
func (s *streamer) refusals(refused []refusedOut) []byte {
	b := s.q.out[:0]
	for _, r := range refused {
		b = append(appendBare(append(b, "event: refused\ndata: "...), r), "\n\n"...)
	}
	return b
}

// mayStill tells whether the key or token of q is still good.
func (a *API) mayStill(q *request) bool {
	now := a.engine.Now()
	switch {
	case q.token != nil:
		return now < q.token.ExpiresAt && !a.engine.Catalogue().TokenRevoked(q.token.ID)
	case q.actor == adminID:
		return true
	}
	key := a.engine.Catalogue().APIKey(q.actor)
	return key != nil && key.Live(now)
}
