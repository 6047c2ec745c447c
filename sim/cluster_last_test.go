package sim

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

var clusterRaces = flag.Int("races", 500, "races for the last units on a cluster")

// racesOfOne is how many races are about agents of one customer. Of ten, four are by their own
// limits, two by the default of all agents, two by an event that the agent's own limit counts
// and two by the default of agents that nobody made: the race makes them.
const racesOfOne = 50

// Everybody asks different nodes for the last units of a limit at once: exactly as many
// are granted as there are.
func raceOnCluster(t *testing.T, c *cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	l := newLoad(ctx, t, c)
	c.must("POST", "/features", `{"id":"raced-calls","displayName":"Raced calls","featureType":"NUMBER","meter":{"eventName":"raced","aggregation":{"function":"COUNT"},"filters":[]}}`)
	c.must("POST", "/features", `{"id":"raced-output","displayName":"Raced output","featureType":"NUMBER","meter":{"eventName":"raced","aggregation":{"function":"SUM","field":"tokens.output"},"filters":[]}}`)
	began := time.Now()
	granted, denied := 0, 0
	for race := range *clusterRaces {
		customer, i := fmt.Sprintf("race%d", race/racesOfOne), race%racesOfOne
		if i == 0 {
			l.furnishRaces(customer)
		}
		k := unitsOf(i)
		got, refused := l.race(customer, i)
		granted, denied = granted+got, denied+refused
		if got != k || refused != clusterClients-k {
			t.Fatalf("race %d %s: %d of %d were granted and %d denied, %d units were left", race, raceKind(i), got, clusterClients, refused, k)
		}
	}
	t.Logf("%d races, %d granted, %d denied, %d requests sent more than once, %v", *clusterRaces, granted, denied, l.unsure.Load(), time.Since(began).Round(time.Millisecond))
}

// raceKind says what limits agent number i of a customer of races.
func raceKind(i int) string {
	return []string{"own", "own", "own", "own", "default", "default", "event", "event", "newcomer", "newcomer"}[i%10]
}

const unitsOfNewcomers = 3

// unitsOf is how many units agent number i has left.
func unitsOf(i int) int {
	if raceKind(i) == "newcomer" {
		return unitsOfNewcomers
	}
	return 1 + i%8
}

// outputOfOne is what one unit of an event has of output.
const outputOfOne = 7

// furnishRaces makes a customer whose agents have the units that unitsOf says; what is beyond
// them was used before.
func (l *load) furnishRaces(customer string) {
	entities := []client.EntityInput{{ID: "old", EntityTypeID: "user"}, {ID: "new", EntityTypeID: "user"}}
	var limits []client.AssignmentInput
	var before []client.UsageInput
	for i := range racesOfOne {
		id, n := fmt.Sprintf("a%d", i), int64(unitsOf(i))
		limit := client.AssignmentInput{EntityID: id, FeatureID: "tokens", UsageLimit: client.Some(bursar.AmountFromInt(10 + n)), Cadence: "P100Y"}
		used := int64(10)
		switch raceKind(i) {
		case "own":
			limits = append(limits, limit)
		case "default":
			used = 18 - n
		case "event": // nothing of it is used; it is out of calls and out of output at once
			limit.FeatureID, limit.UsageLimit = "raced-calls", client.Some(bursar.AmountFromInt(n))
			limits = append(limits, limit)
			limit.FeatureID, limit.UsageLimit = "raced-output", client.Some(bursar.AmountFromInt(n*outputOfOne+outputOfOne-1))
			limits = append(limits, limit)
			used = 0
		case "newcomer":
			continue
		}
		entities = append(entities, client.EntityInput{ID: id, EntityTypeID: "agent", ParentID: client.Some("old")})
		if used > 0 {
			before = append(before, client.UsageInput{CustomerID: customer, FeatureID: "tokens", Value: bursar.AmountFromInt(used), IdempotencyKey: "before-" + id,
				Dimensions: client.Dimensions{"agentId": id}})
		}
	}
	l.do(0, customer, askCustomer{id: customer})
	l.do(0, customer, askEntities{customer: customer, in: entities})
	l.do(0, customer, askLimits{customer: customer, in: limits})
	l.must("PUT", "/customers/"+customer+"/default-limits", fmt.Sprintf(`{"defaults":[
		{"entityId":"old","entityTypeId":"agent","featureId":"tokens","usageLimit":18,"cadence":"P100Y"},
		{"entityId":"new","entityTypeId":"agent","featureId":"tokens","usageLimit":%d,"cadence":"P100Y"}]}`, unitsOfNewcomers))
	l.do(0, customer, askUsage{before})
}

// askEvent holds an event, or consumes it.
type askEvent struct {
	asking // of a reservation or a consumption, but for what is sent
	sent   any
}

func (a askEvent) request() (string, string, any) {
	method, path, _ := a.asking.request()
	return method, path, a.sent
}

// wants is what client number i asks for in a race: half hold, half consume.
func wants(customer string, race, i int) asking {
	agent := fmt.Sprintf("a%d", race)
	in := client.SpendInput{FeatureID: "tokens", Amount: parse("1"), Dimensions: client.Dimensions{"agentId": agent}, IdempotencyKey: fmt.Sprint(agent, "-", i)}
	if raceKind(race) == "newcomer" {
		in.Dimensions["userId"] = "new"
	}
	var a asking = askConsume{customer, in}
	if i%2 == 0 {
		a = askReserve{customer, client.ReserveInput{SpendInput: in, TTLSeconds: 3600}}
	}
	if raceKind(race) != "event" {
		return a
	}
	event := client.EventSpend{EventName: "raced", Dimensions: map[string]any{"agentId": agent}, IdempotencyKey: in.IdempotencyKey}
	if i%2 == 0 {
		return askEvent{a, client.EventReserve{EventSpend: event, InputTokens: 1, MaxTokens: outputOfOne, TTLSeconds: 3600}}
	}
	event.Tokens = &client.Tokens{Output: outputOfOne}
	return askEvent{a, event}
}

// race lets every client ask for one unit at once.
func (l *load) race(customer string, race int) (granted, denied int) {
	var ready, all sync.WaitGroup
	var got, refused atomic.Int64
	gun := make(chan struct{})
	ready.Add(clusterClients)
	for i := range clusterClients {
		all.Go(func() {
			a := wants(customer, race, i)
			ready.Done()
			<-gun
			switch x := l.do(i%clusterNodes, customer, a); x.status {
			case 200, 201:
				got.Add(1)
			case 402:
				refused.Add(1)
			default:
				l.t.Errorf("neither granted nor denied: %v", x)
			}
		})
	}
	ready.Wait()
	close(gun)
	all.Wait()
	return int(got.Load()), int(refused.Load())
}
