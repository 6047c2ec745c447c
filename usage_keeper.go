package bursar

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// What is kept of usage has its names, numbers and shape, and no texts: neither what people and
// models wrote nor what stands for it.

// keep sets what is kept of r. found tells that there was a known count.
func (r *UsageReading) keep(found bool) {
	k := usageKeeper{reply: !found}
	whole := k.object(r.of, "", maxKeptDepth)
	if found {
		whole = map[string]any{"usage": whole}
		if r.searches > 0 { // they stood around it
			whole["output"] = slices.Repeat([]any{map[string]string{"type": searchItem}}, min(r.searches, MaxKeptUsage))
		}
	}
	if r.kept = jsonText(whole); len(r.kept) <= MaxKeptUsage {
		return
	}
	r.cut, r.kept = true, ""
	var some [][2]string // name and JSON
	for _, name := range r.Unread {
		v, ok := r.reader.members.only(name)
		if !ok {
			continue
		}
		text := jsonText(k.value(json.RawMessage(v), snakeCase(name), 0))
		if kept := jsonText(nested(append(some, [2]string{name, text}))); len(kept) <= MaxKeptUsage {
			some, r.kept = append(some, [2]string{name, text}), kept
		}
	}
}

// only is the member of a name; not ok if it has none, or several: a list may have more of one name.
func (m usageMembers) only(name string) (text string, ok bool) {
	for path, v := range m {
		if v.name != name || path == beyond {
			continue
		}
		if ok {
			return "", false
		}
		text, ok = v.text, true
	}
	return text, ok
}

// nested is an object with members of names that have points.
func nested(members [][2]string) map[string]any {
	out := map[string]any{}
	for _, m := range members {
		into, names := out, strings.Split(m[0], ".")
		for ; len(names) > 1; names = names[1:] {
			inner, ok := into[names[0]].(map[string]any)
			if !ok {
				inner = map[string]any{}
				into[names[0]] = inner
			}
			into = inner
		}
		into[names[0]] = json.RawMessage(m[1])
	}
	return out
}

// usageKeeper takes the texts from what is read. It has what a reader of usage comes to, and little else.
type usageKeeper struct {
	reply bool // there was no known count: it may be a reply, with usage somewhere in it
}

// maxKeptDepth bounds how deep what is kept is nested. Nothing below it is read.
const maxKeptDepth = 2*usageDepth + 2

func (k *usageKeeper) object(members map[string]json.RawMessage, path string, depth int) map[string]any {
	out := map[string]any{}
	for name, v := range members {
		inner := strings.TrimPrefix(path+"/"+snakeCase(name), "/")
		if inner != "iterations" && slices.Contains(leftOut, inner) {
			continue
		}
		if len(name) > maxUsageName { // it is told apart by its length alone
			name = strings.Repeat(beyond, maxUsageName/len(beyond)+1)
		}
		if kept := k.value(v, inner, depth-1); kept != nil {
			out[name] = kept
		}
	}
	return out
}

// value is a value without what people may have written; nil = nothing of it is read. A list of anything
// but objects may be a text in numbers.
func (k *usageKeeper) value(v json.RawMessage, path string, depth int) any {
	switch v = bytes.TrimSpace(v); v[0] {
	case '{':
		var members map[string]json.RawMessage
		if depth <= 0 || hasTexts(path) || json.Unmarshal(v, &members) != nil {
			return nil
		}
		return k.object(members, path, depth)
	case '[':
		var list []map[string]json.RawMessage
		if depth <= 0 || hasTexts(path) || path == "tokens" || json.Unmarshal(v, &list) != nil {
			return nil
		}
		out := make([]any, 0, len(list))
		for _, item := range list {
			out = append(out, k.object(item, path, depth-1))
		}
		return out
	case '"':
		var s string
		if json.Unmarshal(v, &s) != nil {
			return nil
		}
		return k.text(s, path)
	}
	return v
}

// searchItem is the type of an item of a reply's output that is a search.
const searchItem = "web_search_call"

// keptWords are values that say what numbers beside them count.
var keptWords = []string{"duration", searchItem}

// text is what is kept of a text: what selects a price.
func (k *usageKeeper) text(s, path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case k.selects(path):
		if len(s) > MaxDimensionLen { // no reading takes it
			return ""
		}
		return s
	case (name == "modality" || name == "ttl") && isWord(s), slices.Contains(keptWords, s), isCountText(path, s):
		return s
	}
	return beyond
}

// priceLabels are the members that select a price: of a usage object itself, and of what is around it.
var priceLabels = []string{"model", "model_name", "model_version", "service_tier", "service_tier/type", "traffic_type", "speed", "inference_geo", "search_context_size"}

// selects tells whether a member is where a reading takes what selects a price from.
func (k *usageKeeper) selects(path string) bool {
	for k.reply && !slices.Contains(priceLabels, path) {
		around, inner, is := strings.Cut(path, "/")
		if !is || !slices.Contains(usageHolders, around) && !slices.Contains(usageAround, around) {
			return false
		}
		path = inner
	}
	return slices.Contains(priceLabels, path)
}

const maxModality = 32 // bytes

// isWord tells whether a modality or a time is a word or a number, and no text that somebody wrote.
func isWord(s string) bool { return len(s) <= maxModality && !strings.ContainsAny(s, " \t\n") }

// jsonText is v as JSON, of which all that is kept can be made.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
