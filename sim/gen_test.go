package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

var epoch = bursar.TimeOf(time.Date(2026, 1, 31, 22, 0, 0, 0, time.UTC))

// gen makes operations. It looks at the model, so that limits are reached, holds expire
// and keys collide often; it changes nothing.
type gen struct {
	r           *rand.Rand
	m           *model
	now         bursar.Time
	customers   []string
	entities    []string
	keys        int
	recent      []recentItem
	events      []bursar.EventInput
	illegible   *commitCall // the last of which nothing can be read, to be made again
	illegibleAt bursar.Time
	calls       []recentCall
	named       []namedCall
	pace        int
	weights     []weighted
	total       int
}

type weighted struct {
	weight int
	make   func(g *gen) action
}

// recentItem is an item that may be sent again.
type recentItem struct {
	customer string
	usage    *bursar.UsageInput
	consume  *bursar.SpendInput
	reserve  *reserve
}

var (
	typeNames     = []string{"org", "team", "user", "agent", "project", "region"}
	keyNames      = []string{"orgId", "teamId", "userId", "user.alt", "agentId", "projectId", "regionId", "spare"}
	featureNames  = namesOf(features)
	currencyNames = []string{"credits", "prepaid", "coins", "gold", "gone"}
	labels        = []string{"", "", "", "daily", "m-2", "z"}
	plainDims     = map[string][]string{"model": {"small", "large", "x-1"}, "tier": {"1", "2"}}
)

func newGen(seed uint64, m *model) *gen {
	g := &gen{r: rand.New(rand.NewPCG(seed, 7)), m: m, now: epoch}
	g.pace = []int{1000, 5000, 40_000}[g.r.IntN(3)]
	for i := range 8 + g.r.IntN(9) {
		g.customers = append(g.customers, fmt.Sprintf("c%d", i))
	}
	for i := range 10 + g.r.IntN(20) {
		g.entities = append(g.entities, fmt.Sprintf("e%d", i))
	}
	g.entities = append(g.entities, "Agent-1", "agent-12", "Agent.x")
	g.weights = weights
	for _, w := range g.weights {
		g.total += w.weight
	}
	return g
}

// weights say how often each action is made.
var weights = []weighted{
	{200, genCheck}, {210, genUsage}, {110, genConsume}, {110, genReserve},
	{110, genReserveCall}, {40, genConsumeCall}, {90, genCommitCall}, {50, genRaiseCall},
	{60, genCommit}, {30, genRelease}, {15, genExtend}, {15, genGetHold}, {6, genListHolds},
	{35, genPutEntities}, {8, genPatchEntity}, {14, genArchiveEntities}, {5, genGetEntity}, {4, genListEntities},
	{60, genPutAssignments}, {8, genDeleteAssignment}, {5, genGetAssignment}, {4, genListAssignments},
	{4, genCreateCustomer}, {4, genPatchCustomer}, {2, genArchiveCustomer}, {3, genGetCustomer}, {1, genListCustomers},
	{2, genPutTypes}, {1, genArchiveTypes}, {2, genFeature}, {2, genCurrency}, {1, genReadCatalogue},
	{14, genTree}, {4, genHistory}, {6, genCoverage},
	{1, genSettings}, {8, genCard}, {1, genReadCards}, {30, genGrant}, {12, genVoid}, {10, genListGrants}, {25, genConsumption},
	{10, genPromote}, {2, genDemote}, {5, genListPromotions}, {20, genBoost}, {10, genEndBoost}, {6, genListBoosts},
	{16, genRequestBoost}, {12, genDecideRequest}, {5, genListRequests},
	{7, genFreeze}, {2, genListFreezes}, {14, genPutDefaults}, {5, genDeleteDefault}, {2, genListDefaults}, {10, genPutPolicies}, {3, genDeletePolicy}, {2, genListPolicies}, {10, genPutNotifications}, {3, genDeleteNotification}, {2, genListNotifications}, {8, genAllocations}, {6, genEntitlements}, {8, genStrict}, {60, genEvents}, {8, genReread},
	{30, genSave}, {15, genUnload}, {40, genSlow}, {2, genCrowd},
}

