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
	"strings"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
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
		return nil, &problem{http.StatusUnsupportedMediaType, "traces are " + typeProto + " or " + typeJSON}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSent))
	if err != nil {
		return nil, unread(err)
	}
	return b, nil
}

// unpack reads a body. Members that are not known are left out, as OTLP wants it.
func unpack(b []byte, h http.Header) (*collector.ExportTraceServiceRequest, *problem) {
	switch h.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, unread(err)
		}
		if b, err = io.ReadAll(io.LimitReader(z, maxPlain+1)); err != nil {
			return nil, unread(err)
		}
		if len(b) > maxPlain {
			return nil, tooLarge()
		}
	default:
		return nil, &problem{http.StatusUnsupportedMediaType, "traces are compressed by gzip or not at all"}
	}
	in, read := &collector.ExportTraceServiceRequest{}, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal
	if kindOf(h) == typeJSON {
		read = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal
	}
	if err := read(b, in); err != nil {
		return nil, &problem{http.StatusBadRequest, fmt.Sprintf("this is no ExportTraceServiceRequest of OTLP: %.200s", err.Error())}
	}
	return in, nil
}

// kindOf is the encoding that a request says it has.
func kindOf(h http.Header) string {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind
}

func tooLarge() *problem {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d bytes, %d when uncompressed: let the exporter send fewer spans at once", maxSent, maxPlain)}
}

func unread(err error) *problem {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge()
	}
	return &problem{http.StatusBadRequest, "the request cannot be read: " + err.Error()}
}

// reply answers in the encoding of the request.
type reply struct {
	w    http.ResponseWriter
	json bool
}

func replyFor(w http.ResponseWriter, r *http.Request) reply {
	return reply{w, kindOf(r.Header) != typeProto}
}

func (o reply) send(status int, m proto.Message) {
	b, err := proto.Marshal(m)
	if o.json {
		b, err = protojson.Marshal(m)
	}
	if err != nil {
		status, b = http.StatusInternalServerError, nil
	}
	o.write(status, b)
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

// fieldMessage is the field of google.rpc.Status that has the text of an error. Its code is
// that of gRPC and is left out: exporters go by the status of HTTP.
const fieldMessage = 2

// fail answers with a google.rpc.Status, as OTLP wants it.
func (o reply) fail(p *problem) {
	if o.json {
		b, _ := json.Marshal(map[string]string{"message": p.message})
		o.write(p.status, b)
		return
	}
	o.write(p.status, protowire.AppendString(protowire.AppendTag(nil, fieldMessage, protowire.BytesType), p.message))
}

// reply tells of what was not counted, and of what was counted otherwise than it may be meant.
func (r *report) reply() *collector.ExportTraceServiceResponse {
	out := &collector.ExportTraceServiceResponse{}
	if text := r.said.text(); text != "" {
		out.PartialSuccess = &collector.ExportTracePartialSuccess{RejectedSpans: r.rejected, ErrorMessage: text}
	}
	return out
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
