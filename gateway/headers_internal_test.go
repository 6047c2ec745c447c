package gateway

import (
	"net/http"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// TestAdviceWithoutTightest: advice and changes are told where nothing was asked of any limit, and the
// changes also while the server cannot be asked.
func TestAdviceWithoutTightest(t *testing.T) {
	said := &client.Advice{Level: bursar.AdviceStop, UsedPercent: 85}
	for _, c := range []struct {
		own  Advice
		hold *hold
		want [3]string
	}{
		{Advice{WindDown: 80, Stop: 95, serverSays: true}, &hold{advice: said, degraded: "tools=off"}, [3]string{"stop", "tools=off", ""}},
		{Advice{WindDown: 80, Stop: 95}, &hold{advice: said}, [3]string{"wind_down", "", ""}},
		{Advice{WindDown: 80, Stop: 95}, &hold{unheld: true, degraded: "tools=off"}, [3]string{"", "tools=off", ""}},
	} {
		c.hold.g = &Gateway{config: &Config{Advice: c.own}}
		h := http.Header{}
		c.hold.show(h)
		if got := [3]string{h.Get(headerAdvice), h.Get(headerDegraded), h.Get(headerLimit)}; got != c.want {
			t.Errorf("%+v: %q", c.own, got)
		}
	}
}

// TestCredential: of two keys the one that is Bursar's counts, as SDKs send what they find in their
// environment, too; two of Bursar's are refused.
func TestCredential(t *testing.T) {
	for _, c := range []struct {
		apiKey, authorization, want string
	}{
		{"", "", ""},
		{"any", "", "any"},
		{"", "Bearer any", "any"},
		{"bsk_1", "Bearer bsk_1", "bsk_1"},
		{"bsk_1", "Bearer sk-ant-x", "bsk_1"},
		{"sk-ant-x", "Bearer bst_1", "bst_1"},
		{"bsk_1", "Basic eDp5", "bsk_1"},
		{"any", "Basic eDp5", "any"},
		{"any", "Bearer", "any"},
		{"bsk_1", "bsk_1", "bsk_1"},
		{"bsk_1", "Bearer bsk_2", ""},
		{"bsk_1", "Bearer bst_1", ""},
		{"sk-ant-x", "Bearer sk-y", ""},
	} {
		h := http.Header{}
		if c.apiKey != "" {
			h.Set("X-Api-Key", c.apiKey)
		}
		if c.authorization != "" {
			h.Set("Authorization", c.authorization)
		}
		if key, p := credential(h); key != c.want || (p == nil) != (c.want != "") {
			t.Errorf("%q %q: %q %v", c.apiKey, c.authorization, key, p)
		}
	}
}
