package httpapi

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAuthMatrix: every route with every kind of key.
func TestAuthMatrix(t *testing.T) {
	s := newTestServer(t)
	keys := map[string]string{"none": "", "garbage": "x'; DROP TABLE keys; --", "unknown": "bsk_0123456789abcdef_" + strings.Repeat("0", 64),
		"long": strings.Repeat("x", 8<<10), "admin": testAdminKey}
	_, keys["full"] = s.newKey("full")
	_, keys["runtime"] = s.newKey("runtime")
	_, keys["read"] = s.newKey("read")
	keys["almost"] = keys["full"][:len(keys["full"])-1] + "x"
	keys["secretless"] = keys["full"][:strings.LastIndexByte(keys["full"], '_')+1]
	var id string
	id, keys["revoked"] = s.newKey("full")
	s.admin("DELETE", "/api/v1/api-keys/"+id, "")
	reply := s.admin("POST", "/api/v1/api-keys", `{"name":"short","scope":"full","expiresAt":"`+(s.clock.time()+1e9).String()+`"}`)
	var made struct {
		Data apiKeyOut `json:"data"`
	}
	mustUnmarshal(t, reply, &made)
	keys["expired"] = made.Data.Key
	s.clock.advance(time.Second)

	admits := map[string]access{"full": accessFull, "admin": accessFull, "runtime": accessRuntime, "read": accessRead}
	for _, r := range s.api.routes() {
		for _, base := range r.bases {
			path := base + strings.NewReplacer("{", "", "}", "").Replace(r.pattern)
			for kind, key := range keys {
				s.api.guard = newGuard()
				var headers []string
				if key != "" {
					headers = append(headers, "Authorization: Bearer "+key)
				}
				resp, reply := s.do(r.method, path, "", headers...)
				switch known := admits[kind]; {
				case r.access == open:
					if resp.StatusCode == 403 || resp.StatusCode == 401 && r.pattern != "/metrics" {
						t.Errorf("%s %s with %s: %d", r.method, path, kind, resp.StatusCode)
					}
				case known == 0:
					refused(t, resp, reply, 401, "Unauthenticated")
				case r.access&known == 0:
					refused(t, resp, reply, 403, "Forbidden")
				case resp.StatusCode == 401 || resp.StatusCode == 403:
					t.Errorf("%s %s with %s: %d %s", r.method, path, kind, resp.StatusCode, reply)
				}
				if key != "" && bytes.Contains(reply, []byte(key)) {
					t.Errorf("%s %s echoes the key %s", r.method, path, kind)
				}
			}
		}
	}
	for kind, key := range keys {
		if key != "" && bytes.Contains(s.logs.Bytes(), []byte(key)) {
			t.Errorf("the key %s is in the log", kind)
		}
	}
}

// TestScopes holds the table to api.md: which routes each scope may call. Tokens have
// TestTokenRoutes and TestSpendRoutes.
func TestScopes(t *testing.T) {
	for _, r := range (&API{}).routes() {
		section5 := strings.Contains(r.pattern, "/entitlements/check") || strings.Contains(r.pattern, "/reservations") ||
			strings.HasSuffix(r.pattern, "/consume") || r.pattern == "/usage" || r.pattern == "/events" ||
			strings.HasSuffix(r.pattern, "/estimate") || strings.HasPrefix(r.pattern, "/credits/consumption") ||
			strings.HasPrefix(r.pattern, boostRequests) && !strings.HasSuffix(r.pattern, "/approve") && !strings.HasSuffix(r.pattern, "/decline")
		reading := r.method == "GET" || strings.HasSuffix(r.pattern, "/checks") || strings.HasSuffix(r.pattern, "/estimate") || strings.HasSuffix(r.pattern, "/simulate") || strings.HasSuffix(r.pattern, "/explain")
		want := accessFull
		switch {
		case strings.HasPrefix(r.pattern, "/api-keys"), strings.HasPrefix(r.pattern, "/webhooks"):
		case r.bases[0] == "":
			want = open
		case r.pattern == "/spend-token":
			want = 0 // no key has a budget of its own
		default:
			if section5 {
				want |= accessRuntime
			}
			if reading {
				want |= accessRead
			}
		}
		if r.access&^(tokens|tokenSpend) != want {
			t.Errorf("%s %s admits %s", r.method, r.pattern, r.access.names())
		}
	}
}

func TestGuardedKeys(t *testing.T) {
	s := newTestServer(t)
	_, key := s.newKey("full")
	for i := range guardFailures {
		resp, reply := s.do("GET", "/api/v1/features", "", "X-API-KEY: wrong"+strconv.Itoa(i))
		refused(t, resp, reply, 401, "Unauthenticated")
	}
	resp, reply := s.do("GET", "/api/v1/features", "", "X-API-KEY: wrong")
	refused(t, resp, reply, 429, "RateLimited")
	if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 30 || resp.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("Retry-After %q, X-Should-Retry %q", resp.Header.Get("Retry-After"), resp.Header.Get("X-Should-Retry"))
	}
	if resp, reply := s.do("GET", "/api/v1/features", "", "X-API-KEY: "+key); resp.StatusCode != 200 {
		t.Errorf("the same address with a valid key: %d %s", resp.StatusCode, reply)
	}
}

// TestUseOfKeys: when a key was last used is told to the minute, and revoking the last
// key of full scope is refused.
func TestUseOfKeys(t *testing.T) {
	s := newTestServer(t)
	id, key := s.newKey("full")
	s.do("GET", "/api/v1/features", "", "X-API-KEY: "+key)
	if reply := s.admin("GET", "/api/v1/api-keys", ""); !bytes.Contains(reply, []byte(`"lastUsedAt":"2026-09-14T10:22:00.000Z"`)) || bytes.Contains(reply, []byte(key)) {
		t.Errorf("%s", reply)
	}
	resp, reply := s.do("DELETE", "/api/v1/api-keys/"+id, "", "X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 409, "LastFullKey")
	s.newKey("full")
	if reply := s.admin("DELETE", "/api/v1/api-keys/"+id, ""); !bytes.Contains(reply, []byte(`"revokedAt":"2026`)) {
		t.Errorf("%s", reply)
	}
	resp, reply = s.do("GET", "/api/v1/features", "", "X-API-KEY: "+key)
	refused(t, resp, reply, 401, "Unauthenticated")
}
