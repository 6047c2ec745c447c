package httpapi

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// TestDecidePageForm: who may decide an open request has a form, and nobody else.
func TestDecidePageForm(t *testing.T) {
	for _, c := range []struct {
		status    bursar.BoostRequestStatus
		mayDecide bool
		form      bool
		says      string
	}{
		{bursar.BoostRequestOpen, true, true, "You decide as a@x.example"},
		{bursar.BoostRequestOpen, false, false, "may not decide"},
		{bursar.BoostRequestDeclined, true, false, "Declined"},
	} {
		var b strings.Builder
		var page decidePage
		page.show(&ledger.LinkedRequest{Recipient: "a@x.example", Request: bursar.BoostRequest{Status: c.status}, MayDecide: c.mayDecide})
		if err := decideTemplate.Execute(&b, &page); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); strings.Contains(got, "<form") != c.form || !strings.Contains(got, c.says) {
			t.Errorf("%s, may decide %v: %s", c.status, c.mayDecide, got)
		}
	}
}
