package gateway

import (
	"net/http"
	"path"
	"regexp"
	"strings"
)

// plainPath has the bytes that a path may have. Servers read others, such as the end of a line or
// what is encoded, each in its own way, so that a path could be another one to the provider.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._~:-]*$`)

// plain tells whether a path is the same to everybody.
func plain(p string) bool {
	trimmed := strings.TrimSuffix(p, "/")
	return plainPath.MatchString(p) && (trimmed == "" || path.Clean(trimmed) == trimmed)
}

// route finds the upstream of a request, and the path below its base. A path that begins
// with an upstream's name goes there; others go to the first one whose kind suits.
func (g *Gateway) route(r *http.Request) (to *upstream, below string, ok bool) {
	p := r.URL.Path
	if r.URL.RawPath != "" || !plain(p) || r.Method != strings.ToUpper(r.Method) {
		return nil, "", false
	}
	if first, rest, found := strings.Cut(strings.TrimPrefix(p, "/"), "/"); found {
		for _, u := range g.upstreams {
			if u.Name == first {
				return u, "/" + rest, true
			}
		}
	}
	kind := kindOpenAI
	if strings.HasPrefix(strings.ToLower(p), "/v1/messages") || r.Header.Get("Anthropic-Version") != "" {
		kind = kindAnthropic
	}
	for _, u := range g.upstreams {
		if u.Kind == kind {
			return u, p, true
		}
	}
	return g.upstreams[0], p, true
}

// endpoints are the ends of paths that are governed.
var endpoints = map[string]bool{
	"chat/completions": true, "completions": true, "responses": true, "responses/compact": true, "embeddings": true,
	"images/generations": true, "images/edits": true, "images/variations": true,
	"audio/speech": true, "audio/transcriptions": true, "audio/translations": true,
	"messages": true,
}

// governed is the endpoint that is governed at a path; "" is none. What stands before it, a
// version or the name of a deployment, does not matter, nor does the method, where it is one
// that sends something.
func governed(method, below string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return ""
	}
	parts := segments(below)
	for n := min(2, len(parts)); n > 0; n-- {
		name := strings.Join(parts[len(parts)-n:], "/")
		if !endpoints[name] {
			continue
		}
		if name == "messages" && len(parts) > 2 && parts[len(parts)-3] == "threads" {
			return "" // that are written to a conversation
		}
		return name
	}
	return ""
}

func segments(below string) []string {
	return strings.Split(strings.Trim(strings.ToLower(below), "/"), "/")
}

// realtime tells whether a path is of sessions that are held with the provider directly, by a
// key that it gives out.
func realtime(below string) bool {
	for _, s := range segments(below) {
		if s == "realtime" {
			return true
		}
	}
	return false
}

// free tells whether a call costs nothing and shows nothing of others: the list of models, and
// counting of tokens.
func free(method, below string) bool {
	parts := segments(below)
	if parts[0] == "v1" {
		parts = parts[1:]
	}
	switch {
	case len(parts) == 0:
		return false
	case method == http.MethodGet || method == http.MethodHead:
		return parts[0] == "models"
	}
	return method == http.MethodPost && len(parts) == 2 && parts[0] == "messages" && parts[1] == "count_tokens"
}

// allowed tells whether the configuration lets a path pass that is not governed.
func (c *Config) allowed(below string) bool {
	for _, p := range c.AllowPaths {
		if rest, found := strings.CutPrefix(below, strings.TrimSuffix(p, "/")); found && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return c.Unknown == policyAllow
}
