package httpapi

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/bursarhq/bursar"
)

// CodeRequestTimeout is answered when a body does not arrive in time.
const CodeRequestTimeout bursar.Code = "RequestTimeout"

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
	buf := bytes.NewBuffer(q.body[:0])
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(q.w, r.Body, most))
	q.body = buf.Bytes()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge(most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return bursar.Errorf(CodeRequestTimeout, "the body did not arrive within %v", readTimeout)
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

// maxBody is the largest body that a route takes.
func (r *route) maxBody() int64 {
	if r.pattern == eventsPattern {
		return maxEventsBytes
	}
	return maxBodyBytes
}

func errTooLarge(most int64) error {
	return bursar.Errorf(bursar.CodeTooLarge, "the body is larger than %d bytes", most)
}
