package otlp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// span is what is read of a span.
type span struct {
	trace, id string // in hexadecimal
	end       uint64 // nanoseconds since 1970
	failed    bool
	attrs     attrs
}

// attrs are the attributes that are read: a string, int64, float64 or bool for each.
type attrs map[string]any

// maxAttrs bounds the attributes that are read of a span, and of a resource.
const maxAttrs = 100

// Limits of what one request may make of memory and time.
const (
	maxSpans   = 50_000
	maxObjects = 200_000 // of JSON, which is read whole
)

// reader reads the spans of a request, one at a time.
type reader struct {
	wants func(attribute string) bool
	visit func(resource attrs, s *span) *problem
	spans int
}

func (r *reader) span(resource attrs, s *span) *problem {
	if r.spans++; r.spans > maxSpans {
		return &problem{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("a request has at most %d spans: let the exporter send fewer at once", maxSpans)}
	}
	return r.visit(resource, s)
}

func (r *reader) add(to attrs, key string, value any) {
	if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return // which says nothing
	}
	if len(to) < maxAttrs {
		to[key] = value
	}
}

// Fields of the messages of OTLP that are read.
const (
	requestResourceSpans   = 1
	resourceSpansResource  = 1
	resourceSpansScopes    = 2
	resourceAttributes     = 1
	scopeSpansSpans        = 2
	spanTraceID            = 1
	spanSpanID             = 2
	spanEnd                = 8
	spanAttributes         = 9
	spanStatus             = 15
	statusCode             = 3
	statusError            = 2
	keyValueKey            = 1
	keyValueValue          = 2
	valueString, valueBool = 1, 2
	valueInt, valueDouble  = 3, 4
)

// proto reads Protocol Buffers as they are walked, so that a few bytes that stand for many
// messages take no memory.
func (r *reader) proto(b []byte) *problem {
	return each(b, func(f field) *problem {
		if f.number != requestResourceSpans {
			return nil
		}
		resource := attrs{}
		p := each(f.bytes, func(f field) *problem {
			if f.number != resourceSpansResource {
				return nil
			}
			return each(f.bytes, func(f field) *problem {
				if f.number != resourceAttributes {
					return nil
				}
				return r.protoAttribute(resource, f.bytes)
			})
		})
		if p != nil {
			return p
		}
		return each(f.bytes, func(f field) *problem {
			if f.number != resourceSpansScopes {
				return nil
			}
			return each(f.bytes, func(f field) *problem {
				if f.number != scopeSpansSpans {
					return nil
				}
				s, p := r.protoSpan(f.bytes)
				if p != nil {
					return p
				}
				return r.span(resource, s)
			})
		})
	})
}

func (r *reader) protoSpan(b []byte) (*span, *problem) {
	s := &span{attrs: attrs{}}
	return s, each(b, func(f field) *problem {
		switch f.number {
		case spanTraceID:
			s.trace = hex.EncodeToString(f.bytes[:min(len(f.bytes), 32)])
		case spanSpanID:
			s.id = hex.EncodeToString(f.bytes[:min(len(f.bytes), 32)])
		case spanEnd:
			s.end = f.bits
		case spanAttributes:
			return r.protoAttribute(s.attrs, f.bytes)
		case spanStatus:
			return each(f.bytes, func(f field) *problem {
				if f.number == statusCode {
					s.failed = f.bits == statusError
				}
				return nil
			})
		}
		return nil
	})
}

func (r *reader) protoAttribute(to attrs, b []byte) *problem {
	var key string
	var value any
	p := each(b, func(f field) *problem {
		switch f.number {
		case keyValueKey:
			if len(f.bytes) <= maxName {
				key = string(f.bytes)
			}
		case keyValueValue:
			if !r.wants(key) {
				return nil
			}
			return each(f.bytes, func(f field) *problem {
				switch {
				case f.number == valueString && f.kind == protowire.BytesType:
					value = strings.ToValidUTF8(string(f.bytes), "\uFFFD")
				case f.number == valueBool:
					value = f.bits != 0
				case f.number == valueInt:
					value = int64(f.bits)
				case f.number == valueDouble:
					value = math.Float64frombits(f.bits)
				}
				return nil
			})
		}
		return nil
	})
	if p == nil && value != nil && r.wants(key) {
		r.add(to, key, value)
	}
	return p
}

