package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/transfer"
)

// fromTheFuture is an export of a store whose customer "acme" used 10 of "tokens", and then 5
// with the key "future" while the clock was a year ahead.
func fromTheFuture(t *testing.T) []byte {
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ahead atomic.Int64
	s := mem.New()
	e, err := engine.Open(ctx, s, engine.Options{Clock: func() bursar.Time { return bursar.TimeOf(time.Now()) + bursar.Time(ahead.Load()) }})
	must(err)
	c := catalogue.Caller{ActorType: "SYSTEM", ActorID: "test"}
	_, err = e.PutEntityTypes(ctx, c, []catalogue.EntityTypeInput{{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agent"}}})
	must(err)
	_, err = e.CreateFeature(ctx, c, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	must(err)
	_, _, err = e.CreateCustomer(ctx, c, "acme", bursar.CustomerInput{})
	must(err)
	_, _, err = e.PutEntities(ctx, c, "acme", []bursar.EntityInput{{ID: "a1", EntityTypeID: "agent"}})
	must(err)
	_, _, err = e.PutAssignments(ctx, c, "acme", []bursar.AssignmentInput{{EntityID: "a1", Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"},
		UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth})}})
	must(err)
	use := func(value int64, key string) {
		_, err := e.ReportUsage(ctx, c, []ledger.UsageItem{{In: bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(value),
			IdempotencyKey: key, Dimensions: []bursar.Dimension{{Key: "agent", Value: "a1"}}}}})
		must(err)
	}
	use(10, "present")
	ahead.Store(int64(365 * 24 * time.Hour))
	use(5, "future")
	_, err = e.CreateFeature(ctx, c, bursar.Feature{ID: "late", DisplayName: "Late"})
	must(err)
	must(e.Close(ctx))
	var out bytes.Buffer
	_, err = transfer.Export(ctx, s, &out, transfer.ExportOptions{Created: bursar.TimeOf(time.Now())})
	must(err)
	return out.Bytes()
}

// TestRepair: a customer with a commit a year ahead cannot be used; "bursar repair" says so,
// and with --write it can, with all that it used and every key.
func TestRepair(t *testing.T) {
	file := filepath.Join(t.TempDir(), "future.jsonl")
	if err := os.WriteFile(file, fromTheFuture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"embedded", "PostgreSQL"} {
		t.Run(kind, func(t *testing.T) {
			dir, env := filepath.Join(t.TempDir(), "store"), []string(nil)
			which := []string{"--data", dir}
			if kind == "PostgreSQL" {
				url := pgtest.Database(t)
				which, env, dir = []string{"--database-url", url}, []string{"BURSAR_DATABASE_URL=" + url}, ""
			}
			run := func(code int, command string, more ...string) string {
				t.Helper()
				out, says, _ := bursarRun(t, code, nil, append(append([]string{command}, which...), more...)...)
				return out + says
			}
			run(0, "import", "--in", file)
			usage := func(value int, key string, at time.Time) string {
				return fmt.Sprintf(`{"usages":[{"customerId":"acme","featureId":"tokens","value":%d,"idempotencyKey":%q,"createdAt":%q,"dimensions":{"agent":"a1"}}]}`,
					value, key, at.Format(time.RFC3339Nano))
			}
			p := start(t, rigEnv(dir, env...))
			if code, body, _ := p.do("POST", "/api/v1/usage", rigKey, usage(1, "true", time.Now())); code != http.StatusBadRequest || !strings.Contains(body, "TimestampOutOfRange") {
				t.Errorf("usage with a true timestamp: %d %s", code, body)
			}
			says(t, run(exitStore, "repair", "--write"), `in use by another|nodes use the store`)
			if code := p.stop(); code != 0 {
				t.Fatal(p.log())
			}

			says(t, run(exitFailed, "repair"), `Customer "acme": commits \d+ to \d+ are of the future, up to \S+; they would be of`)
			run(exitFailed, "repair", "--at", "2999-01-01T00:00:00Z")
			run(exitUsage, "repair", "--at", "yesterday")
			says(t, run(0, "repair", "--write"), `The catalogue: .*; they are of`)
			run(0, "repair")
			says(t, run(0, "verify"), ` 0 differences`)

			p = start(t, rigEnv(dir, env...))
			p.must("POST", "/api/v1/usage", rigKey, usage(1, "true", time.Now()))
			for key, value := range map[string]int{"present": 10, "future": 5} {
				again := p.must("POST", "/api/v1/usage", rigKey, usage(value, key, time.Now()))
				if !strings.Contains(again, `"duplicate":true`) {
					t.Errorf("%q again: %s", key, again)
				}
			}
			reply := p.must("POST", "/api/v1/customers/acme/reservations", rigKey, `{"featureId":"tokens","amount":84,"dimensions":{"agent":"a1"},"ttlSeconds":60,"idempotencyKey":"h"}`)
			id := strings.SplitN(strings.SplitN(reply, `"id":"`, 2)[1], `"`, 2)[0]
			p.must("POST", "/api/v1/customers/acme/reservations/"+id+"/release", rigKey, "")
			tree := p.must("GET", "/api/v1/customers/acme/governance?featureIds=tokens", rigKey, "")
			if !strings.Contains(tree, `"currentUsage":16`) {
				t.Errorf("the tree says %s", tree)
			}
			if code := p.stop(); code != 0 {
				t.Fatal(p.log())
			}
			says(t, run(0, "verify"), ` 0 differences`)
		})
	}
}
