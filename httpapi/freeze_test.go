package httpapi

import (
	"strings"
	"testing"
)

// TestTokensFreezeBelowTheirRoot: an access token freezes and thaws what is below its root,
// but ends no freeze of an API key or of a token that sees more; below one that it does
// not see it is told the reason and no more.
func TestTokensFreezeBelowTheirRoot(t *testing.T) {
	w := newTokenWorld(t)
	const base = "/api/v1/customers/acme"
	const reason = `{"reason":"stop it"}`
	as := func(who, method, path, body string, status int, has ...string) {
		t.Helper()
		resp, reply := w.as(who, method, base+path, body)
		for _, text := range has {
			if !strings.Contains(reply, text) {
				t.Errorf("%s as %s: no %s in %s", path, who, text, reply)
			}
		}
		if resp.StatusCode != status {
			t.Errorf("%s as %s: %d, want %d: %s", path, who, resp.StatusCode, status, reply)
		}
		if strings.HasPrefix(who, "scoped") && !unseen.MatchString(path) && unseen.MatchString(reply) {
			t.Errorf("%s as %s shows %s", path, who, reply)
		}
	}
	check := "/entitlements/check?featureId=calls&dimensions[userId]=annuser"
	explain := `{"featureId":"calls","requestedUsage":1,"dimensions":{"userId":"annuser"}}`

	as("scoped", "POST", "/entities/annuser/freeze", reason, 200, `"frozen":{"entityId":"annuser","reason":"stop it"`)
	as("scoped read", "POST", "/explain", explain, 200, `"isGranted":false`, `"accessDeniedReason":"EntityIsFrozen"`, `"frozen":{"entityId":"annuser"`)
	as("scoped", "POST", "/entities/redteam/freeze", reason, 403)
	as("scoped", "POST", "/entities/redteam/thaw", "", 403)
	as("scoped", "POST", "/entities/orgroot/freeze", reason, 404)
	as("scoped", "POST", "/freeze", reason, 403)
	as("manage", "POST", "/freeze", reason, 403)
	as("scoped read", "POST", "/entities/annuser/thaw", "", 403)
	as("manage", "POST", "/entities/annuser/thaw", "", 200, `"frozen":null`)
	as("scoped read", "POST", "/explain", explain, 200, `"isGranted":true`)

	as("manage", "POST", "/entities/annuser/freeze", reason, 200) // sees more than the other
	as("scoped", "POST", "/entities/annuser/thaw", "", 403, "from above")
	as("scoped", "POST", "/entities/annuser/freeze", `{"reason":"mine"}`, 403)
	as("scoped", "POST", "/entities/annuser/freeze", reason, 200) // as it is
	w.admin("POST", base+"/entities/annuser/freeze", `{"reason":"by key"}`)
	as("manage", "POST", "/entities/annuser/thaw", "", 403)
	w.admin("POST", base+"/entities/annuser/thaw", "")

	w.admin("POST", base+"/entities/orgroot/freeze", `{"reason":"audit"}`)
	as("scoped read", "POST", "/explain", explain, 200, `"accessDeniedReason":"EntityIsFrozen"`, `"frozen":{"entityId":null,"reason":"audit"`)
	as("scoped read", "GET", "/governance?featureIds=calls&entityIdSearch=annuser", "", 200, `"frozen":{"entityId":null,"reason":"audit"`, `"by":{"source":"ABOVE"`)
	as("scoped read", "GET", "/freezes", "", 200, `"data":[]`)
	as("read", "GET", "/freezes", "", 200, `"entityId":"orgroot"`)
	w.admin("GET", base+check, "")
	as("scoped read", "GET", "/denials?limit=1", "", 200, `"reason":"EntityIsFrozen"`, `"frozen":{"entityId":null,"reason":"audit"`)
	as("scoped read", "GET", "/activity?limit=100", "", 200, `"action":"entity.frozen"`)
	w.admin("POST", base+"/entities/orgroot/thaw", "")
	w.admin("POST", base+"/freeze", `{"reason":"unpaid"}`)
	as("scoped read", "POST", "/explain", explain, 200, `"accessDeniedReason":"CustomerIsFrozen"`, `"reason":"unpaid"`)
	w.admin("POST", base+"/thaw", "")

	// What is below a freeze from above is not moved away from it, nor are the limits' entities.
	w.admin("PUT", base+"/entities", `{"entities":[{"id":"inner","entityTypeId":"team","parentId":"redteam"},{"id":"moving","entityTypeId":"user","parentId":"inner"}]}`)
	w.admin("POST", base+"/entities/inner/freeze", `{"reason":"by key"}`)
	as("scoped", "PATCH", "/entities/moving", `{"parentId":"redteam"}`, 403, "does not move it away")
	as("manage", "PATCH", "/entities/moving", `{"parentId":null}`, 403, "does not move it away")
	as("manage", "PUT", "/assignments", `{"assignments":[{"entityId":"moving","parentId":"redteam","featureId":"calls","cadence":"P1M","usageLimit":7}]}`, 403)
	as("scoped", "PATCH", "/entities/moving", `{"displayName":"Stays"}`, 200)
	as("scoped", "PATCH", "/entities/inner", `{"parentId":"annuser"}`, 200) // it takes its freeze with it
	w.admin("POST", base+"/entities/inner/thaw", "")
	as("scoped", "PATCH", "/entities/moving", `{"parentId":"redteam"}`, 200)
}
