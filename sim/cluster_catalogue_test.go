package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// revokedWithin is the promise of how soon a key works on no node.
const revokedWithin = time.Second

// What one node writes to the catalogue holds on all of them.
func TestClusterCatalogue(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts processes")
	}
	db := pgtest.Database(t)
	c := newCluster(t, db, db, db)
	c.furnishCatalogue()
	c.must("POST", "/customers", `{"id":"acme"}`)
	c.must("PUT", "/customers/acme/entities", `{"entities":[{"id":"a","entityTypeId":"agent"}]}`)
	t.Run("archive races use", func(t *testing.T) { archiveRacesUse(t, c) })
	t.Run("price", func(t *testing.T) { newPriceAtOnce(t, c) })
	t.Run("revoke", func(t *testing.T) { revoked(t, c) })
	t.Run("agree", func(t *testing.T) { allAgree(t, c) })
}

// on sends a request to node n and fails the test if there is no answer.
func (c *cluster) on(t *testing.T, n int, what call) answer {
	t.Helper()
	a, err := c.send(context.Background(), c.node(n), what)
	if err != nil {
		t.Fatalf("%s %s on node %d: %v", what.method, what.path, n, err)
	}
	return a
}

// archiveRacesUse archives things on one node while another one begins to use them: one
// of the two is refused, and who is refused hears why.
func archiveRacesUse(t *testing.T, c *cluster) {
	uses := []struct{ make, with, archive, body, method, use, used string }{
		{"PUT", `{"types":[{"id":%[1]q,"displayName":"T","attributionKeys":[]}]}`, "/entity-types/archive", `{"ids":[%[1]q]}`,
			"PUT", "/customers/acme/entities", `{"entities":[{"id":%[1]q,"entityTypeId":%[1]q}]}`},
		{"POST", `{"id":%q,"displayName":"C"}`, "/credits/custom-currencies/%s/archive", "",
			"POST", "/credits/grants", `{"customerId":"acme","currencyId":%q,"amount":1,"displayName":"G","grantType":"PAID"}`},
		{"POST", `{"id":%q,"displayName":"C"}`, "/credits/custom-currencies/%s/archive", "",
			"PUT", "/customers/acme/assignments", `{"assignments":[{"entityId":"a","currencyId":%q,"usageLimit":1,"cadence":"P1D"}]}`},
		{"POST", `{"id":%q,"displayName":"C"}`, "/credits/custom-currencies/%s/archive", "",
			"POST", "/rate-cards", `{"id":"card-%[1]s","currencyId":%[1]q,"displayName":"R","rates":[{"featureId":"tokens","amount":1}]}`},
	}
	archived, used := 0, 0
	for round := range 80 {
		u := uses[round%len(uses)]
		id := fmt.Sprintf("raced%d", round)
		where := "/credits/custom-currencies"
		if u.make == "PUT" {
			where = "/entity-types"
		}
		c.must(u.make, where, fmt.Sprintf(u.with, id))
		archive := call{method: "POST", path: u.archive, body: []byte(u.body)}
		if u.body == "" {
			archive.path, archive.body = fmt.Sprintf(u.archive, id), nil
		} else {
			archive.body = fmt.Appendf(nil, u.body, id)
		}
		use := call{method: u.method, path: u.use, body: fmt.Appendf(nil, u.used, id)}
		var first, second answer
		var both sync.WaitGroup
		lead := time.Duration(rand.Int64N(int64(6*time.Millisecond))) - 3*time.Millisecond // of one before the other
		both.Go(func() { time.Sleep(lead); first, _ = c.send(context.Background(), c.node(round), archive) })
		both.Go(func() { time.Sleep(-lead); second, _ = c.send(context.Background(), c.node(round+1), use) })
		both.Wait()
		switch {
		case first.status == 200 && second.status == 400:
			archived++
		case (first.status == 409 || first.status == 400) && second.status/100 == 2:
			used++
			if bytes.Contains(second.body, []byte("card-"+id)) { // the next one is of the same feature
				c.must("POST", "/rate-cards/card-"+id+"/archive", "")
			}
		default:
			t.Fatalf("%s was archived with %d %s and used with %d %s", id, first.status, first.body, second.status, second.body)
		}
	}
	t.Logf("%d were archived, %d were used before", archived, used)
}