// next makes one operation.
func (g *gen) next() op {
	g.tick()
	return op{g.now, g.any()}
}

func (g *gen) any() action {
	n := g.r.IntN(g.total)
	for _, w := range g.weights {
		if n -= w.weight; n < 0 {
			return w.make(g)
		}
	}
	panic("unreachable")
}

// tick moves the clock: mostly by little or nothing, at times to an instant at which
// something changes, seldom back. Worlds differ in how often a long time passes.
func (g *gen) tick() {
	r := g.r
	switch n := r.IntN(1000); {
	case n < 300:
	case n < 500:
		g.now += bursar.Time(r.IntN(1000))
	case n < 900:
		g.now += bursar.Time(r.Int64N(int64(time.Second)))
	case n < 970:
		g.now += bursar.Time(r.Int64N(int64(10 * time.Second)))
	case n < 976:
		g.now += bursar.Time(r.Int64N(int64(2 * time.Minute)))
	case n < 990:
		g.jumpToEvent(bursar.Time(time.Minute))
	case n < 995:
		g.now -= bursar.Time(r.Int64N(int64(20 * time.Second)))
	}
	switch n := r.IntN(g.pace); {
	case n == 0:
		g.now += bursar.Time(r.Int64N(int64(4 * 24 * time.Hour)))
	case n < 4:
		g.now += bursar.Time(r.Int64N(int64(2 * time.Hour)))
	case n < 10:
		g.jumpToEvent(bursar.Time(24 * time.Hour))
	}
}

// jumpToEvent goes to the expiry of a hold or the end of a window that is near, or 1 ns
// beside it.
func (g *gen) jumpToEvent(near bursar.Time) {
	c := g.m.customers[pick(g.r, g.customers)]
	if c == nil {
		return
	}
	var at bursar.Time
	switch {
	case len(c.open) > 0 && chance(g.r, 2):
		at = pick(g.r, c.open).ExpiresAt
	case len(c.requests) > 0 && chance(g.r, 4):
		at = c.requests[len(c.requests)-1-g.r.IntN(min(4, len(c.requests)))].end()
	case len(c.rows) > 0:
		at = bursar.Time(pick(g.r, c.rows).window(int64(g.now)).end)
	}
	at += bursar.Time(g.r.IntN(3) - 1)
	if at > g.now && at < g.now+near {
		g.now = at
	}
}

// customer is mostly one of a few busy ones.
func (g *gen) customer() string {
	switch {
	case chance(g.r, 200):
		return "nobody"
	case chance(g.r, 2):
		return g.customers[g.r.IntN(3)]
	}
	return pick(g.r, g.customers)
}

// known is the model's customer, which may be an empty one.
func (g *gen) known(id string) *mCust {
	if c := g.m.customers[id]; c != nil {
		return c
	}
	return &mCust{m: g.m}
}

// time is what the customer's clock would say.
func (g *gen) time(c *mCust) bursar.Time { return c.log.now(g.now) }

func (g *gen) entity() string {
	if chance(g.r, 60) {
		return pick(g.r, []string{"nothing", "e", "E1"})
	}
	if chance(g.r, 20) {
		return pick(g.r, newcomers[:5])
	}
	return pick(g.r, g.entities)
}

// live is an entity of the customer that exists and is live, if that is soon found.
func (g *gen) live(c *mCust) string {
	id := g.entity()
	for range 8 {
		if e, known := c.entities[id]; known && e.ArchivedAt == nil {
			return id
		}
		id = g.entity()
	}
	return id
}

func (g *gen) feature() string {
	if chance(g.r, 100) {
		return "missing"
	}
	return skewed(g.r, featureNames)
}

// skewed prefers the first of a list.
func skewed[T any](r *rand.Rand, list []T) T {
	x := r.Float64()
	return list[int(x*x*x*float64(len(list)))]
}

func (g *gen) capability() bursar.Capability {
	if chance(g.r, 5) {
		id := skewed(g.r, currencyNames)
		if chance(g.r, 80) {
			id = "missing"
		}
		return bursar.Capability{Kind: bursar.KindCurrency, ID: id}
	}
	return featureOf(g.feature())
}

