package bursar

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// UsageReading is what a provider's account of one call says.
type UsageReading struct {
	// Dimensions are the kinds of tokens, those of prompts and replies always and others
	// where there are some; what else was used; and what the price depends on: the model,
	// the service tier and so on, where they are told and not usual.
	Dimensions []Dimension
	// Unread are the names of counts that could not be read, with points; "" alone when
	// there was nothing that could.
	Unread []string
	// Total is the name of a total that is not the sum of the kinds; "" when there is none.
	Total string

	malformed *Error
	rules     []UsageRule
	reader    usageReader
	all       []byte                     // that was read
	of        map[string]json.RawMessage // the usage object itself, or all that was given
	kept      string                     // see UnreadReading
	cut       bool
	searches  int // that are items of the output, and no count says them
}

// Warnings are those of an event that has this usage; of nil there are none.
func (r *UsageReading) Warnings() (out []string) {
	if r == nil {
		return nil
	}
	for _, name := range r.Unread {
		if name == "" {
			out = append(out, WarnUnread)
		} else {
			out = append(out, WarnUnread+":"+name)
			if near := meant(snakeCase(name[strings.LastIndexByte(name, '.')+1:])); near != "" {
				out = append(out, WarnDidYouMean+":"+name+"="+near)
			}
		}
	}
	if r.Total != "" {
		out = append(out, WarnUsageTotal+":"+r.Total)
	}
	if r.cut {
		out = append(out, WarnUsageCut)
	}
	return out
}

// Err is why the usage cannot be relied on, for what may still be refused: nothing of it
// could be read, or a count is no number.
func (r *UsageReading) Err() error {
	switch {
	case r.malformed != nil:
		return r.malformed
	case slices.Contains(r.Unread, ""):
		return Errorf(CodeValidationFailed, "the usage has no known count: none of input_tokens and output_tokens, prompt_tokens and completion_tokens, promptTokenCount and candidatesTokenCount and the like; give what the provider sent")
	}
	return nil
}

// usageHolders are members under which a reply has its usage, the best first, and
// usageAround those which are around these.
var (
	usageHolders = []string{"total_usage", "usage_metadata", "usage", "token_usage", "usage_info"}
	usageAround  = []string{"response", "message", "response_metadata", "llm_output", "kwargs", "metadata", "meta", "body", "result", "x_groq"}
)

// ReadUsage reads the usage object of a provider's reply, or the reply that has one. It goes
// by the members' names and how they are nested, not by a list of providers, and tells by
// the total, where there is one, whether input includes what a cache had and output what
// the model thought.
//
// The reading names what cannot be read, and has all else: usage that was paid for is not
// refused. Only what is no JSON object is an error.
//
// rules say what members count that no version of the program knows.
func ReadUsage(b []byte, rules ...UsageRule) (*UsageReading, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, Errorf(CodeValidationFailed, "the usage is not a JSON object")
	}
	r := &UsageReading{rules: rules, all: b}
	found := r.find(members, usageDepth)
	if !found {
		r.read(members)
	}
	r.Dimensions = append(r.reader.counts.dimensions(), r.Dimensions...)
	if !r.reader.any {
		r.Unread = append(r.Unread, "")
	}
	slices.Sort(r.Unread)
	if r.Unread = slices.Compact(r.Unread); len(r.Unread) > maxUnreadNames {
		r.Unread = append(r.Unread[:maxUnreadNames:maxUnreadNames], beyond)
	}
	if len(r.Unread) > 0 {
		r.keep(found)
	}
	return r, nil
}

// maxUnreadNames bounds the names that a reading tells of.
const maxUnreadNames = 20

