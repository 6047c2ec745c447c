package otlp

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// Attributes of Bursar's own, of a span or of its resource.
const (
	attrCustomer   = "bursar.customer.id"
	attrEvent      = "bursar.event.name"
	attrCall       = "bursar.call.id"     // of a span alone
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
	attrReasoning  = "gen_ai.usage.reasoning.output_tokens"
	attrProvider   = "gen_ai.provider.name"
	attrRequested  = "gen_ai.request.model"
	attrResponse   = "gen_ai.response.model"
)

var (
	counts = []string{attrInput, attrOutput, attrCacheRead, attrCacheWrite, attrCacheNew, attrReasoning}
	words  = []string{attrProvider, attrRequested, attrResponse, attrOperation}
)

// older are names of attributes in earlier versions of the conventions, and of instrumentations
// that were before them.
var older = map[string]string{
	"gen_ai.usage.prompt_tokens":                       attrInput,
	"gen_ai.usage.completion_tokens":                   attrOutput,
	"gen_ai.usage.cache_read_input_tokens":             attrCacheRead,
	"gen_ai.usage.cache_read_tokens":                   attrCacheRead,
	"gen_ai.usage.cached_tokens":                       attrCacheRead,
	"gen_ai.usage.details.cached_tokens":               attrCacheRead,
	"gen_ai.usage.details.cache_read_tokens":           attrCacheRead,
	"gen_ai.usage.details.cache_read_input_tokens":     attrCacheRead,
	"gen_ai.usage.cache_creation_input_tokens":         attrCacheWrite,
	"gen_ai.usage.cache_write_tokens":                  attrCacheWrite,
	"gen_ai.usage.details.cache_write_tokens":          attrCacheWrite,
	"gen_ai.usage.details.cache_creation_input_tokens": attrCacheWrite,
	"gen_ai.usage.reasoning_tokens":                    attrReasoning,
	"gen_ai.usage.details.reasoning_tokens":            attrReasoning,
	"gen_ai.system":                                    attrProvider,
}

// repeats are counts that say again what others say.
var repeats = []string{"gen_ai.usage.total_tokens", "gen_ai.usage.details.input_tokens", "gen_ai.usage.details.output_tokens"}

// around are operations whose usage is that of the calls inside of them, which have spans of
// their own.
var around = []string{"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"}

// models are operations that always use something.
var models = []string{"chat", "text_completion", "generate_content", "embeddings"}

// wants tells whether an attribute is read. No text of a prompt or reply is.
func (d *defaults) wants(attribute string) bool {
	return strings.HasPrefix(attribute, "bursar.") || strings.HasPrefix(attribute, attrUsage) || slices.Contains(words, attribute) ||
		older[attribute] != "" || slices.ContainsFunc(d.from, func(f source) bool { return f.attribute == attribute })
}

// call is what the attributes of a span and of its resource say of a call.
type call struct {
	of, own attrs
	usage   map[string]int64
	unread  []string // counts under names that are not known
	beside  bool     // cached or reasoning tokens are not among those that should include them
}

func callOf(of attrs, s *span) *call {
	c := &call{of: of, own: s.attrs, usage: map[string]int64{}}
	for _, k := range slices.Sorted(maps.Keys(s.attrs)) {
		if !strings.HasPrefix(k, attrUsage) || !strings.HasSuffix(k, "_tokens") || slices.Contains(repeats, k) {
			continue
		}
		n, ok := whole(s.attrs[k])
		name := k
		if older[k] != "" {
			name = older[k]
		}
		switch _, said := s.attrs[name]; {
		case !ok || !slices.Contains(counts, name):
			c.unread = append(c.unread, k)
		case name == k || !said:
			c.usage[name] = max(n, c.usage[name])
		}
	}
	c.include(attrInput, c.usage[attrCacheRead]+max(c.usage[attrCacheWrite], c.usage[attrCacheNew]))
	c.include(attrOutput, c.usage[attrReasoning])
	return c
}

// include sees to it that a count includes others: where they are more, they cannot be among it.
func (c *call) include(count string, others int64) {
	if others > c.usage[count] {
		c.usage[count] += others
		c.beside = true
	}
}

// whole is a count. Some exporters send it as a number with a point, or as a text.
func whole(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil && n >= 0
	case int64:
		return v, v >= 0
	case float64:
		return int64(v), v >= 0 && v < 1<<53 && v == float64(int64(v))
	}
	return 0, false
}

// value is an attribute of the span, else of its resource; nil = neither has it.
func (c *call) value(key string) any {
	if v, ok := c.own[key]; ok {
		return v
	}
	return c.of[key]
}

func (c *call) text(key string) string {
	s, _ := c.value(key).(string)
	return s
}

// counts tells whether the span has usage of its own.
func (c *call) counts() bool {
	return len(c.usage) > 0 && !slices.Contains(around, c.text(attrOperation))
}

// event is what the call is reported as.
func (c *call) event(s *span, by *defaults) (*client.EventInput, error) {
	id, err := s.key()
	if err != nil {
		return nil, err
	}
	e := &client.EventInput{CustomerID: cmp.Or(c.text(attrCustomer), by.customer), EventName: cmp.Or(c.text(attrEvent), by.event), IdempotencyKey: id, Dimensions: maps.Clone(by.dims)}
	e.CallID, _ = c.own[attrCall].(string)
	if e.CustomerID == "" {
		return nil, fmt.Errorf("a span does not say whose call it is: give it or its resource the attribute %s, or have the exporter send the header bursar-customer", attrCustomer)
	}
	for _, f := range by.from {
		if v := c.value(f.attribute); v != nil {
			e.Dimensions[f.dimension] = fmt.Sprint(v) // an id, also where it is a number
		}
	}
	for _, from := range []attrs{c.of, c.own} {
		for k, v := range from {
			if dimension, ok := strings.CutPrefix(k, attrDimensions); ok && dimension != "" {
				e.Dimensions[dimension] = v
			}
		}
	}
	for _, k := range words {
		if v := c.text(k); v != "" {
			e.Dimensions[k] = v
		}
	}
	if e.Dimensions[attrProvider] == nil && c.text("gen_ai.system") != "" {
		e.Dimensions[attrProvider] = c.text("gen_ai.system")
	}
	for k, n := range c.usage {
		e.Dimensions[k] = n
	}
	for k, v := range e.Dimensions {
		if text, _ := v.(string); len(e.Dimensions) > bursar.MaxDimensions || len(k) > bursar.MaxDimensionKeyLen || len(text) > bursar.MaxDimensionLen {
			return nil, fmt.Errorf("a span has more than %d dimensions, or one with a key above %d bytes or a value above %d", bursar.MaxDimensions, bursar.MaxDimensionKeyLen, bursar.MaxDimensionLen)
		}
	}
	t := bursar.TimeOf(time.Unix(0, int64(s.end)))
	e.Timestamp = &t
	return e, nil
}

// key is what makes a span one, however often it is sent.
func (s *span) key() (string, error) {
	if s.end == 0 || s.end > 1<<62 {
		return "", errors.New("a span has not ended: it has no endTimeUnixNano")
	}
	for _, id := range []struct {
		text  string
		bytes int
	}{{s.trace, 16}, {s.id, 8}} {
		if raw, err := hex.DecodeString(id.text); err != nil || len(raw) != id.bytes || strings.Trim(id.text, "0") == "" {
			return "", errors.New("a span has no traceId of 16 bytes or no spanId of 8")
		}
	}
	return s.trace + "-" + s.id, nil
}
