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
