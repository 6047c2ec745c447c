package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/ledger"
)

// asking is a request to a cluster, which a model can answer too.
type asking interface {
	// request is its route, below the API's base, and what is sent.
	request() (method, path string, body any)
	// leaves is the record in the log that shows that it had an effect, if reply says that it
	// had one; ok is false when it had none.
	leaves(c *exchange) (kind deedKind, id string, ok bool)
	// replay gives the model the request and says how the reply differs; "" when it does
	// not. Without an effect it changes the model only if it gives "".
	replay(r *replayer, c *exchange) string
}

// exchange is a request and its reply.
type exchange struct {
	asking
	customer string
	id       string // of the request
	answer
	tries        int
	idle         bool  // it left nothing in the log: what it is a duplicate of did
	began, ended int64 // nanoseconds of the wall clock
}

func (c *exchange) refused() bool { return c.status >= 400 }

func (c *exchange) String() string {
	method, path, _ := c.request()
	return fmt.Sprintf("%s %s %s %+v (%d tries): %d version %d %s", c.id, method, path, c.asking, c.tries, c.status, c.version, c.body)
}

func dimensionsOf(d client.Dimensions) []bursar.Dimension {
	if d == nil {
		return nil
	}
	out := []bursar.Dimension{}
	for _, k := range sortedKeys(d) {
		out = append(out, bursar.Dimension{Key: k, Value: d[k]})
	}
	return out
}

func spendOf(in client.SpendInput) bursar.SpendInput {
	k := featureOf(in.FeatureID)
	if in.CurrencyID != "" {
		k = currencyOf(in.CurrencyID)
	}
	return bursar.SpendInput{Capability: k, Amount: in.Amount, Dimensions: dimensionsOf(in.Dimensions), IdempotencyKey: in.IdempotencyKey}
}

// askUsage reports usage of one customer.
type askUsage struct{ in []client.UsageInput }

func (a askUsage) request() (string, string, any) {
	return "POST", "/usage", map[string]any{"usages": a.in}
}

func (a askUsage) leaves(c *exchange) (deedKind, string, bool) {
	got, err := dataOf[[]client.UsageResult](c.body)
	if c.refused() || err != nil || len(got) == 0 || got[0].Duplicate && c.tries == 1 {
		return "", "", false
	}
	return deedUsage, got[0].ID, true
}

func (a askUsage) inputs() []bursar.UsageInput {
	var in []bursar.UsageInput
	for _, x := range a.in {
		u := bursar.UsageInput{CustomerID: x.CustomerID, FeatureID: x.FeatureID, Value: x.Value, Behavior: x.Behavior,
			Dimensions: dimensionsOf(x.Dimensions), IdempotencyKey: x.IdempotencyKey}
		if u.Behavior == "" {
			u.Behavior = bursar.Delta
		}
		in = append(in, u)
	}
	return in
}

// askConsume and the others are what the client's methods of those names send.
type askConsume struct {
	customer string
	in       client.SpendInput
}

func (a askConsume) request() (string, string, any) {
	return "POST", "/customers/" + a.customer + "/consume", a.in
}

func (a askConsume) leaves(c *exchange) (deedKind, string, bool) {
	got, err := dataOf[client.Consumption](c.body)
	return deedUsage, got.ID, !c.refused() && err == nil && (!got.Duplicate || c.tries > 1)
}

type askReserve struct {
	customer string
	in       client.ReserveInput
}

func (a askReserve) request() (string, string, any) {
	return "POST", "/customers/" + a.customer + "/reservations", a.in
}

func (a askReserve) leaves(c *exchange) (deedKind, string, bool) {
	got, err := dataOf[client.Reservation](c.body)
	return deedHold, got.ID, !c.refused() && err == nil && (!got.Duplicate || c.tries > 1)
}

// askClose commits, releases or extends a reservation. Only the client that made it
// does, one after the other.
type askClose struct {
	customer, hold string
	how            deedKind
	amount         bursar.Amount
	ttl            int
}

func (a askClose) request() (string, string, any) {
	path := "/customers/" + a.customer + "/reservations/" + a.hold + "/" + string(a.how)
	switch a.how {
	case deedCommit:
		return "POST", path, map[string]any{"amount": a.amount}
	case deedExtend:
		return "POST", path, map[string]any{"ttlSeconds": a.ttl}
	}
	return "POST", path, map[string]any{}
}

func (a askClose) leaves(c *exchange) (deedKind, string, bool) {
	got, err := dataOf[client.Reservation](c.body)
	return a.how, a.hold, !c.refused() && err == nil && (!got.Duplicate || c.tries > 1)
}

