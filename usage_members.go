package bursar

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Providers and libraries name the members of a usage object in their own ways. Members are
// compared by their canonical path: each name in snake_case, names of nested objects before
// it with slashes between. So inputTokenDetails.cacheReadTokens is
// input_token_details/cache_read_tokens.

// The members that mean one thing. Of objects inside a usage object, detailsIn are about
// the input and detailsOut about the output.
var (
	detailsIn = []string{"input_tokens_details", "input_token_details", "prompt_tokens_details", "prompt_token_details",
		"input_tokens_by_modality", "input_tokens"}
	detailsOut = []string{"output_tokens_details", "output_token_details", "completion_tokens_details", "completion_token_details",
		"candidates_tokens_details", "response_tokens_details", "output_tokens_by_modality", "output_tokens"}
	detailsCached = []string{"cache_tokens_details", "cached_tokens_by_modality", "input_token_details/cached_tokens_details",
		"input_tokens_details/cached_tokens_details", "prompt_tokens_details/cached_tokens_details"}

	pathsInput  = []string{"input_tokens", "prompt_tokens", "prompt_token_count", "input_token_count", "total_input_tokens", "prompt_eval_count", "input_tokens/total"}
	pathsOutput = []string{"output_tokens", "completion_tokens", "candidates_token_count", "response_token_count", "output_token_count",
		"total_output_tokens", "eval_count", "output_tokens/total"}
	pathsTotal = []string{"total_tokens", "total_token_count"}

	// What was read from a cache and written to one, beside the input in most APIs that
	// have these members, and part of it in those that have the details.
	pathsReadFlat  = []string{"cache_read_input_tokens", "cache_read_input_token_count"}
	pathsWriteFlat = []string{"cache_creation_input_tokens", "cache_write_input_tokens", "cache_write_input_token_count"}
	pathsRead      = slices.Concat(within(detailsIn, "cached_tokens", "cache_read_tokens", "cache_read", "cache_read_input_tokens"),
		[]string{"cached_tokens", "cached_content_token_count", "cached_input_tokens", "prompt_cache_hit_tokens", "total_cached_tokens", "cache_read_tokens", "cached_prompt_tokens"})
	pathsWrite = slices.Concat(within(detailsIn, "cache_write_tokens", "cache_creation_tokens", "cache_creation", "cache_write", "cache_creation_input_tokens"),
		[]string{"cache_write_tokens", "cache_creation_tokens"})
	partsOfWrites = append(within(detailsIn, "cache_creation_token_details"), append([]string{"cache_creation", "cache_details"}, detailsIn...)...)
	pathsWrite5m  = within(partsOfWrites, "ephemeral_5m_input_tokens")
	pathsWrite1h  = within(partsOfWrites, "ephemeral_1h_input_tokens")

	pathsTools     = []string{"tool_use_prompt_token_count", "total_tool_use_tokens"}
	pathsReasoning = append(within(detailsOut, "reasoning_tokens", "thinking_tokens", "reasoning"),
		"reasoning_tokens", "thoughts_token_count", "thinking_tokens", "total_thought_tokens", "total_reasoning_tokens", "reasoning_output_tokens")
	pathsCitation = []string{"citation_tokens"}

	pathsAudioIn     = append(within(detailsIn, "audio_tokens", "audio"), "input_audio_tokens", "prompt_audio_tokens")
	pathsImageIn     = append(within(detailsIn, "image_tokens", "image"), "input_image_tokens")
	pathsCachedAudio = within(detailsCached, "audio_tokens")
	pathsCachedImage = within(detailsCached, "image_tokens")
	pathsAudioOut    = append(within(detailsOut, "audio_tokens", "audio"), "output_audio_tokens", "completion_audio_tokens")
	pathsImageOut    = append(within(detailsOut, "image_tokens", "image"), "output_image_tokens")
	pathsVideoOut    = within(detailsOut, "video_tokens", "video")

	pathsSearch  = append(within(append(detailsIn, "server_tool_use"), "web_search_requests"), "web_search_requests", "num_search_queries")
	pathsSeconds = []string{"seconds", "duration_seconds", "audio_seconds", "input_audio_seconds", "prompt_audio_seconds", "audio_duration_seconds"}
	pathsQueries = []string{"search_units"}
	pathsImages  = []string{"generated_images", "num_images", "image_count"}
	pathsChars   = []string{"characters", "input_characters", "character_count"}
	pathsPages   = []string{"pages_processed"}
)

// knownParts are the last names of members that repeat what other members say.
var knownParts = []string{"text_tokens", "text", "video_tokens", "video", "document_tokens", "document", "accepted_prediction_tokens", "rejected_prediction_tokens",
	"prompt_cache_miss_tokens", "no_cache_tokens", "no_cache"}

// knownPaths are those of all members that are read.
var knownPaths = func() (paths []string) {
	for _, list := range [][]string{{"duration", "input_tokens/no_cache"}, pathsInput, pathsOutput, pathsTotal, pathsReadFlat, pathsWriteFlat, pathsRead, pathsWrite, pathsWrite5m, pathsWrite1h,
		pathsTools, pathsReasoning, pathsCitation, pathsAudioIn, pathsImageIn, pathsCachedAudio, pathsCachedImage, pathsAudioOut, pathsImageOut, pathsVideoOut,
		pathsSearch, pathsSeconds, pathsQueries, pathsImages, pathsChars, pathsPages} {
		paths = append(paths, list...)
	}
	return paths
}()

