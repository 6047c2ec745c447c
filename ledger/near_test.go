package ledger

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar/record"
)

// stateOf is a state with entities of one type.
func stateOf(ids ...string) *State {
	s := NewState()
	s.Types.add("agent")
	for i, id := range ids {
		s.setEntity(uint32(i+1), new(record.Entity{ID: id, Typ: 1}.With(record.Details{})))
	}
	return s
}

func TestNear(t *testing.T) {
	v := NewView(stateOf("support-bot", "Sales-Bot", "sales-bot2", "ab", "bot-1", "bot-3"), 0)
	for id, want := range map[string]string{
		"suport-bot": "support-bot", "supportt-bot": "support-bot", "supp0rt-bot": "support-bot", "spuport-bot": "support-bot", "SUPPORT-BOT": "support-bot",
		"sales-bot": "Sales-Bot", "sales-bo": "Sales-Bot", "sales-bot1": "Sales-Bot", "sale-bot": "Sales-Bot",
		"suprt-bot": "", "AB": "ab", "ac": "", "bot-2": "bot-1", "bot-é": "", "": "", "nobody at all": "",
	} {
		if got := v.near("agent", id); got != want {
			t.Errorf("%q is near %q, want %q", id, got, want)
		}
		if got := v.near("team", id); got != "" {
			t.Errorf("%q is near %q, which is of another type", id, got)
		}
	}
}

func BenchmarkNear(b *testing.B) {
	ids := make([]string, 1_000_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("Customer-Agent-%06d", i)
	}
	s := stateOf(ids...)
	b.ResetTimer()
	for i := range b.N {
		NewView(s, 0).near("agent", fmt.Sprintf("customer-agen-%06dx", i))
	}
}
