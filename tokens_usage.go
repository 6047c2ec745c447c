package bursar

import (
	"encoding/json"
	"slices"
	"strings"
)

// usageShape says where the usage objects of one API have their counts. A path names a
// member or, with a slash, a member of a member. Of several paths of one count the first
// that an object has is read.
type usageShape struct {
	api           string
	input, output []string
	// outside tells that input does not include what was read from and written to a cache.
	cacheRead, cacheWrite []string
	outside               bool
	toolInput             []string // input that input does not include
	// beside tells that output does not include reasoning. Where the object has a total that
	// says otherwise, the total is believed: xAI's Chat Completions do not include it, and
	// some of Gemini's replies do.
	reasoning []string
	beside    bool
	total     []string
	others    []string // further paths that belong to this API
}

// usageShapes are the APIs. Of several that an object fits the first is taken: Responses and
// Messages differ in how they count cached tokens only.
var usageShapes = []*usageShape{{
	api:        "OpenAI's Responses",
	input:      []string{"input_tokens"},
	output:     []string{"output_tokens"},
	cacheRead:  []string{"input_tokens_details/cached_tokens"},
	cacheWrite: []string{"input_tokens_details/cache_write_tokens"},
	reasoning:  []string{"output_tokens_details/reasoning_tokens", "output_tokens_details/thinking_tokens"},
	total:      []string{"total_tokens"},
	others:     []string{"input_tokens_details"},
}, {
	api:        "Anthropic's Messages",
	input:      []string{"input_tokens"},
	output:     []string{"output_tokens"},
	cacheRead:  []string{"cache_read_input_tokens"},
	cacheWrite: []string{"cache_creation_input_tokens"},
	outside:    true,
	reasoning:  []string{"output_tokens_details/thinking_tokens"},
	others:     []string{"cache_creation"},
}, {
	api:        "OpenAI's Chat Completions",
	input:      []string{"prompt_tokens"},
	output:     []string{"completion_tokens"},
	cacheRead:  []string{"prompt_tokens_details/cached_tokens", "prompt_cache_hit_tokens"}, // the latter is DeepSeek's
	cacheWrite: []string{"prompt_tokens_details/cache_write_tokens"},
	reasoning:  []string{"completion_tokens_details/reasoning_tokens"},
	total:      []string{"total_tokens"},
	others:     []string{"prompt_tokens_details", "completion_tokens_details"},
}, {
	api:       "Gemini",
	input:     []string{"promptTokenCount"},
	output:    []string{"candidatesTokenCount", "responseTokenCount"}, // the latter is the Live API's
	cacheRead: []string{"cachedContentTokenCount"},
	toolInput: []string{"toolUsePromptTokenCount"},
	reasoning: []string{"thoughtsTokenCount"},
	beside:    true,
	total:     []string{"totalTokenCount"},
}}

// paths are those that tell the API.
func (s *usageShape) paths() []string {
	return slices.Concat(s.input, s.output, s.cacheRead, s.cacheWrite, s.toolInput, s.reasoning, s.others)
}

// usageObject is a usage object by path, without members that are null.
type usageObject map[string]json.RawMessage

func readUsage(b []byte) (usageObject, error) {
	var u usageObject
	if err := json.Unmarshal(b, &u); err != nil || u == nil {
		return nil, Errorf(CodeValidationFailed, "the token usage is not a JSON object")
	}
	for key, v := range u {
		if string(v) == "null" || strings.Contains(key, "/") {
			delete(u, key)
		}
	}
	for _, key := range []string{"prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details", "cache_creation"} {
		if u[key] == nil {
			continue
		}
		var inner usageObject
		if json.Unmarshal(u[key], &inner) != nil {
			return nil, usageError(key, "%s is not a JSON object", key)
		}
		for k, v := range inner {
			if string(v) != "null" {
				u[key+"/"+k] = v
			}
		}
	}
	return u, nil
}

func usageError(path, format string, args ...any) *Error {
	return ErrorAt("/"+path, CodeValidationFailed, format, args...)
}

// usageName is a path as an error shows it, with points.
func usageName(path string) string { return strings.ReplaceAll(path, "/", ".") }