// find reads the usage that members has, or something inside of it, and tells whether it
// has any.
func (r *UsageReading) find(members map[string]json.RawMessage, depth int) bool {
	byName := map[string]json.RawMessage{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		byName[snakeCase(key)] = members[key]
	}
	found := false
	inside := func(names []string, read func(map[string]json.RawMessage) bool) {
		for _, name := range names {
			var inner map[string]json.RawMessage
			if !found && json.Unmarshal(byName[name], &inner) == nil && inner != nil {
				found = read(inner)
			}
		}
	}
	inside(usageHolders, func(inner map[string]json.RawMessage) bool {
		return r.read(inner) || depth > 0 && r.find(inner, depth-1)
	})
	if !found {
		found = r.read(members)
	}
	if !found && depth > 0 {
		inside(usageAround, func(inner map[string]json.RawMessage) bool { return r.find(inner, depth-1) })
	}
	if found {
		r.around(byName)
	}
	return found
}

// read reads members as a usage object, and keeps that if there is a known count.
func (r *UsageReading) read(members map[string]json.RawMessage) bool {
	flat := usageMembers{}
	for _, key := range flat.names(members) {
		v := members[key]
		// Cohere has what it charges for beside what it counted.
		if name := snakeCase(key); name == "billed_units" || name == "tokens" && members["billed_units"] == nil && members["billedUnits"] == nil && v[0] == '{' {
			var inner map[string]json.RawMessage
			if json.Unmarshal(v, &inner) == nil {
				flat.addObject("", key, inner, usageDepth)
			}
		} else if name != "tokens" {
			flat.add(name, key, v, usageDepth)
		}
	}
	reader := usageReader{members: flat, rules: r.rules, used: map[string]bool{}, misspelt: &misspelt{}}
	reader.read()
	reader.addIterations(members)
	r.reader, r.Unread, r.Total, r.malformed = reader, reader.unread(), reader.total, reader.malformed
	r.Dimensions, r.of, r.searches = nil, members, 0
	for _, d := range reader.amounts {
		r.Dimensions = append(r.Dimensions, d)
	}
	r.label("model", flat.text("model"))
	r.label(ServiceTier, flat.text("service_tier", "service_tier/type", "traffic_type"))
	r.label(Speed, flat.text("speed"))
	r.label(InferenceGeo, flat.text("inference_geo"))
	r.label(SearchContext, flat.text("search_context_size"))
	return reader.any
}

// usualLabels are values that say nothing about the price.
var usualLabels = []string{"", "standard", "standard_only", "default", "auto", "on_demand", "global", "not_available", "null"}

// label adds a dimension, unless it has the value that is usual or there is one already.
func (r *UsageReading) label(key, value string) {
	if key != "model" {
		value = strings.TrimPrefix(strings.ToLower(value), "on_demand_")
	}
	if slices.Contains(usualLabels, value) || len(value) > MaxDimensionLen {
		return
	}
	if !slices.ContainsFunc(r.Dimensions, func(d Dimension) bool { return d.Key == key }) {
		r.Dimensions = append(r.Dimensions, Dimension{key, value, DimString})
	}
}

// around reads what a reply says around its usage object.
func (r *UsageReading) around(members map[string]json.RawMessage) {
	flat := usageMembers{}
	for _, name := range []string{"model", "model_version", "service_tier"} {
		flat.add(name, name, orNull(members[name]), 1)
	}
	flat.add("response_metadata", "", orNull(members["response_metadata"]), 1)
	r.label("model", flat.text("model", "model_version", "response_metadata/model_name", "response_metadata/model"))
	r.label(ServiceTier, flat.text("service_tier", "service_tier/type"))
	r.made(members)
}

func orNull(v json.RawMessage) json.RawMessage {
	if v == nil {
		return json.RawMessage("null")
	}
	return v
}

// made counts what a reply has made: searches that are items of its output.
func (r *UsageReading) made(members map[string]json.RawMessage) {
	var items []struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(orNull(members["output"]), &items) != nil {
		return
	}
	n := 0
	for _, it := range items {
		if it.Type == searchItem {
			n++
		}
	}
	if n > 0 && !r.reader.counted && r.searches == 0 {
		r.searches = n
		r.Dimensions = addUse(r.Dimensions, Dimension{UsageWebSearch, AmountFromInt(int64(n)).String(), DimNumber})
	}
}
