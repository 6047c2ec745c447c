package httpapi

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"sync"
)

// minCompressed is the length in bytes from which on a reply is compressed. A shorter reply,
// such as that of a check, would cost the caller more in processor time than in bytes.
const minCompressed = 4096

// secretPatterns begin the routes whose replies hold secrets. They are never compressed:
// its compressed length tells something of a secret to whoever chooses the text beside it.
var secretPatterns = []string{"/api-keys", "/webhooks", accessTokens}

var gzips = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// compressible says whether replies of the route may be compressed.
func (q *request) compressible() bool {
	return q.route != nil && !slices.ContainsFunc(secretPatterns, func(p string) bool { return strings.HasPrefix(q.route.pattern, p) })
}

// compressed gives b as gzip where the caller takes that and b is long. What is large stays as it is when there
// is no time left to wait for its turn.
func (q *request) compressed(b []byte) ([]byte, bool) {
	if len(b) < minCompressed || !acceptsGzip(q.r.Header.Values("Accept-Encoding")) {
		return b, false
	}
	if len(b) >= largeReply {
		if !q.takeTurn() {
			return b, false
		}
		defer q.giveTurn()
	}
	var out bytes.Buffer
	out.Grow(len(b) / 4)
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(&out)
	w.Write(b) // into memory, which takes all
	w.Close()
	return out.Bytes(), true
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3).
func acceptsGzip(values []string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			coding, parameters, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				q := strings.TrimSpace(parameters)
				return strings.TrimRight(strings.TrimPrefix(q, "q="), "0.") != "" || !strings.HasPrefix(q, "q=")
			}
		}
	}
	return false
}
