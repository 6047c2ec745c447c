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

// racesOfOne is how many races are about agents of one customer.
const racesOfOne = 50

// Everybody asks different nodes for the last units of a limit at once: exactly as many
// are granted as there are.
func raceOnCluster(t *testing.T, c *cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	l := newLoad(ctx, t, c)
	began := time.Now()
	granted, denied := 0, 0
	for race := range *clusterRaces {
		customer, k := fmt.Sprintf("race%d", race/racesOfOne), 1+race%racesOfOne%8
		if race%racesOfOne == 0 {
			l.furnishRaces(customer)
		}
		got, refused := l.race(customer, fmt.Sprintf("a%d", race%racesOfOne))
		granted, denied = granted+got, denied+refused
		if got != k || refused != clusterClients-k {
			t.Fatalf("race %d: %d of %d were granted and %d denied, %d units were left", race, got, clusterClients, refused, k)
		}
	}
	t.Logf("%d races, %d granted, %d denied, %d requests sent more than once, %v", *clusterRaces, granted, denied, l.unsure.Load(), time.Since(began).Round(time.Millisecond))
}

// furnishRaces makes a customer whose agent number i has i%8+1 units; what is beyond
// them was used before.
func (l *load) furnishRaces(customer string) {
	var entities []client.EntityInput
	var limits []client.AssignmentInput
	for i := range racesOfOne {
		id := fmt.Sprintf("a%d", i)
		entities = append(entities, client.EntityInput{ID: id, EntityTypeID: "agent"})
		limits = append(limits, client.AssignmentInput{EntityID: id, FeatureID: "tokens", UsageLimit: client.Some(bursar.AmountFromInt(int64(10 + i%8 + 1))), Cadence: "P100Y"})
	}
	l.do(0, customer, askCustomer{id: customer})
	l.do(0, customer, askEntities{customer: customer, in: entities})
	l.do(0, customer, askLimits{customer: customer, in: limits})
	for i := range racesOfOne {
		l.do(0, customer, askUsage{[]client.UsageInput{{CustomerID: customer, FeatureID: "tokens", Value: parse("10"), IdempotencyKey: fmt.Sprintf("before%d", i),
			Dimensions: client.Dimensions{"agentId": fmt.Sprintf("a%d", i)}}}})
	}
}

// race lets every client ask for one unit at once, half of them by a reservation.
func (l *load) race(customer, agent string) (granted, denied int) {
	var ready, all sync.WaitGroup
	var got, refused atomic.Int64
	gun := make(chan struct{})
	ready.Add(clusterClients)
	for i := range clusterClients {
		all.Go(func() {
			in := client.SpendInput{FeatureID: "tokens", Amount: parse("1"), Dimensions: client.Dimensions{"agentId": agent}, IdempotencyKey: fmt.Sprint(agent, "-", i)}
			var a asking = askConsume{customer, in}
			if i%2 == 0 {
				a = askReserve{customer, client.ReserveInput{SpendInput: in, TTLSeconds: 3600}}
			}
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
