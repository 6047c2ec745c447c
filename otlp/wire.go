package otlp

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Limits of a request.
const (
	maxSent  = 4 << 20  // bytes as sent
	maxPlain = 16 << 20 // bytes when uncompressed
)

// The encodings of OTLP over HTTP.
const (
	typeProto = "application/x-protobuf"
	typeJSON  = "application/json"
)

// receive is the body as it was sent.
func receive(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	if kind := kindOf(r.Header); kind != typeProto && kind != typeJSON {
		return nil, &problem{status: http.StatusUnsupportedMediaType, message: "traces are " + typeProto + " or " + typeJSON}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSent))
	if err != nil {
		return nil, unread(err)
	}
	return b, nil
}

// read reads a body. Members that are not known are left out, as OTLP wants it.
func read(b []byte, h http.Header, in *reader) *problem {
	switch strings.ToLower(h.Get("Content-Encoding")) {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return unread(err)
		}
		if b, err = io.ReadAll(io.LimitReader(z, maxPlain+1)); err != nil {
			return unread(err)
		}
		if len(b) > maxPlain {
			return tooLarge()
		}
	default:
		return &problem{status: http.StatusUnsupportedMediaType, message: "traces are compressed by gzip or not at all"}
	}
	if kindOf(h) == typeJSON {
		return in.json(b)
	}
	return in.proto(b)
}

// kindOf is the encoding that a request says it has.
func kindOf(h http.Header) string {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind
}

func tooLarge() *problem {
	return &problem{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("a request has at most %d bytes, %d when uncompressed, and %d objects of JSON: let the exporter send fewer spans at once", maxSent, maxPlain, maxObjects)}
}

func unread(err error) *problem {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge()
	}
	return &problem{status: http.StatusBadRequest, message: "the request cannot be read: " + err.Error()}
}

// reply answers in the encoding of the request.
type reply struct {
	w    http.ResponseWriter
	json bool
}

func replyFor(w http.ResponseWriter, r *http.Request) reply {
	return reply{w, kindOf(r.Header) != typeProto}
}

func (o reply) write(status int, b []byte) {
	kind := typeProto
	if o.json {
		kind = typeJSON
	}
	o.w.Header().Set("Content-Type", kind)
	o.w.WriteHeader(status)
	_, _ = o.w.Write(b)
}

// Fields of the messages of replies.
const (
	replyPartialSuccess  = 1
	partialRejectedSpans = 1
	partialErrorMessage  = 2
	statusMessage        = 2 // of google.rpc.Status; its code is gRPC's and is left out
)

// succeed tells of what was not counted, and of what may be meant otherwise than it was counted.
func (o reply) succeed(r *report) {
	text := r.said.text()
	switch {
	case o.json && text == "":
		o.write(http.StatusOK, []byte("{}"))
	case o.json:
		type partial struct {
			RejectedSpans int64  `json:"rejectedSpans,string,omitempty"`
			ErrorMessage  string `json:"errorMessage"`
		}
		b, _ := json.Marshal(map[string]partial{"partialSuccess": {r.rejected, text}})
		o.write(http.StatusOK, b)
	case text == "":
		o.write(http.StatusOK, nil)
	default:
		var partial []byte
		if r.rejected > 0 {
			partial = protowire.AppendVarint(protowire.AppendTag(nil, partialRejectedSpans, protowire.VarintType), uint64(r.rejected))
		}
		partial = protowire.AppendString(protowire.AppendTag(partial, partialErrorMessage, protowire.BytesType), text)
		o.write(http.StatusOK, protowire.AppendBytes(protowire.AppendTag(nil, replyPartialSuccess, protowire.BytesType), partial))
	}
}

// fail answers with a google.rpc.Status, as OTLP wants it.
func (o reply) fail(p *problem) {
	if p.status == http.StatusServiceUnavailable || p.status == http.StatusTooManyRequests {
		o.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(p.wait.Seconds()))))
	}
	if o.json {
		b, _ := json.Marshal(map[string]string{"message": p.message})
		o.write(p.status, b)
		return
	}
	o.write(p.status, protowire.AppendString(protowire.AppendTag(nil, statusMessage, protowire.BytesType), p.message))
}

// notes are what a reply says, each once with how many spans it concerns.
type notes struct {
	order []string
	spans map[string]int64
}

// maxNotes bounds a reply.
const maxNotes = 20

func (n *notes) add(text string, spans int64) {
	if n.spans == nil {
		n.spans = map[string]int64{}
	}
	if _, said := n.spans[text]; !said {
		if len(n.order) == maxNotes {
			text = "other reasons"
			if _, said := n.spans[text]; said {
				n.spans[text] += spans
				return
			}
		}
		n.order = append(n.order, text)
	}
	n.spans[text] += spans
}

func (n *notes) text() string {
	var b strings.Builder
	for i, text := range n.order {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d × %s", n.spans[text], text)
	}
	return b.String()
}
