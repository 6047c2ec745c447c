package ledger

import (
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// TestRequestsAreForgotten: of those that are not open the latest are kept, and one that is open
// is never forgotten, however old it is among them.
func TestRequestsAreForgotten(t *testing.T) {
	f := newFirm(t, 1)
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly}}})
	one := bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}
	by := catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}
	const made = bursar.MaxOpenBoostRequests + bursar.KeptBoostRequests + 2
	ids := make([]string, 0, made)
	for i := range made {
		f.do(&AskBoost{Caller: by, In: one})
		ids = append(ids, store.FormatID(f.state.requests[f.state.lastRequest].ID))
		if i > 0 && i < made-1 {
			f.do(&AnswerBoost{Caller: by, ID: ids[i], Answer: record.Declined})
		}
	}
	v := NewView(f.state, f.state.Head.Now)
	if got, want := len(f.state.requests), bursar.KeptBoostRequests+3; got != want { // one was decided since
		t.Errorf("%d are kept, not %d", got, want)
	}
	for i, want := range map[int]bool{0: true, 1: false, made - 3 - bursar.KeptBoostRequests: false, made - 2 - bursar.KeptBoostRequests: true, made - 1: true} {
		if _, err := v.BoostRequest(ids[i], &by); (err == nil) != want {
			t.Errorf("number %d: %v", i, err)
		}
	}
	page := v.BoostRequests(&BoostRequestQuery{Status: bursar.BoostRequestOpen, ListPage: ListPage{Limit: 10}})
	if len(page.Items) != 2 || page.Items[0].ID != ids[made-1] || page.Items[1].ID != ids[0] {
		t.Errorf("open are %+v", page.Items)
	}
}
