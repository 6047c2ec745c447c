package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/go-json-experiment/json/jsontext"
)

// boundsOf are the members that bound the output at each endpoint whose calls are degraded. The first
// is added where there is none.
var boundsOf = map[string][]string{"chat/completions": {"max_completion_tokens", "max_tokens"}, "completions": {"max_tokens"},
	"responses": {"max_output_tokens"}, "messages": {"max_tokens"}}

// toolMembers say which tools there are (true), and how they are used.
var toolMembers = map[string]bool{"tools": true, "functions": true, "web_search_options": true, "mcp_servers": true,
	"tool_choice": false, "parallel_tool_calls": false, "function_call": false}

// minThinking is the least budget that Anthropic takes.
const minThinking = 1024

// degraded is the call as a policy says, and what is changed of it; nil = it stays as it is.
func (g *Gateway) degraded(a *asked, advice *client.Advice) (*asked, []string, *problem) {
	if !g.config.Degrade || advice == nil || advice.Degrade == nil || !a.isJSON || boundsOf[a.endpoint] == nil {
		return nil, nil, nil
	}
	e, err := editsOf(a.body)
	if err != nil {
		return nil, nil, &problem{status: http.StatusBadRequest, code: bursar.CodeValidationFailed, message: "the request cannot be read, so it cannot be changed as its policy says: " + err.Error()}
	}
	x, out := advice.Degrade, *a
	var changed []string
	if x.Model != "" && x.Model != a.model {
		e.set("model", quoted(x.Model))
		out.model = x.Model
		changed = append(changed, "model="+x.Model)
	}
	if x.MaxTokens > 0 && out.bound(e, x.MaxTokens) {
		changed = append(changed, "maxTokens="+strconv.FormatInt(x.MaxTokens, 10))
	}
	if x.Tools != nil && !*x.Tools && e.withoutTools(a.endpoint) {
		changed = append(changed, "tools=off")
	}
	if len(changed) == 0 {
		return nil, nil, nil
	}
	if !a.share.grow(e.length()) {
		return nil, nil, errBusy()
	}
	out.body = e.join()
	return &out, changed, nil
}

// bound has the request ask for at most n tokens of output.
func (a *asked) bound(e *edits, n int64) (changed bool) {
	bounded := false
	for _, name := range boundsOf[a.endpoint] {
		var c count
		if v := e.value(name); v == nil || json.Unmarshal(v, &c) != nil || c == 0 {
			continue
		}
		if bounded = true; int64(c) > n {
			e.set(name, strconv.FormatInt(n, 10))
			changed = true
		}
	}
	if !bounded {
		e.set(boundsOf[a.endpoint][0], strconv.FormatInt(n, 10))
		changed = true
	}
	if a.endpoint == "messages" && e.think(n) {
		changed = true
	}
	if changed {
		a.maxTokens = min(a.maxTokens, min(n*a.times, maxExpected))
	}
	return changed
}

// think has thinking take fewer than n tokens, or none where so few may not be asked for.
func (e *edits) think(n int64) (changed bool) {
	var thinking map[string]jsontext.Value
	if v := e.value("thinking"); v == nil || json.Unmarshal(v, &thinking) != nil {
		return false
	}
	var kind string
	var budget count
	if json.Unmarshal(thinking["type"], &kind) != nil || kind != "enabled" || json.Unmarshal(thinking["budget_tokens"], &budget) != nil || int64(budget) < n {
		return false
	}
	if n <= minThinking {
		e.set("thinking", `{"type":"disabled"}`)
		return true
	}
	thinking["budget_tokens"] = jsontext.Value(strconv.FormatInt(n-1, 10))
	b, err := json.Marshal(thinking)
	if err != nil {
		return false
	}
	e.set("thinking", string(b))
	return true
}

// edits are changes of a JSON object. What they do not touch stays as it is, to the byte.
type edits struct {
	body  []byte
	at    map[string]member // those that may be changed
	first int64             // where the first member begins
	other int64             // and the first that is not about tools
	end   int64             // of the last one
	cuts  []cut
}

// member is where one stands: its name, its value, and the end of what is before it.
type member struct{ before, name, value, end int64 }

// cut puts a text in the place of a part.
type cut struct {
	from, to int64
	text     string
}

// editable tells whether a member may be changed, or decides what is.
func editable(name string) bool {
	_, tool := toolMembers[name]
	switch name {
	case "model", "messages", "thinking", "max_tokens", "max_completion_tokens", "max_output_tokens":
		return true
	}
	return tool
}

// editsOf reads body, as readJSON did before: no name is there twice, but some may be no UTF-8.
func editsOf(body []byte) (*edits, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	e := &edits{body: body, at: map[string]member{}, first: -1, other: -1, end: d.InputOffset()}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		m := member{before: e.end, name: e.end + int64(bytes.IndexByte(body[e.end:], '"')), end: d.InputOffset()}
		m.value, e.end = m.end-int64(len(v)), m.end
		if e.first < 0 {
			e.first = m.name
		}
		if _, tool := toolMembers[name]; !tool && e.other < 0 {
			e.other = m.name
		}
		if editable(name) {
			e.at[name] = m
		}
	}
	return e, nil
}

// value is a member's; nil = it is not there.
func (e *edits) value(name string) []byte {
	m, is := e.at[name]
	if !is {
		return nil
	}
	return e.body[m.value:m.end]
}

// set gives a member a value. It is added at the end if it is not there; a body has a member, its model.
func (e *edits) set(name, value string) {
	if m, is := e.at[name]; is {
		e.cuts = append(e.cuts, cut{m.value, m.end, value})
		return
	}
	e.cuts = append(e.cuts, cut{e.end, e.end, "," + quoted(name) + ":" + value})
}

// withoutTools takes the tools away, and tells whether there were any. Anthropic refuses a conversation
// in which tools were used and none are there: they stay, and may not be called.
func (e *edits) withoutTools(endpoint string) bool {
	named := false
	for name, is := range toolMembers {
		named = named || is && e.value(name) != nil
	}
	if !named {
		return false
	}
	said := e.value("messages")
	if endpoint == "messages" && (bytes.Contains(said, []byte(`tool_use"`)) || bytes.Contains(said, []byte(`tool_result"`))) {
		e.set("tool_choice", `{"type":"none"}`)
		return true
	}
	if e.first < e.other {
		e.cuts = append(e.cuts, cut{e.first, e.other, ""})
	}
	for name := range toolMembers {
		if m, is := e.at[name]; is && m.name > e.other {
			e.cuts = append(e.cuts, cut{m.before, m.end, ""})
		}
	}
	return true
}

// length is how long the body is at most with the changes.
func (e *edits) length() int64 {
	n := int64(len(e.body))
	for _, c := range e.cuts {
		n += int64(len(c.text))
	}
	return n
}

func (e *edits) join() []byte {
	slices.SortStableFunc(e.cuts, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	out, at := make([]byte, 0, e.length()), int64(0)
	for _, c := range e.cuts {
		out = append(append(out, e.body[at:c.from]...), c.text...)
		at = c.to
	}
	return append(out, e.body[at:]...)
}

func quoted(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}
