package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/bursarhq/bursar"
)

// codeRequestTimeout is answered when a body does not arrive in time.
const codeRequestTimeout bursar.Code = "RequestTimeout"

// readBody reads the body of q. Without one q.body is empty.
func (q *request) readBody() error {
	r := q.r
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return bursar.Errorf(bursar.CodeUnsupportedMediaType, "send the body without Content-Encoding %.40q", enc)
	}
	most := q.route.maxBody()
	if r.ContentLength > most {
		return errTooLarge(most)
	}
	if r.ContentLength == 0 {
		return nil
	}
	err := q.fill(http.MaxBytesReader(q.w, r.Body, most))
	var tooLarge *http.MaxBytesError
	var full *bursar.Error
	switch {
	case errors.As(err, &full):
		return full
	case errors.As(err, &tooLarge):
		return errTooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bursar.Errorf(codeRequestTimeout, "the body did not arrive within %v", readTimeout)
	case err != nil:
		return bursar.Errorf(bursar.CodeValidationFailed, "the body ended early: it could not be read to its end")
	case len(q.body) == 0:
		return nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return bursar.Errorf(bursar.CodeUnsupportedMediaType, "send the body as Content-Type: application/json, in UTF-8")
	}
	return nil
}

// firstBody is how much memory a body gets before any of it has arrived. The length that a
// request claims reserves no memory.
const firstBody = 4 << 10

// fill reads body into q.body, which grows with what arrives. What it has beyond firstBody
// is taken from the budget of bodies until the request ends.
func (q *request) fill(body io.Reader) error {
	if cap(q.body) < firstBody {
		q.body = make([]byte, 0, firstBody)
	}
	for {
		n, err := body.Read(q.body[len(q.body):cap(q.body)])
		q.body = q.body[:len(q.body)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(q.body) < cap(q.body) {
			continue
		}
		more := cap(q.body)
		if left := int(q.r.ContentLength) + 1 - len(q.body); left > 0 { // one more shows that it has ended
			more = min(more, left)
		}
		if !q.api.bodies.take(q, int64(more)) {
			return errNoRoom()
		}
		grown := make([]byte, len(q.body), len(q.body)+more)
		copy(grown, q.body)
		q.body = grown
	}
}

// errNoRoom is the answer while other bodies take all the memory that bodies may take.
func errNoRoom() error {
	return bursar.Errorf(bursar.CodeOverloaded, "too many large requests are under way; send it again in a moment")
}

// maxBody is the largest body that a route takes.
func (r *route) maxBody() int64 {
	switch r.pattern {
	case eventsPattern:
		return maxEventsBytes
	case rateCardsPattern, rateVersionsPattern:
		return maxRatesBytes
	}
	return maxBodyBytes
}

func errTooLarge(most int64) error {
	return bursar.Errorf(bursar.CodeTooLarge, "the body is larger than %d bytes", most)
}