// shape finds the API to which all known members of u belong.
func (u usageObject) shape() (*usageShape, error) {
	var known []string
	for _, s := range usageShapes {
		for _, path := range s.paths() {
			if u[path] != nil && !slices.Contains(known, path) {
				known = append(known, path)
			}
		}
	}
	var nearest *usageShape
	var strays []string // of nearest
	for _, s := range usageShapes {
		not := slices.DeleteFunc(slices.Clone(known), func(path string) bool { return slices.Contains(s.paths(), path) })
		if nearest == nil || len(not) < len(strays) {
			nearest, strays = s, not
		}
	}
	if len(strays) > 0 {
		return nil, usageError(strays[0], "the token usage is that of %s but for %s, which is of another API; they count cached tokens differently, so give the provider's own object, or the properties %s and so on",
			nearest.api, usageName(strays[0]), TokensInput)
	}
	for _, path := range slices.Concat(nearest.input, nearest.output) {
		if u[path] != nil {
			return nearest, nil
		}
	}
	return nil, Errorf(CodeValidationFailed, "the token usage has no known count: none of input_tokens and output_tokens, prompt_tokens and completion_tokens, promptTokenCount and candidatesTokenCount; give the reply's usage (Gemini: usageMetadata) itself")
}

// usageCount is one count; path is "" when it is not there.
type usageCount struct {
	path string
	n    int64
}

// count reads the first of paths that is there.
func (u usageObject) count(paths []string) (c usageCount, err error) {
	for _, path := range paths {
		v := u[path]
		if v == nil {
			continue
		}
		n, ok := parseTokens(string(v))
		if !ok {
			return c, usageError(path, "%s is %.40s, not a whole number of tokens", usageName(path), v)
		}
		return usageCount{path, n}, nil
	}
	return c, nil
}

// within is an error when part is more than the whole that has to include it.
func within(part, whole usageCount, wholePath string) error {
	if part.n <= whole.n {
		return nil
	}
	return usageError(part.path, "%s is %d, more than %s (%d), which has to include it", usageName(part.path), part.n, wholePath, whole.n)
}

// count makes of the counts of u numbers of which each token is in one only.
func (s *usageShape) count(u usageObject) (c tokenCounts, err error) {
	var input, output, read, write, tools, reasoning, total usageCount
	for _, f := range []struct {
		to    *usageCount
		paths []string
	}{{&input, s.input}, {&output, s.output}, {&read, s.cacheRead}, {&write, s.cacheWrite}, {&tools, s.toolInput}, {&reasoning, s.reasoning}, {&total, s.total}} {
		if *f.to, err = u.count(f.paths); err != nil {
			return c, err
		}
	}
	c = tokenCounts{input: input.n, cacheRead: read.n, cacheWrite: write.n, output: output.n, reasoning: reasoning.n}
	if s.outside {
		if err := u.splitWrites(&c, write); err != nil {
			return c, err
		}
	} else {
		if err := within(read, input, s.input[0]); err != nil {
			return c, err
		}
		if err := within(write, usageCount{n: input.n - read.n}, "the uncached part of "+s.input[0]); err != nil {
			return c, err
		}
		c.input -= read.n + write.n
	}
	c.input += tools.n
	beside := s.beside
	switch {
	case total.path == "":
	case total.n == input.n+tools.n+output.n:
		beside = false
	case total.n == input.n+tools.n+output.n+reasoning.n:
		beside = true
	}
	if !beside {
		if err := within(reasoning, output, s.output[0]); err != nil {
			return c, err
		}
		c.output -= reasoning.n
	}
	return c, nil
}

// splitWrites sets the cache writes of Messages by time to live. write is their sum, and the
// members of cache_creation are its parts. Tokens that are in no part were written for the
// default time, 5 minutes.
func (u usageObject) splitWrites(c *tokenCounts, write usageCount) error {
	short, err := u.count([]string{"cache_creation/ephemeral_5m_input_tokens"})
	if err != nil {
		return err
	}
	long, err := u.count([]string{"cache_creation/ephemeral_1h_input_tokens"})
	if err != nil {
		return err
	}
	parts := short.n + long.n
	if write.path == "" {
		write.n = parts
	}
	if parts > write.n {
		return usageError("cache_creation", "the parts of cache_creation are %d, more than %s (%d), which has to include them", parts, write.path, write.n)
	}
	c.cacheWrite, c.cacheWrite1h = write.n-long.n, long.n
	return nil
}
