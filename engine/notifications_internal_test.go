package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// TestDenialsToTellOfOneCustomer: a customer of which many limits deny within a second takes no other's place.
func TestDenialsToTellOfOneCustomer(t *testing.T) {
	k, err := newDenialKeeper(false)
	if err != nil {
		t.Fatal(err)
	}
	note := func(customer, assignment string) {
		d := &Denial{CustomerID: customer}
		d.Decision.Binding = &bursar.Binding{Source: bursar.BindingEntity, Node: bursar.Node{AssignmentID: assignment}}
		k.noteToTell(d)
	}
	for i := range 20_000 {
		note("loud", fmt.Sprint(i))
	}
	note("quiet", "a")
	if n := len(k.toTell["loud"]); n != denialsToTell || len(k.toTell["quiet"]) != 1 {
		t.Errorf("%d of the loud one, %d of the other", n, len(k.toTell["quiet"]))
	}
	for i := range 2 * denialsToTellInAll {
		note(fmt.Sprint("c", i), "a")
	}
	if n := len(k.toTell); n > denialsToTellInAll || n < denialsToTellInAll-denialsToTell {
		t.Errorf("denials of %d customers are to be told of", n)
	}
}

// TestCommitsTellBoundedly: requests each of which tells many people are in several commits, however many wait.
func TestCommitsTellBoundedly(t *testing.T) {
	const requests, recipients = 60, 100
	ctx, by := t.Context(), catalogue.Caller{ActorType: "API_KEY", ActorID: "k"}
	e, err := Open(ctx, mem.New(), Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	defer func() { must(e.Close(context.Background())) }()
	_, err = e.PutEntityTypes(ctx, by, []catalogue.EntityTypeInput{{ID: "user", DisplayName: "User", AttributionKeys: []string{"user"}}})
	must(err)
	tokens := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	_, err = e.CreateFeature(ctx, by, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	must(err)
	_, _, err = e.CreateCustomer(ctx, by, "acme", bursar.CustomerInput{})
	must(err)
	var people []bursar.NotificationInput
	for i := range recipients / bursar.MaxRecipients {
		n := bursar.NotificationInput{Name: fmt.Sprint(i), BoostRequests: true}
		for j := range bursar.MaxRecipients {
			n.Emails = append(n.Emails, fmt.Sprintf("a%d.%d@x.example", i, j))
		}
		people = append(people, n)
	}
	_, _, err = e.PutNotifications(ctx, by, "acme", people)
	must(err)
	c, err := e.acquire(ctx, "acme")
	must(err)
	defer e.release(c)
	var batch []*request
	for i := range requests {
		id := fmt.Sprint("u", i)
		_, _, err = e.PutEntities(ctx, by, "acme", []bursar.EntityInput{{ID: id, EntityTypeID: "user"}})
		must(err)
		_, _, err = e.PutAssignments(ctx, by, "acme", []bursar.AssignmentInput{{EntityID: id, Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(10)),
			Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
		must(err)
		ask := &ledger.AskBoost{Caller: by, In: bursar.BoostRequestInput{EntityID: id, Capability: tokens, Amount: bursar.AmountFromInt(1)}}
		batch = append(batch, &request{c: c, op: ask, by: &by, items: 1, done: make(chan struct{})})
	}
	e.lane.add(batch...)
	told := map[uint64]int{} // by the version of the commit
	for _, r := range batch {
		<-r.done
		must(r.err)
		told[r.version] += recipients
	}
	for version, n := range told {
		if n > bursar.MaxToldAtOnce {
			t.Errorf("the commit %d tells %d people, more than %d", version, n, bursar.MaxToldAtOnce)
		}
	}
	if n := len(told); n != requests*recipients/bursar.MaxToldAtOnce {
		t.Errorf("there are %d commits", n)
	}
}