// knownNames are the names of all members that are read, without those of the objects around them.
var knownNames = func() (names []string) {
	for _, path := range knownPaths[2:] { // what those before count is told by what is around them
		names = append(names, path[strings.LastIndexByte(path, '/')+1:])
	}
	slices.Sort(names)
	return slices.Compact(names)
}()

// within are the paths of members inside of objects.
func within(objects []string, members ...string) (paths []string) {
	for _, o := range objects {
		for _, m := range members {
			paths = append(paths, o+"/"+m)
		}
	}
	return paths
}

// leftOut are objects of a usage object that say nothing about how much was used, or say it
// a second time.
var leftOut = []string{"raw", "cost_details", "iterations", "tool_use_prompt_tokens_details", "tool_use_tokens_by_modality", "max_tokens"}

// textObjects are objects and lists of a reply that have what people and models wrote, whatever they are in.
var textObjects = []string{"choices", "candidates", "content", "contents", "messages", "tool_calls", "function_call", "arguments", "args",
	"logprobs", "prompt_logprobs", "logprobs_result", "segments", "words", "embedding", "embeddings"}

// hasTexts tells whether an object or a list at a path is one of those.
func hasTexts(path string) bool {
	return slices.Contains(textObjects, path[strings.LastIndexByte(path, '/')+1:])
}

// usageMember is a number, or what stands where one should be.
type usageMember struct {
	name string // as it was given, with points
	text string // JSON
}

// usageMembers are those of a usage object by canonical path. null is as if it were not there.
type usageMembers map[string]usageMember

// Bounds of what is read of a usage object; what is beyond them is unread.
const (
	usageDepth   = 4
	maxMembers   = 1000 // with those of objects inside it
	maxUsageName = 100  // bytes of a member's name
)

// beyond is the path of a member that stands for those beyond the bounds.
const beyond = "…"

// snakeCase is the canonical name of a member.
func snakeCase(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 && name[i-1] != '_' && (name[i-1] < 'A' || name[i-1] > 'Z') {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (m usageMembers) add(path, name string, v json.RawMessage, depth int) {
	if string(v) == "null" || slices.Contains(leftOut, path) {
		return
	}
	switch v[0] {
	case '{':
		var inner map[string]json.RawMessage
		if depth > 0 && !hasTexts(path) && json.Unmarshal(v, &inner) == nil {
			m.addObject(path, name, inner, depth-1)
		}
	case '[':
		var list []map[string]json.RawMessage
		if depth > 0 && !hasTexts(path) && json.Unmarshal(v, &list) == nil {
			for _, inner := range list {
				m.addItem(path, name, inner, depth-1)
			}
		}
	default:
		m.put(path, usageMember{name, string(v)}, MaxAmount) // of two spellings of one name
	}
}

// names are those of members that are read, in order.
func (m usageMembers) names(members map[string]json.RawMessage) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(members)), func(key string) bool {
		if len(key) > maxUsageName {
			m[beyond] = usageMember{beyond, "1"}
		}
		return len(key) > maxUsageName
	})
}

func (m usageMembers) addObject(path, name string, members map[string]json.RawMessage, depth int) {
	for _, key := range m.names(members) {
		inner, shown := snakeCase(key), key
		if path != "" {
			inner = path + "/" + inner
		}
		if name != "" {
			shown = name + "." + key
		}
		m.add(inner, shown, members[key], depth)
	}
}

// addItem adds one of a list: the tokens of a modality, those written to a cache for some
// time, or details of one of several calls.
func (m usageMembers) addItem(path, name string, item map[string]json.RawMessage, depth int) {
	flat := usageMembers{}
	flat.addObject("", "", item, depth)
	modality, ttl := flat["modality"], flat["ttl"]
	for inner, v := range flat {
		shown, of := v.name, ""
		switch {
		case inner == "modality" || inner == "ttl":
			continue
		case modality.text != "":
			of = strings.Trim(modality.text, `"`)
			inner = strings.ToLower(of) + "_tokens"
		case ttl.text != "":
			of = strings.Trim(ttl.text, `"`)
			inner = "ephemeral_" + of + "_input_tokens"
		}
		if of != "" && of != beyond && isWord(of) { // a rule of that name reads it
			shown = inner
		}
		m.put(path+"/"+inner, usageMember{name + "." + shown, v.text}, Amount.Add)
	}
}

// put adds a member. Where the path has a number already, both makes one of the two.
func (m usageMembers) put(path string, v usageMember, both func(a, b Amount) Amount) {
	old, ok := m[path]
	if ok {
		a, errA := ParseAmount([]byte(old.text))
		b, errB := ParseAmount([]byte(v.text))
		if errA == nil && errB == nil {
			v.text = both(a, b).String()
		}
	} else if len(m) >= maxMembers {
		path, v = beyond, usageMember{beyond, "1"}
	}
	m[path] = v
}

// text is a member that is a string; "" when it is none.
func (m usageMembers) text(paths ...string) (s string) {
	for _, path := range paths {
		if v, ok := m[path]; ok && json.Unmarshal([]byte(v.text), &s) == nil && s != "" {
			return s
		}
	}
	return ""
}
