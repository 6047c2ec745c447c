package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

type span = trace.Span

// Attributes of Bursar's own, of a span or of its resource.
const (
	attrCustomer   = "bursar.customer.id"
	attrEvent      = "bursar.event.name"
	attrCall       = "bursar.call.id"
	attrDimensions = "bursar.dimensions." // and the dimension
)

// Attributes of OpenTelemetry's semantic conventions for GenAI.
const (
	attrOperation  = "gen_ai.operation.name"
	attrUsage      = "gen_ai.usage."
	attrInput      = "gen_ai.usage.input_tokens"
	attrOutput     = "gen_ai.usage.output_tokens"
	attrCacheRead  = "gen_ai.usage.cache_read.input_tokens"
	attrCacheWrite = "gen_ai.usage.cache_creation.input_tokens"
	attrCacheNew   = "gen_ai.usage.cache_write.input_tokens"
	attrProvider   = "gen_ai.provider.name"
	attrRequested  = "gen_ai.request.model"
	attrResponse   = "gen_ai.response.model"
)

// older are attributes under names that earlier versions of the conventions had.
var older = map[string]string{
	"gen_ai.usage.prompt_tokens":               attrInput,
	"gen_ai.usage.completion_tokens":           attrOutput,
	"gen_ai.usage.cache_read_input_tokens":     attrCacheRead,
	"gen_ai.usage.cache_creation_input_tokens": attrCacheWrite,
	"gen_ai.system":                            attrProvider,
}

// sums are counts that repeat what others say.
var sums = []string{"gen_ai.usage.total_tokens"}

// around are operations whose usage is that of the calls inside of them, which have spans of
// their own.
var around = []string{"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"}

// call is a span's attributes as far as they are read. No text of a prompt or reply is.
type call struct {
	all    map[string]any // of the span, and of the resource where the span has none
	usage  map[string]int64
	beside bool // input does not include the cached tokens
}

// attributes are those that are a text, a number or a truth.
func attributes(in []*common.KeyValue) map[string]any {
	out := make(map[string]any, len(in))
	for _, a := range in {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[a.GetKey()] = v.IntValue
		case *common.AnyValue_DoubleValue:
			out[a.GetKey()] = v.DoubleValue
		case *common.AnyValue_BoolValue:
			out[a.GetKey()] = v.BoolValue
		}
	}
	return out
}

// callOf reads the attributes of a span and of its resource.
func callOf(resource, own map[string]any) *call {
	c := &call{all: resource, usage: map[string]int64{}}
	if len(own) > 0 {
		c.all = make(map[string]any, len(resource)+len(own))
		for _, from := range []map[string]any{resource, own} {
			for k, v := range from {
				c.all[k] = v
			}
		}
	}
	for k, v := range own {
		if strings.HasPrefix(k, attrUsage) && strings.HasSuffix(k, "_tokens") && !slices.Contains(sums, k) {
			if n, ok := whole(v); ok {
				c.usage[k] = n
			}
		}
	}
	for was, is := range older {
		if n, ok := c.usage[was]; ok {
			delete(c.usage, was)
			if _, said := c.usage[is]; !said {
				c.usage[is] = n
			}
		}
		if v, ok := c.all[was]; ok && c.all[is] == nil && !strings.HasPrefix(was, attrUsage) {
			c.all[is] = v
		}
	}
	if cached := c.usage[attrCacheRead] + max(c.usage[attrCacheWrite], c.usage[attrCacheNew]); cached > c.usage[attrInput] {
		c.usage[attrInput] += cached
		c.beside = true
	}
	return c
}

// whole is a count. Some exporters send it as a number with a point, or as a text.
func whole(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v)) && v < 1<<53
	}
	return 0, false
}

func (c *call) text(key string) string {
	s, _ := c.all[key].(string)
	return s
}

// isModel tells whether the span is a call of a model, and not of what is around such calls.
func (c *call) isModel() bool {
	operation := c.text(attrOperation)
	if slices.Contains(around, operation) {
		return false
	}
	return operation != "" || c.hasUsage()
}

func (c *call) hasUsage() bool { return len(c.usage) > 0 }

// event is what the call is reported as.
func (c *call) event(s *span, by *defaults) (*client.EventInput, error) {
	id, err := spanID(s)
	if err != nil {
		return nil, err
	}
	e := &client.EventInput{CustomerID: or(c.text(attrCustomer), by.customer), EventName: or(c.text(attrEvent), by.event),
		IdempotencyKey: id, CallID: c.text(attrCall), Dimensions: map[string]any{}}
	if e.CustomerID == "" {
		return nil, fmt.Errorf("a span does not say whose call it is: give it or its resource the attribute %s, or have the exporter send the header bursar-customer", attrCustomer)
	}
	for k, v := range by.dims {
		e.Dimensions[k] = v
	}
	for k, v := range c.all {
		if dimension, ok := by.from[k]; ok {
			e.Dimensions[dimension] = v
		}
	}
	for k, v := range c.all {
		if dimension, ok := strings.CutPrefix(k, attrDimensions); ok && dimension != "" {
			e.Dimensions[dimension] = v
		}
	}
	for _, k := range []string{attrProvider, attrRequested, attrResponse, attrOperation} {
		if v := c.text(k); v != "" {
			e.Dimensions[k] = v
		}
	}
	for k, n := range c.usage {
		e.Dimensions[k] = n
	}
	if at := or(s.GetEndTimeUnixNano(), s.GetStartTimeUnixNano()); at != 0 {
		t := bursar.TimeOf(time.Unix(0, int64(at)))
		e.Timestamp = &t
	}
	return e, nil
}

// or is the first of two that is not empty.
func or[T comparable](a, b T) T {
	var none T
	if a != none {
		return a
	}
	return b
}

// spanID is what makes a span one, however often it is sent.
func spanID(s *span) (string, error) {
	of, id := hexID(s.GetTraceId(), 16), hexID(s.GetSpanId(), 8)
	if of == "" || id == "" {
		return "", errors.New("a span has no traceId of 16 bytes or no spanId of 8")
	}
	return of + "-" + id, nil
}

// hexID is an id of n bytes in hexadecimal. In JSON exporters write it so, where Protocol Buffers
// have base64: it was read as that.
func hexID(b []byte, n int) string {
	if len(b) == n {
		return hex.EncodeToString(b)
	}
	text := base64.StdEncoding.EncodeToString(b)
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == n {
		return strings.ToLower(text)
	}
	return ""
}
