package httpapi

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// TestNamesHaveCharacters: what openapi calls maxLength is what is taken, in every script:
// 255 characters of a name, 2,000 of a description, 1,000 of metadata.
func TestNamesHaveCharacters(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	for _, letter := range []string{"a", "é", "語", "🙂"} {
		of := func(n int) string { return strings.Repeat(letter, n) }
		name, text, value := of(bursar.MaxNameLen), of(bursar.MaxDescriptionLen), of(bursar.MaxMetadataLen)
		key := "x" + of(bursar.MaxNameLen-1)
		for _, c := range []struct{ method, path, body string }{
			{"PUT", "/customers/acme/entities", `{"entities":[{"id":"ann","entityTypeId":"user","displayName":"NAME","metadata":{"KEY":"VALUE"}}]}`},
			{"PATCH", "/customers/acme", `{"name":"NAME","metadata":{"KEY":"VALUE"}}`},
			{"PUT", "/entity-types", `{"types":[{"id":"user","displayName":"NAME","attributionKeys":["userId"],"description":"TEXT"}]}`},
			{"PATCH", "/features/tokens", `{"displayName":"NAME","description":"TEXT","metadata":{"KEY":"VALUE"}}`},
			{"POST", "/api-keys", `{"name":"NAME","scope":"read"}`},
		} {
			with := func(name, text, value string) string {
				return strings.NewReplacer("NAME", name, "TEXT", text, "KEY", key, "VALUE", value).Replace(c.body)
			}
			s.admin(c.method, "/api/v1"+c.path, with(name, text, value))
			for _, tooLong := range []string{with(name+letter, text, value), with(name, text+letter, value), with(name, text, value+letter)} {
				if tooLong == with(name, text, value) {
					continue
				}
				resp, reply := s.do(c.method, "/api/v1"+c.path, tooLong, "X-API-KEY: "+testAdminKey)
				refused(t, resp, reply, 400, "ValidationFailed")
			}
		}
	}
}
