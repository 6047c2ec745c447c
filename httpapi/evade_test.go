package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

// A holder of a manage token, who may write any limit below its root, does not get past the
// limit on the root: with as many limits below as it can have, what is granted and what is
// recorded are one, and nobody else's usage is lost.
func TestLimitsBelowDoNotEvadeTheLimitAbove(t *testing.T) {
	w := newTokenWorld(t)
	const base = "/api/v1/customers/acme"
	refused := 0
	for i := range 6 {
		var many []string
		for j := range 100 {
			many = append(many, fmt.Sprintf(`{"entityId":"annuser","featureId":"calls","usageLimit":null,"cadence":"P1M","label":"l%d"}`, 100*i+j))
		}
		if resp, reply := w.as("scoped", "PUT", base+"/assignments", `{"assignments":[`+strings.Join(many, ",")+`]}`); resp.StatusCode == 409 {
			p := problemIn{}
			mustUnmarshal(t, []byte(reply), &p)
			if refused++; p.Code != "TooManyLimits" || !strings.Contains(p.Message, "16") {
				t.Fatalf("%s", reply)
			}
		}
	}
	granted := 0
	for i := range 40 {
		_, reply := w.do("GET", base+"/entitlements/check?featureId=calls&requestedUsage=5&dimensions[userId]=annuser", "", "X-API-KEY: "+testAdminKey)
		if !strings.Contains(string(reply), `"FEATURE","isGranted":true`) {
			break
		}
		granted++
		w.admin("POST", "/api/v1/usage", fmt.Sprintf(`{"usages":[{"customerId":"acme","featureId":"calls","value":5,"dimensions":{"userId":"annuser"},"idempotencyKey":"use-%d"},
			{"customerId":"acme","featureId":"calls","value":1,"dimensions":{"userId":"bobuser"}}]}`, i))
	}
	// annuser's own limit of 50, with a boost of 1, has 3 used and 2 held.
	if refused != 6 || granted != 9 {
		t.Errorf("%d of 6 floods were refused; %d checks of 5 were granted", refused, granted)
	}
	if reply := w.admin("GET", base+"/entitlements/check?featureId=calls&dimensions[userId]=annuser", ""); !strings.Contains(string(reply), `"currentUsage":48,`) {
		t.Errorf("%d granted checks of 5 and then: %s", granted, reply)
	}
}