// askCheck is a check that accepts an age of stale milliseconds.
type askCheck struct {
	customer, query string // which says what in does
	in              ledger.CheckInput
	stale           int64
}

func newAskCheck(customer string, k bursar.Capability, amount bursar.Amount, d client.Dimensions) askCheck {
	q := "featureId=" + k.ID
	if k.Kind == bursar.KindCurrency {
		q = "currencyId=" + k.ID
	}
	q += "&requestedUsage=" + amount.String()
	for _, key := range sortedKeys(d) {
		q += "&dimensions%5B" + key + "%5D=" + d[key]
	}
	return askCheck{customer: customer, query: q, in: ledger.CheckInput{Capability: k, Requested: amount, Dimensions: dimensionsOf(d)}}
}

// within lets a check be answered from what was true up to stale milliseconds before.
func (a askCheck) within(stale int) askCheck {
	a.stale = int64(stale)
	a.query += fmt.Sprintf("&maxStalenessMs=%d", stale)
	return a
}

func (a askCheck) request() (string, string, any) {
	return "GET", "/customers/" + a.customer + "/entitlements/check?" + a.query, nil
}

func (askCheck) leaves(*exchange) (deedKind, string, bool) { return "", "", false }

// govern is what governance writes have in common: the activity listing has the request.
type govern struct{}

func (govern) leaves(c *exchange) (deedKind, string, bool) {
	return deedGovern, c.id, !c.refused()
}

type askCustomer struct {
	govern
	id string
}

func (a askCustomer) request() (string, string, any) {
	return "POST", "/customers", map[string]any{"id": a.id}
}

type askEntities struct {
	govern
	customer string
	in       []client.EntityInput
}

func (a askEntities) request() (string, string, any) {
	return "PUT", "/customers/" + a.customer + "/entities", map[string]any{"entities": a.in}
}

func (a askEntities) inputs() []bursar.EntityInput {
	var in []bursar.EntityInput
	for _, x := range a.in {
		in = append(in, bursar.EntityInput{ID: x.ID, EntityTypeID: x.EntityTypeID, ParentID: bursar.Opt[string](x.ParentID)})
	}
	return in
}

type askArchive struct {
	govern
	customer string
	ids      []string
	archive  bool
}

func (a askArchive) request() (string, string, any) {
	path := "/customers/" + a.customer + "/entities/"
	if !a.archive {
		path += "un"
	}
	return "POST", path + "archive", map[string]any{"ids": a.ids}
}

type askLimits struct {
	govern
	customer string
	in       []client.AssignmentInput
}

func (a askLimits) request() (string, string, any) {
	return "PUT", "/customers/" + a.customer + "/assignments", map[string]any{"assignments": a.in}
}

func (a askLimits) inputs() []bursar.AssignmentInput {
	var in []bursar.AssignmentInput
	for _, x := range a.in {
		k := featureOf(x.FeatureID)
		if x.CurrencyID != "" {
			k = currencyOf(x.CurrencyID)
		}
		cadence, err := bursar.ParseCadence(x.Cadence)
		if err != nil {
			panic(err)
		}
		y := bursar.AssignmentInput{EntityID: x.EntityID, Capability: k, ScopeEntityIDs: slices.Clone(x.ScopeEntityIDs), Label: x.Label,
			UsageLimit: bursar.Opt[bursar.Amount](x.UsageLimit), Cadence: bursar.Some(cadence)}
		if x.Enforcement != "" {
			y.Enforcement = bursar.Some(x.Enforcement)
		}
		in = append(in, y)
	}
	return in
}

type askDeleteLimit struct {
	govern
	customer, id string
}

func (a askDeleteLimit) request() (string, string, any) {
	return "DELETE", "/customers/" + a.customer + "/assignments/" + a.id, nil
}

type askBoost struct {
	govern
	customer, id string
	in           client.BoostInput
}

func (a askBoost) request() (string, string, any) {
	return "POST", "/customers/" + a.customer + "/assignments/" + a.id + "/boosts", a.in
}

type askGrant struct {
	govern
	in client.GrantInput
}

func (a askGrant) request() (string, string, any) { return "POST", "/credits/grants", a.in }

func (a askGrant) input() bursar.GrantInput {
	return bursar.GrantInput{CustomerID: a.in.CustomerID, CurrencyID: a.in.CurrencyID, Amount: a.in.Amount, DisplayName: a.in.DisplayName,
		Type: a.in.Type, Priority: a.in.Priority, Cost: bursar.Money{Currency: "usd"}}
}

// brieflyOf names the sort of an asking, for counts.
func brieflyOf(a asking) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", a), "sim.ask")
	if c, ok := a.(askClose); ok {
		name = strings.ToUpper(string(c.how[:1])) + string(c.how[1:])
	}
	return name
}