// newPriceAtOnce publishes prices on one node: who writes on another one afterwards pays
// them.
func newPriceAtOnce(t *testing.T, c *cluster) {
	c.must("POST", "/credits/custom-currencies", `{"id":"price","displayName":"P","prepaid":false}`)
	c.must("POST", "/features", `{"id":"priced","displayName":"P","featureType":"NUMBER"}`)
	c.must("POST", "/rate-cards", `{"id":"prices","currencyId":"price","displayName":"R","rates":[{"featureId":"priced","amount":1}]}`)
	for price := 2; price < 30; price++ {
		publish := call{method: "POST", path: "/rate-cards/prices/versions", body: fmt.Appendf(nil, `{"rates":[{"featureId":"priced","amount":%d}]}`, price)}
		if a := c.on(t, price, publish); a.status != 201 {
			t.Fatalf("publishing: %d %s", a.status, a.body)
		}
		for n := range clusterNodes {
			a := c.on(t, n, call{method: "POST", path: "/customers/acme/consume", body: fmt.Appendf(nil, `{"featureId":"priced","amount":1,"idempotencyKey":"p%d-%d"}`, price, n)})
			got, err := dataOf[client.Consumption](a.body)
			if a.status != 200 || err != nil || len(got.Cost) != 1 || got.Cost[0].Amount != bursar.AmountFromInt(int64(price)) {
				t.Fatalf("at the price of %d node %d says: %d %s", price, n, a.status, a.body)
			}
		}
	}
}

// revoked ends a key and an access token on one node: both were good on all of them, and
// are good on none within revokedWithin, whatever age a caller accepts.
func revoked(t *testing.T, c *cluster) {
	for _, made := range []struct{ path, body, ask string }{
		{"/api-keys", `{"name":"K","scope":"runtime"}`, "/customers/acme/entitlements/check?featureId=tokens&maxStalenessMs=3600000"},
		{"/customers/acme/access-tokens", `{"permissions":["read"],"rootEntityId":"a"}`, "/customers/acme/governance?maxStalenessMs=3600000"},
	} {
		a := c.must("POST", made.path, made.body)
		got, err := dataOf[struct{ ID, Key, Token string }](a.body)
		if err != nil {
			t.Fatal(err)
		}
		ask := call{method: "GET", path: made.ask, credential: got.Key + got.Token}
		for n := range clusterNodes {
			if a := c.on(t, n, ask); a.status != 200 {
				t.Errorf("%s: node %d does not know it: %d %s", made.path, n, a.status, a.body)
			}
		}
		c.must("DELETE", made.path+"/"+got.ID, "")
		began := time.Now()
		for n := range clusterNodes {
			for c.on(t, n, ask).status != 401 {
				if time.Since(began) > revokedWithin+patience {
					t.Fatalf("%s: node %d still takes it", made.path, n)
				}
			}
		}
	}
}

// allAgree compares what the nodes say.
func allAgree(t *testing.T, c *cluster) {
	for _, path := range []string{"/entity-types?includeArchived=true&limit=100", "/features?limit=100", "/credits/custom-currencies?limit=100", "/rate-cards?limit=100",
		"/rate-cards/prices/versions?limit=100", "/customers/acme/entities?limit=100", "/customers/acme/assignments?limit=100", "/customers/acme/governance",
		"/customers/acme/activity?limit=100", "/credits/grants?customerId=acme&limit=100", "/credits/usage?customerId=acme&currencyId=price"} {
		var said [clusterNodes][]byte
		for n := range clusterNodes {
			a := c.on(t, n, call{method: "GET", path: path})
			var data struct{ Data, Pagination json.RawMessage }
			if err := json.Unmarshal(a.body, &data); err != nil || a.status != 200 {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
			said[n] = data.Data
			if !bytes.Equal(said[n], said[0]) {
				t.Errorf("%s: node 0 says %s, node %d %s", path, said[0], n, said[n])
			}
		}
	}
}