var amounts = []string{"0.000000001", "0.1", "0.2", "0.5", "1", "1", "1", "2", "3", "5", "10", "20", "33.333333333", "100"}

func (g *gen) amount() bursar.Amount {
	switch g.r.IntN(30) {
	case 0:
		return bursar.Amount{}
	case 1:
		return bursar.AmountFromNanos(g.r.Int64N(50e9))
	case 2:
		if chance(g.r, 10) {
			return parse("900000000000000.000000001")
		}
	}
	return parse(pick(g.r, amounts))
}

func (g *gen) positive() bursar.Amount {
	if a := g.amount(); a.Sign() > 0 {
		return a
	}
	return parse("1")
}

func parse(s string) bursar.Amount {
	a, err := bursar.AmountFromString(s)
	if err != nil {
		panic(err)
	}
	return a
}

// fitting is an amount that just fits, or just does not fit, what is left; often it is
// any amount.
func (g *gen) fitting(c *mCust, k bursar.Capability, dims []bursar.Dimension) bursar.Amount {
	if c.info.ID == "" || unknownCapability(g.m, k) || !chance(g.r, 4) {
		return g.amount()
	}
	least, found := num{}, false
	for _, r := range c.applying(k, c.attribute(dims)) {
		if r.limit == nil || r.soft {
			continue
		}
		if left := r.limit.sub(r.usedAt(g.time(c))).sub(r.held); !found || left.cmp(least) < 0 {
			least, found = left, true
		}
	}
	if chance(g.r, 3) {
		least = least.add(numOf(bursar.AmountFromNanos(int64(g.r.IntN(3) - 1))))
	}
	if !found || least.sign() < 0 || !least.amount().InRange() {
		return g.amount()
	}
	return least.amount()
}

// chance1 is 1 in one of n cases, else 0.
func chance1(r *rand.Rand, n int) int {
	if chance(r, n) {
		return 1
	}
	return 0
}

// dims are those of a request: nil at times, else up to three that should resolve and
// some that should not.
func (g *gen) dims(c *mCust) []bursar.Dimension {
	if chance(g.r, 12) {
		return nil
	}
	byKey := map[string]bursar.Dimension{}
	for range min(3, 1+g.r.IntN(5)-chance1(g.r, 8)) {
		id, key := g.live(c), pick(g.r, keyNames)
		if chance(g.r, 6) {
			id = g.entity() // archived, perhaps
		}
		if t := g.m.types[c.entities[id].EntityTypeID]; t != nil && len(t.AttributionKeys) > 0 && !chance(g.r, 25) {
			key = pick(g.r, t.AttributionKeys)
			if chance(g.r, 20) {
				id = g.mistyped(id)
			}
			if chance(g.r, 25) {
				key = g.miswritten(key)
			}
		}
		byKey[key] = bursar.Dimension{Key: key, Value: id}
	}
	if chance(g.r, 8) {
		key := pick(g.r, keyNames)
		byKey[key] = bursar.Dimension{Key: key, Value: pick(g.r, newcomers)}
	}
	for _, key := range []string{"model", "tier"} {
		if chance(g.r, 3) {
			byKey[key] = bursar.Dimension{Key: key, Value: pick(g.r, plainDims[key])}
			if key == "tier" {
				byKey[key] = bursar.Dimension{Key: key, Value: byKey[key].Value, Kind: bursar.DimNumber}
			}
		}
	}
	dims := []bursar.Dimension{}
	for _, key := range sortedKeys(byKey) {
		dims = append(dims, byKey[key])
	}
	g.r.Shuffle(len(dims), func(i, j int) { dims[i], dims[j] = dims[j], dims[i] })
	return dims
}

// opt is absent, null or a value, as often as each weight says.
func opt[T any](g *gen, absent, null int, value func() T) bursar.Opt[T] {
	switch n := g.r.IntN(10); {
	case n < absent:
		return bursar.Opt[T]{}
	case n < absent+null:
		return bursar.Null[T]()
	}
	return bursar.Some(value())
}

func (g *gen) page() ledger.ListPage { return ledger.ListPage{Limit: 1 + g.r.IntN(12)} }
