package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/client"
)

var clusterTypes = []catalogue.EntityTypeInput{
	{ID: "org", DisplayName: "Org"}, {ID: "team", DisplayName: "Team"},
	{ID: "user", DisplayName: "User", AttributionKeys: []string{"userId"}},
	{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}, Enrolment: bursar.Some(bursar.Enrolment{ParentKeys: []string{"userId"}})},
	{ID: "project", DisplayName: "Project", AttributionKeys: []string{"projectId"}},
}

var clusterFeatures = []string{"tokens", "seats"} // seats fluctuate

// hotShare of all requests are about the one hot customer.
const (
	hotCustomer   = "hot"
	coldCustomers = 40
	hotShare      = 0.5
	clusterTeams  = 3
	clusterUsers  = 2 // of a team
	clusterAgents = 2 // of a user
)

// furnishCatalogue makes what all customers share.
func (c *cluster) furnishCatalogue() {
	types := []client.EntityTypeInput{}
	for _, t := range clusterTypes {
		types = append(types, client.EntityTypeInput{ID: t.ID, DisplayName: t.DisplayName, AttributionKeys: append([]string{}, t.AttributionKeys...),
			Enrolment: client.Opt[bursar.Enrolment](t.Enrolment)})
	}
	c.must("PUT", "/entity-types", mustJSON(map[string]any{"types": types}))
	for _, id := range clusterFeatures {
		c.must("POST", "/features", fmt.Sprintf(`{"id":%q,"displayName":"The %s","featureType":"NUMBER","meterType":%q}`, id, id, newFeature(id).MeterType))
	}
	c.must("POST", "/credits/custom-currencies", `{"id":"credits","displayName":"Credits","prepaid":true}`)
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// load is many clients of a cluster, each of which waits for its answer before it asks
// again.
type load struct {
	*cluster
	t         *testing.T
	ctx       context.Context
	keyed     bool // governance writes carry an Idempotency-Key, so that they may be repeated
	serial    atomic.Int64
	limits    sync.Map // customer → *limitList
	mu        sync.Mutex
	exchanges map[string][]*exchange // by customer
	unsure    atomic.Int64           // requests that were sent more than once
}

// limitList is the ids of a customer's limits that a client has heard of.
type limitList struct {
	mu  sync.Mutex
	ids []string
}

func newLoad(ctx context.Context, t *testing.T, c *cluster) *load {
	return &load{cluster: c, t: t, ctx: ctx, exchanges: map[string][]*exchange{}}
}

// do sends a request to node n, or to others if that does not answer, and notes it.
func (l *load) do(n int, customer string, a asking) *exchange {
	x := &exchange{asking: a, customer: customer, id: fmt.Sprintf("q%d", l.serial.Add(1))}
	method, path, in := a.request()
	what := call{method: method, path: path, id: x.id}
	if in != nil {
		what.body = []byte(mustJSON(in))
	}
	if kind, _, _ := a.leaves(x); kind == deedGovern && l.keyed {
		what.key = x.id
	}
	x.began = time.Now().UnixNano()
	var err error
	if x.answer, x.tries, err = l.insist(l.ctx, n, what); err != nil {
		l.t.Errorf("%v: %v", x, err)
	}
	x.ended = time.Now().UnixNano()
	x.header = nil
	if x.tries > 1 {
		l.unsure.Add(1)
	}
	l.mu.Lock()
	l.exchanges[customer] = append(l.exchanges[customer], x)
	l.mu.Unlock()
	return x
}

func agentID(team, user, agent int) string { return fmt.Sprintf("t%d-u%d-a%d", team, user, agent) }

// furnish makes a customer: an org with teams, users and agents, with limits on each.
func (l *load) furnish(customer string) {
	entity := func(id, typ, parent string) client.EntityInput {
		e := client.EntityInput{ID: id, EntityTypeID: typ}
		if parent != "" {
			e.ParentID = client.Some(parent)
		}
		return e
	}
	limit := func(entity, feature string, n int64) client.AssignmentInput {
		return client.AssignmentInput{EntityID: entity, FeatureID: feature, UsageLimit: client.Some(bursar.AmountFromInt(n)), Cadence: "PT1M"}
	}
	entities := []client.EntityInput{entity("o", "org", ""), entity("p0", "project", ""), entity("p1", "project", "")}
	seats := limit("o", "seats", 400)
	seats.Cadence = "P100Y"
	limits := []client.AssignmentInput{limit("o", "tokens", 60_000), seats, {EntityID: "o", CurrencyID: "credits", UsageLimit: client.Some(bursar.AmountFromInt(3000)), Cadence: "PT1M"}}
	for team := range clusterTeams {
		id := fmt.Sprintf("t%d", team)
		entities, limits = append(entities, entity(id, "team", "o")), append(limits, limit(id, "tokens", 18_000))
		scoped := limit(id, "tokens", 9_000)
		scoped.ScopeEntityIDs, scoped.Label = []string{"p0"}, "project"
		limits = append(limits, scoped)
		for user := range clusterUsers {
			uid := fmt.Sprintf("%s-u%d", id, user)
			soft := limit(uid, "tokens", 3_000)
			soft.Enforcement, soft.Label = bursar.Soft, "soft"
			entities, limits = append(entities, entity(uid, "user", id)), append(limits, limit(uid, "tokens", 7_000), soft)
			for agent := range clusterAgents {
				aid := agentID(team, user, agent)
				entities, limits = append(entities, entity(aid, "agent", uid)), append(limits, limit(aid, "tokens", 3_000))
			}
		}
	}
	l.do(0, customer, askCustomer{id: customer})
	l.do(0, customer, askEntities{customer: customer, in: entities})
	x := l.do(0, customer, askLimits{customer: customer, in: limits})
	got, err := dataOf[[]client.Assignment](x.body)
	if err != nil || len(got) == 0 {
		l.t.Fatalf("limits of %s: %v", customer, x)
	}
	list := &limitList{}
	for _, a := range got {
		list.ids = append(list.ids, a.ID)
	}
	l.limits.Store(customer, list)
	l.do(0, customer, l.grant(customer, 5000))
}

func (l *load) grant(customer string, n int64) askGrant {
	return askGrant{in: client.GrantInput{CustomerID: customer, CurrencyID: "credits", Amount: bursar.AmountFromInt(n), DisplayName: "Credits", Type: bursar.GrantPaid}}
}

// asker is one client.
type asker struct {
	*load
	r     *rand.Rand
	holds []heldBy
	sent  []asking // with keys, which may be sent again
}

type heldBy struct{ customer, id string }

// run asks n times.
func (l *load) run(clients, n int) {
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for i := range clients {
		all.Go(func() {
			a := &asker{load: l, r: newRand(uint64(i))}
			for left.Add(-1) >= 0 && l.ctx.Err() == nil {
				a.ask()
			}
		})
	}
	all.Wait()
}

func (a *asker) customer() string {
	if a.r.Float64() < hotShare {
		return hotCustomer
	}
	return fmt.Sprintf("c%d", a.r.IntN(coldCustomers))
}

func (a *asker) ask() {
	customer, n := a.customer(), a.r.IntN(clusterNodes)
	switch p := a.r.IntN(1000); {
	case p < 300:
		a.again(n, customer, a.usage(customer))
	case p < 500:
		a.again(n, customer, askConsume{customer, a.spend(customer)})
	case p < 650:
		a.reserve(n, customer)
	case p < 780:
		a.close(n)
	case p < 960:
		s := a.spend(customer)
		check := newAskCheck(customer, spendOf(s).Capability, s.Amount, s.Dimensions)
		if chance(a.r, 5) {
			check = check.within(pick(a.r, []int{20, 100, 400}))
		}
		a.do(n, customer, check)
	default:
		a.govern(n, customer, p)
	}
}

// again sends a, and at times what was sent before a second time.
func (a *asker) again(n int, customer string, x asking) {
	if len(a.sent) > 0 && chance(a.r, 40) {
		old := pick(a.r, a.sent)
		if u, ok := old.(askUsage); ok {
			customer = u.in[0].CustomerID
		} else if u, ok := old.(askConsume); ok {
			customer = u.customer
		}
		a.do(n, customer, old)
		return
	}
	if a.sent = append(a.sent, x); len(a.sent) > 50 {
		a.sent = a.sent[25:]
	}
	a.do(n, customer, x)
}

func (a *asker) key() string { return fmt.Sprintf("k%d", a.serial.Add(1)) }

func (a *asker) dims() client.Dimensions {
	d := client.Dimensions{"agentId": agentID(a.r.IntN(clusterTeams), a.r.IntN(clusterUsers), a.r.IntN(clusterAgents))}
	if chance(a.r, 10) { // somebody that nobody made
		d["userId"], d["agentId"] = fmt.Sprintf("t%d-u%d", a.r.IntN(clusterTeams), a.r.IntN(clusterUsers)), fmt.Sprintf("new-%d", a.r.IntN(100))
	}
	if chance(a.r, 3) {
		d["projectId"] = fmt.Sprintf("p%d", a.r.IntN(2))
	}
	return d
}

var clusterAmounts = []string{"0.5", "1", "1", "2", "5", "10", "12.25", "40"}

func (a *asker) spend(customer string) client.SpendInput {
	s := client.SpendInput{FeatureID: "tokens", Amount: parse(pick(a.r, clusterAmounts)), Dimensions: a.dims(), IdempotencyKey: a.key()}
	switch {
	case chance(a.r, 8):
		s.FeatureID, s.Amount = "seats", parse("1")
	case chance(a.r, 8):
		s.FeatureID, s.CurrencyID, s.Amount = "", "credits", parse(pick(a.r, clusterAmounts[:5]))
	}
	return s
}

func (a *asker) usage(customer string) askUsage {
	var in []client.UsageInput
	for range 1 + chance1(a.r, 6)*2 {
		u := client.UsageInput{CustomerID: customer, FeatureID: "tokens", Value: parse(pick(a.r, clusterAmounts)), Dimensions: a.dims(), IdempotencyKey: a.key()}
		if chance(a.r, 3) {
			u.FeatureID, u.Value = "seats", parse(pick(a.r, []string{"1", "1", "2", "-1", "-1", "-3"}))
			if chance(a.r, 3) {
				delete(u.Dimensions, "projectId")
				u.Behavior, u.Value = bursar.Set, bursar.AmountFromInt(int64(a.r.IntN(9)))
			}
		}
		in = append(in, u)
	}
	return askUsage{in}
}

func (a *asker) reserve(n int, customer string) {
	in := client.ReserveInput{SpendInput: a.spend(customer), TTLSeconds: 300}
	switch {
	case chance(a.r, 20):
		in.TTLSeconds = 1 + a.r.IntN(3)
	case chance(a.r, 4):
		in.OnExpire = bursar.ExpireSettle
	}
	x := a.do(n, customer, askReserve{customer, in})
	if got, err := dataOf[client.Reservation](x.body); err == nil && !x.refused() {
		a.holds = append(a.holds, heldBy{customer, got.ID})
	}
}

// close ends one of the client's reservations, or lets it live longer.
func (a *asker) close(n int) {
	if len(a.holds) == 0 {
		a.reserve(n, a.customer())
		return
	}
	i := a.r.IntN(len(a.holds))
	h := a.holds[i]
	c := askClose{customer: h.customer, hold: h.id, how: deedCommit, amount: parse(pick(a.r, clusterAmounts))}
	switch p := a.r.IntN(10); {
	case p < 3:
		c.how = deedRelease
	case p < 5 && !a.keyed: // to extend twice is not to extend once
		c.how, c.ttl = deedExtend, 60+a.r.IntN(300)
	}
	a.do(n, h.customer, c)
	if c.how != deedExtend && !chance(a.r, 10) { // now and then it is closed again
		a.holds = append(a.holds[:i], a.holds[i+1:]...)
	}
}

// govern changes the tree and its limits while they are in use.
func (a *asker) govern(n int, customer string, p int) {
	team, user := a.r.IntN(clusterTeams), a.r.IntN(clusterUsers)
	uid := fmt.Sprintf("t%d-u%d", team, user)
	v, _ := a.limits.Load(customer)
	list := v.(*limitList)
	switch {
	case p < 966: // a user moves to another team with what is below it
		to := fmt.Sprintf("t%d", a.r.IntN(clusterTeams))
		a.do(n, customer, askEntities{customer: customer, in: []client.EntityInput{{ID: uid, EntityTypeID: "user", ParentID: client.Some(to)}}})
	case p < 972:
		a.do(n, customer, askArchive{customer: customer, ids: []string{agentID(team, user, 0)}, archive: chance(a.r, 3)})
	case p < 984:
		limit := client.AssignmentInput{EntityID: agentID(team, user, a.r.IntN(clusterAgents)), FeatureID: "tokens", Cadence: "PT1M",
			Label: pick(a.r, []string{"", "more"}), UsageLimit: client.Some(bursar.AmountFromInt(int64(2000 + a.r.IntN(2000))))}
		x := a.do(n, customer, askLimits{customer: customer, in: []client.AssignmentInput{limit}})
		if got, err := dataOf[[]client.Assignment](x.body); err == nil && !x.refused() && limit.Label != "" {
			list.mu.Lock()
			list.ids = append(list.ids, got[0].ID)
			list.mu.Unlock()
		}
	default:
		list.mu.Lock()
		id := pick(a.r, list.ids)
		list.mu.Unlock()
		switch {
		case p < 987:
			a.do(n, customer, askDeleteLimit{customer: customer, id: id})
		case p < 993:
			until := bursar.TimeOf(time.Now().Add(time.Duration(1+a.r.IntN(20)) * time.Second)).Milli()
			a.do(n, customer, askBoost{customer: customer, id: id, in: client.BoostInput{Amount: parse("50"), ExpiresAt: &until}})
		default:
			a.do(n, customer, a.grant(customer, 200))
		}
	}
}

func newRand(client uint64) *rand.Rand { return rand.New(rand.NewPCG(client, *seedFlag)) }
