package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/store/mem"
)

// An agent may use 1,000 tokens a day: it holds what a call may take, commits what the
// call took, and is stopped when the day's budget is gone.
func Example() {
	ctx := context.Background()
	e, err := engine.Open(ctx, mem.New(), engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close(ctx)
	server := httptest.NewServer(httpapi.New(e, httpapi.Options{AdminKey: "an-admin-key-of-the-example"}))
	defer server.Close()

	c := client.New(server.URL, "an-admin-key-of-the-example")
	_, err = c.PutEntityTypes(ctx,
		client.EntityTypeInput{ID: "team", DisplayName: "Team", AttributionKeys: []string{"teamId"}},
		client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}})
	must(err)
	_, err = c.CreateFeature(ctx, client.FeatureInput{ID: "llm-tokens", DisplayName: "LLM tokens"})
	must(err)
	_, err = c.CreateCustomer(ctx, client.CustomerInput{ID: "acme", Name: "Acme"})
	must(err)
	_, err = c.PutEntities(ctx, "acme",
		client.EntityInput{ID: "search", EntityTypeID: "team"},
		client.EntityInput{ID: "crawler", EntityTypeID: "agent", ParentID: client.Some("search")})
	must(err)
	_, err = c.PutAssignments(ctx, "acme", client.AssignmentInput{
		EntityID: "crawler", FeatureID: "llm-tokens", UsageLimit: client.Some(bursar.AmountFromInt(1000)), Cadence: "P1D",
	})
	must(err)

	for range 2 {
		hold, err := c.Reserve(ctx, "acme", client.ReserveInput{SpendInput: client.SpendInput{
			FeatureID: "llm-tokens", Amount: bursar.AmountFromInt(900), Dimensions: client.Dimensions{"agentId": "crawler"},
		}})
		if denial, ok := client.Denied(err); ok {
			fmt.Println("stopped by", denial.Binding.EntityID, "with", denial.Binding.Remaining, "left")
			continue
		}
		must(err)
		used, err := c.Commit(ctx, "acme", hold.ID, bursar.AmountFromInt(640))
		must(err)
		fmt.Println("used", used.CommittedAmount)
	}
	// Output:
	// used 640
	// stopped by crawler with 360 left
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
