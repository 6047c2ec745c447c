package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar/client"
	"github.com/go-json-experiment/json/jsontext"
)

// boundOf is the member that bounds the output at each endpoint where a bound may be added.
var boundOf = map[string]string{"chat/completions": "max_completion_tokens", "completions": "max_tokens",
	"responses": "max_output_tokens", "messages": "max_tokens"}

// toolMembers say which tools there are, and how they are used.
var toolMembers = map[string]bool{"tools": true, "tool_choice": true, "parallel_tool_calls": true, "functions": true, "function_call": true}

// degrade changes the request as a policy says, and tells what it changed. Nothing is changed of what
// is no JSON. All else of the body stays as it is, to the byte.
func (a *asked) degrade(x *client.Degrade) (changed []string) {
	if !a.isJSON {
		return nil
	}
	b, err := splitBody(a.body)
	if err != nil {
		return nil // it was read before, so this cannot be
	}
	if x.Model != "" && x.Model != a.model && len(x.Model) <= maxModelBytes {
		b.set("model", quoted(x.Model))
		a.model = x.Model
		changed = append(changed, "model="+x.Model)
	}
	if x.MaxTokens > 0 && a.bound(b, x.MaxTokens) {
		changed = append(changed, "maxTokens="+strconv.FormatInt(x.MaxTokens, 10))
	}
	if x.Tools != nil && !*x.Tools && b.without(a.endpoint) {
		changed = append(changed, "tools=off")
	}
	if len(changed) > 0 {
		a.body = b.join()
	}
	return changed
}

// bound has the request ask for at most n tokens of output. A request that may think for as many
// stays as it is: the provider would refuse it.
func (a *asked) bound(b *splitting, n int64) (changed bool) {
	var thinking struct {
		Budget count `json:"budget_tokens"`
	}
	if i := b.find("thinking"); i >= 0 && json.Unmarshal(b.members[i].value, &thinking) == nil && int64(thinking.Budget) >= n {
		return false
	}
	bounded := false
	for _, name := range []string{"max_tokens", "max_completion_tokens", "max_output_tokens"} {
		var c count
		i := b.find(name)
		if i < 0 || json.Unmarshal(b.members[i].value, &c) != nil || c == 0 {
			continue
		}
		if bounded = true; int64(c) > n {
			b.set(name, strconv.FormatInt(n, 10))
			changed = true
		}
	}
	if name := boundOf[a.endpoint]; !bounded && name != "" {
		b.set(name, strconv.FormatInt(n, 10))
		changed = true
	}
	if changed {
		a.maxTokens = min(a.maxTokens, min(n*a.times, maxExpected))
	}
	return changed
}

// splitting is a JSON object, taken apart into its members.
type splitting struct {
	head, tail []byte
	members    []splitMember
}

type splitMember struct {
	name    string
	between []byte // what stands before it
	key     []byte // its name and the colon, as they stand there
	value   []byte
}

func splitBody(body []byte) (*splitting, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	end := d.InputOffset()
	b := &splitting{head: body[:end]}
	for d.PeekKind() == '"' {
		key, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		start := d.InputOffset() - int64(len(key))
		name, err := jsontext.AppendUnquote(nil, key)
		if err != nil {
			return nil, err
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		from := d.InputOffset() - int64(len(value))
		b.members = append(b.members, splitMember{string(name), body[end:start], body[start:from], body[from:d.InputOffset()]})
		end = d.InputOffset()
	}
	if _, err := d.ReadToken(); err != nil && err != io.EOF {
		return nil, err
	}
	b.tail = body[end:]
	return b, nil
}

// find is the place of a member; -1 = it is not there.
func (b *splitting) find(name string) int {
	for i := range b.members {
		if b.members[i].name == name {
			return i
		}
	}
	return -1
}

func (b *splitting) set(name, value string) {
	if i := b.find(name); i >= 0 {
		b.members[i].value = []byte(value)
		return
	}
	m := splitMember{name: name, key: []byte(quoted(name) + ":"), value: []byte(value)}
	if len(b.members) > 0 {
		m.between = []byte(",")
	}
	b.members = append(b.members, m)
}

// without takes the tools away, and tells whether there were any. Anthropic refuses a conversation in
// which tools were used and none are there: they stay, and may not be called.
func (b *splitting) without(endpoint string) bool {
	if b.find("tools") < 0 && b.find("functions") < 0 {
		return false
	}
	if i := b.find("messages"); endpoint == "messages" && i >= 0 &&
		(bytes.Contains(b.members[i].value, []byte(`"tool_use"`)) || bytes.Contains(b.members[i].value, []byte(`"tool_result"`))) {
		b.set("tool_choice", `{"type":"none"}`)
		return true
	}
	var kept []splitMember
	for i, m := range b.members {
		if toolMembers[m.name] {
			continue
		}
		if len(kept) == 0 && i > 0 { // it is the first now
			m.between = b.members[0].between
		}
		kept = append(kept, m)
	}
	b.members = kept
	return true
}

func (b *splitting) join() []byte {
	out := bytes.Clone(b.head)
	for _, m := range b.members {
		out = append(append(append(out, m.between...), m.key...), m.value...)
	}
	return append(out, b.tail...)
}

func quoted(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// degrade has the call go on as a policy says, if the configuration wants that and it changes the call:
// what was held for it is released, and it is to be held for anew.
func (h *hold) degrade(a *asked, advice *client.Advice) (again bool) {
	if !h.g.config.Degrade || h.degraded != "" || advice == nil || advice.Degrade == nil {
		return false
	}
	changed := a.degrade(advice.Degrade)
	if len(changed) == 0 {
		return false
	}
	h.degraded = strings.Join(changed, ",")
	h.asked = a.without()
	if a.model != "" {
		h.dims["model"] = a.model
	}
	return true
}
