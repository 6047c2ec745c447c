package engine_test

import (
	"sync"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// The node that sends knows the endpoint of everything that is due, however short ago
// another node made it: what has no endpoint is given up.
func TestWhoSendsKnowsTheEndpoints(t *testing.T) {
	s := shared()
	a, b := newRig(t, s, quiet), newRig(t, s, quiet)
	defer a.close()
	defer b.close()
	due := func() []store.DueDelivery {
		rows, err := b.DueDeliveries(t.Context(), func(string) int { return 100 })
		b.must(err)
		return rows
	}
	eventually(t, "b is the one that sends", func() bool {
		h, err := a.CreateWebhook(t.Context(), tester, catalogue.WebhookInput{URL: "https://example.com"})
		a.must(err)
		_, err = a.TestWebhook(t.Context(), tester, h.ID)
		a.must(err)
		return len(due()) > 0
	})
	for range 20 {
		h, err := a.CreateWebhook(t.Context(), tester, catalogue.WebhookInput{URL: "https://example.com"})
		a.must(err)
		_, err = a.TestWebhook(t.Context(), tester, h.ID)
		a.must(err)
		for _, d := range due() {
			if b.Catalogue().Webhook(d.EndpointID) == nil {
				t.Fatal("a delivery is due whose endpoint is not known")
			}
		}
	}
}

// Nodes that start at once on an empty store make one key.
func TestOneFirstKeyOfAllNodes(t *testing.T) {
	s := shared()
	var rigs []*rig
	for range 4 {
		n := newRig(t, s, quiet)
		defer n.close()
		rigs = append(rigs, n)
	}
	texts := make([]string, len(rigs))
	var all sync.WaitGroup
	for i, n := range rigs {
		all.Go(func() {
			var err error
			if texts[i], err = n.FirstAPIKey(t.Context(), tester, "first"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	made := 0
	for _, text := range texts {
		if text != "" {
			made++
		}
	}
	rigs[0].must(rigs[0].Newest(t.Context()))
	if keys := rigs[0].Catalogue().APIKeys(); made != 1 || len(keys) != 1 || keys[0].Scope != bursar.ScopeFull {
		t.Errorf("%d keys were made, there are %v", made, keys)
	}
}
