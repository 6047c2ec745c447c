package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

func oneStep(s bursar.DegradeStep, entities ...string) (out []bursar.DegradePolicyInput) {
	s.AtPercent = 50
	for _, e := range entities {
		out = append(out, bursar.DegradePolicyInput{EntityID: e, Steps: []bursar.DegradeStep{s}})
	}
	return out
}

// TestMostPolicies: the most policies that a customer has count those that a token does not see.
func TestMostPolicies(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	var entities []bursar.EntityInput
	var ids []string
	for i := range bursar.MaxDegradePolicies {
		ids = append(ids, fmt.Sprint("more-", i))
		entities = append(entities, bursar.EntityInput{ID: ids[i], EntityTypeID: "user"})
	}
	_, _, err := r.PutEntities(t.Context(), tester, "acme", entities)
	r.must(err)
	_, _, err = r.PutDegradePolicies(t.Context(), tester, "acme", oneStep(bursar.DegradeStep{NoTools: true}, ids...))
	r.must(err)
	by := tester
	by.Token = &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}
	if _, _, err := r.PutDegradePolicies(t.Context(), by, "acme", oneStep(bursar.DegradeStep{NoTools: true}, "u")); err == nil || !strings.Contains(fmt.Sprint(err), "at most 200") {
		t.Errorf("one more, by a token that sees none of them: %v", err)
	}
}

// TestPolicyAgain: a policy that is put as it is changes nothing.
func TestPolicyAgain(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	in := oneStep(bursar.DegradeStep{Models: map[string]string{"a": "b"}}, "u")
	_, first, err := r.PutDegradePolicies(t.Context(), tester, "acme", in)
	r.must(err)
	if _, again, err := r.PutDegradePolicies(t.Context(), tester, "acme", in); err != nil || again != first {
		t.Errorf("version %d after %d, %v", again, first, err)
	}
}

// TestPolicyBounds: a policy is small, and its models can be sent in headers.
func TestPolicyBounds(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	many := map[string]string{}
	for i := range bursar.MaxDegradeModels {
		many[fmt.Sprint(i, strings.Repeat("m", 200))] = strings.Repeat("m", 200)
	}
	for _, s := range []bursar.DegradeStep{{Models: many}, {Model: strings.Repeat("ü", 128)}, {Model: "a\r\nX: y"}, {Models: map[string]string{"a": "b\n"}}} {
		if _, _, err := r.PutDegradePolicies(t.Context(), tester, "acme", oneStep(s, "u")); codeOf(err) != bursar.CodeValidationFailed {
			t.Errorf("%.100v: %v", s, err)
		}
	}
	if got, _, err := r.DegradePolicies(t.Context(), ledger.ReadOptions{}, "acme"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