// maxName bounds the name of an attribute that is read.
const maxName = 256

// field is one of a message: bytes, or the bits of a number.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte
	bits   uint64
}

// each visits the fields of a message.
func each(b []byte, visit func(field) *problem) *problem {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		f := field{number: number, kind: kind}
		if n >= 0 {
			b = b[n:]
			switch kind {
			case protowire.BytesType:
				f.bytes, n = protowire.ConsumeBytes(b)
			case protowire.VarintType:
				f.bits, n = protowire.ConsumeVarint(b)
			case protowire.Fixed64Type:
				f.bits, n = protowire.ConsumeFixed64(b)
			default:
				n = protowire.ConsumeFieldValue(number, kind, b)
			}
		}
		if n < 0 {
			return noRequest(protowire.ParseError(n))
		}
		b = b[n:]
		if p := visit(f); p != nil {
			return p
		}
	}
	return nil
}

func noRequest(err error) *problem {
	return &problem{status: http.StatusBadRequest, message: fmt.Sprintf("this is no ExportTraceServiceRequest of OTLP: %.200s", err.Error())}
}

// The same messages in JSON.
type (
	jsonRequest struct {
		ResourceSpans *[]struct {
			Resource struct {
				Attributes []jsonAttribute `json:"attributes"`
			} `json:"resource"`
			ScopeSpans *[]struct {
				Spans []jsonSpan `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	jsonSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		End        text            `json:"endTimeUnixNano"`
		Attributes []jsonAttribute `json:"attributes"`
		Status     struct {
			Code text `json:"code"`
		} `json:"status"`
	}
	jsonAttribute struct {
		Key   string `json:"key"`
		Value struct {
			String *string `json:"stringValue"`
			Bool   *bool   `json:"boolValue"`
			Int    text    `json:"intValue"`
			Double text    `json:"doubleValue"`
		} `json:"value"`
	}
)

// text is a number, which exporters write with or without quotes.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = text(bytes.Trim(b, `"`))
	return nil
}

func (r *reader) json(b []byte) *problem {
	if bytes.Count(b, []byte{'{'}) > maxObjects {
		return tooLarge()
	}
	var in jsonRequest
	if err := json.Unmarshal(b, &in); err != nil {
		return noRequest(err)
	}
	if in.ResourceSpans == nil {
		return noRequest(errors.New("it has no resourceSpans; members are written so, not resource_spans"))
	}
	for i := range *in.ResourceSpans {
		of := &(*in.ResourceSpans)[i]
		if of.ScopeSpans == nil {
			return noRequest(fmt.Errorf("resourceSpans[%d] has no scopeSpans; members are written so, not scope_spans", i))
		}
		resource := r.jsonAttributes(of.Resource.Attributes)
		for _, scope := range *of.ScopeSpans {
			for k := range scope.Spans {
				s := &scope.Spans[k]
				end, _ := strconv.ParseUint(string(s.End), 10, 64)
				p := r.span(resource, &span{trace: strings.ToLower(s.TraceID), id: strings.ToLower(s.SpanID), end: end,
					failed: s.Status.Code == "2" || s.Status.Code == "STATUS_CODE_ERROR", attrs: r.jsonAttributes(s.Attributes)})
				if p != nil {
					return p
				}
			}
		}
	}
	return nil
}

func (r *reader) jsonAttributes(in []jsonAttribute) attrs {
	out := attrs{}
	for i := range in {
		a := &in[i]
		if !r.wants(a.Key) {
			continue
		}
		switch v := &a.Value; {
		case v.String != nil:
			r.add(out, a.Key, *v.String)
		case v.Bool != nil:
			r.add(out, a.Key, *v.Bool)
		case v.Int != "":
			if n, err := strconv.ParseInt(string(v.Int), 10, 64); err == nil {
				r.add(out, a.Key, n)
			}
		case v.Double != "":
			if f, err := strconv.ParseFloat(string(v.Double), 64); err == nil {
				r.add(out, a.Key, f)
			}
		}
	}
	return out
}
