package gateway

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// reading is what is known of a call's usage from the reply so far.
type reading struct {
	usage    map[string]json.RawMessage // the provider's object; nil = none came
	model    string                     // that answered
	tier     string
	searches int  // of the web, that are items of a reply's output
	begun    bool // what came is of the beginning alone, as in Anthropic's message_start
	final    bool // the usage is that of the whole call
}

// reply is what a reply, or an event of a stream, has that matters.
type reply struct {
	Type        string          `json:"type"`
	Model       string          `json:"model"`
	ServiceTier string          `json:"service_tier"`
	Usage       json.RawMessage `json:"usage"`
	Output      []struct {
		Type string `json:"type"`
	} `json:"output"`
	Choices  json.RawMessage `json:"choices"`
	Message  *reply          `json:"message"`  // of Anthropic's message_start
	Response *reply          `json:"response"` // of the Responses API's events
	Delta    json.RawMessage `json:"delta"`
}

var (
	usageName  = []byte(`"usage"`)
	streamDone = []byte("[DONE]")
)

// whole reads a reply that came as one.
func (u *reading) whole(b []byte) {
	var top reply
	if !decodeSome(b, &top) {
		return
	}
	u.take(&top)
	u.final = u.usage != nil
}

// decodeSome reads the members of a large object that matter, without those that do not.
func decodeSome(b []byte, into *reply) bool {
	wanted := map[string]any{"type": &into.Type, "model": &into.Model, "service_tier": &into.ServiceTier, "usage": &into.Usage, "output": &into.Output}
	d := jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return false
		}
		to := wanted[t.String()]
		if to == nil {
			if d.SkipValue() != nil {
				return false
			}
			continue
		}
		v, err := d.ReadValue()
		if err != nil {
			return false
		}
		_ = json.Unmarshal(v, to) // a member of another type says nothing
	}
	return true
}

// event reads the data of an event of a stream.
func (u *reading) event(data []byte) {
	if bytes.Equal(data, streamDone) {
		u.final = true
		return
	}
	if !bytes.Contains(data, usageName) {
		return
	}
	var e reply
	if json.Unmarshal(data, &e) != nil {
		if !decodeSome(data, &e) {
			return
		}
	}
	switch {
	case e.Message != nil:
		u.begun = u.take(e.Message) || u.begun
	case e.Response != nil:
		if u.take(e.Response) {
			u.final = true
		}
	default:
		if !u.take(&e) {
			return
		}
		u.begun = false
		switch {
		case e.Type == "message_delta":
			u.final = true
		case strings.HasSuffix(e.Type, ".completed") || strings.HasSuffix(e.Type, ".done"):
			u.final = true
		case e.Type == "" && bytes.Equal(bytes.TrimSpace(e.Choices), []byte("[]")):
			u.final = true
		}
	}
}

// ended notes that the stream ended as streams should: what it told last is the whole.
func (u *reading) ended() { u.final = u.final || u.usage != nil && !u.begun }

// take takes over what r says, and tells whether it has usage. Members that come again, as
// Anthropic's do, stand for the whole call.
func (u *reading) take(r *reply) bool {
	if r.Model != "" {
		u.model = r.Model
	}
	if r.ServiceTier != "" {
		u.tier = r.ServiceTier
	}
	n := 0
	for _, o := range r.Output {
		if o.Type == "web_search_call" {
			n++
		}
	}
	u.searches = max(u.searches, n)
	var given map[string]json.RawMessage
	if json.Unmarshal(r.Usage, &given) != nil || len(given) == 0 {
		return false
	}
	if u.usage == nil {
		u.usage = map[string]json.RawMessage{}
	}
	for name, v := range given {
		if before, had := u.usage[name]; !had || !bytes.Equal(v, []byte("null")) || bytes.Equal(before, []byte("null")) {
			u.usage[name] = v
		}
	}
	return true
}

// maxUsageBytes bounds what is passed on as usage.
const maxUsageBytes = 256 << 10

// object is what the server reads as usage: the provider's object in what was around it. nil
// is that nobody knows.
func (u *reading) object() json.RawMessage {
	if u.usage == nil || !u.final {
		return nil
	}
	out := map[string]any{"usage": u.usage}
	if u.tier != "" {
		out["service_tier"] = u.tier
	}
	if u.searches > 0 {
		items := make([]map[string]string, u.searches)
		for i := range items {
			items[i] = map[string]string{"type": "web_search_call"}
		}
		out["output"] = items
	}
	b, err := json.Marshal(out)
	if err != nil || len(b) > maxUsageBytes {
		return nil
	}
	return b
}

// dated is a model's name with the day it was made, as providers answer with.
var dated = regexp.MustCompile(`^-(\d{4}-\d{2}-\d{2}|\d{8})$`)

// answered is the model that answered, where it is another one than was asked for. The same
// one with a date is no other.
func (u *reading) answered(asked string) string {
	if u.model == "" || u.model == asked || len(u.model) > maxModelBytes {
		return ""
	}
	if rest, found := strings.CutPrefix(u.model, asked); found && dated.MatchString(rest) {
		return ""
	}
	return u.model
}
