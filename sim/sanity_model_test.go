package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// scene is a model with one customer "acme": org ─ team ─ user, and an agent under the
// org, and the feature tokens.
type scene struct {
	*testing.T
	m    *model
	keys int
}

var start = bursar.TimeOf(time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC))

func newScene(t *testing.T) *scene {
	s := &scene{T: t, m: newModel(horizon)}
	s.m.clock = start
	var types []catalogue.EntityTypeInput
	for _, id := range []string{"org", "team", "user", "agent"} {
		types = append(types, catalogue.EntityTypeInput{ID: id, DisplayName: id, AttributionKeys: []string{id}})
	}
	_, f := s.m.putEntityTypes(types)
	s.fine(f)
	for _, id := range []string{"tokens", "seats"} {
		_, f = s.m.createFeature(newFeature(id))
		s.fine(f)
	}
	_, f = s.m.createCustomer("acme", bursar.CustomerInput{})
	s.fine(f)
	_, f = s.m.putEntities("acme", []bursar.EntityInput{
		{ID: "o", EntityTypeID: "org"}, {ID: "t", EntityTypeID: "team", ParentID: bursar.Some("o")},
		{ID: "u", EntityTypeID: "user", ParentID: bursar.Some("t")}, {ID: "a", EntityTypeID: "agent", ParentID: bursar.Some("o")},
	})
	s.fine(f)
	return s
}

func (s *scene) fine(f *fail) {
	s.Helper()
	if f != nil {
		s.Fatal(f)
	}
}

// limit puts a limit on an entity and gives its row.
func (s *scene) limit(entity, limit, cadence string, scope ...string) *mRow {
	s.Helper()
	c, err := bursar.ParseCadence(cadence)
	if err != nil {
		s.Fatal(err)
	}
	out, f := s.m.putAssignments("acme", []bursar.AssignmentInput{{
		EntityID: entity, Capability: featureOf("tokens"), ScopeEntityIDs: scope, UsageLimit: bursar.Some(parse(limit)), Cadence: bursar.Some(c),
	}})
	s.fine(f)
	return s.m.customers["acme"].row(out[0].ID)
}

func on(pairs ...string) []bursar.Dimension {
	dims := []bursar.Dimension{}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		dims = append(dims, bursar.Dimension{Key: key, Value: value})
	}
	return dims
}

// use reports usage and shows the total and the warnings.
func (s *scene) use(feature, value string, at bursar.Time, how bursar.UpdateBehavior, dims ...string) string {
	s.keys++
	out, f := s.m.reportUsage(ofUsage, []bursar.UsageInput{{CustomerID: "acme", FeatureID: feature, Value: parse(value), Behavior: how,
		Timestamp: at, Dimensions: on(dims...), IdempotencyKey: fmt.Sprint("u", s.keys)}})
	if f != nil {
		return f.String()
	}
	told := slices.DeleteFunc(slices.Clone(out[0].Warnings), func(w string) bool { return strings.HasPrefix(w, "UNGOVERNED") })
	return strings.Join(append([]string{out[0].CurrentUsage.String()}, told...), " ")
}

// ask shows the outcome of a check and each node as entity:used+held/limit.
func (s *scene) ask(amount string, dims ...string) string {
	d := s.m.check("acme", []ledger.CheckInput{{Capability: featureOf("tokens"), Requested: parse(amount), Dimensions: on(dims...)}})[0]
	text := "granted"
	if !d.Granted {
		text = fmt.Sprintf("%s by %s", d.Reason, d.Binding.Node.EntityID)
	}
	for _, chain := range d.Chains {
		text += " |"
		for _, n := range chain {
			text += fmt.Sprintf(" %s%s:%s+%s/%s", n.EntityID, strings.Join(n.ScopeEntityIDs, ","), n.CurrentUsage, n.Reserved, n.UsageLimit)
		}
	}
	return text
}

func (s *scene) want(got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestModelChains(t *testing.T) {
	s := newScene(t)
	s.want(s.ask("5", "user=u"), "granted")
	s.limit("o", "100", "P1D")
	s.limit("t", "10", "P1D")
	s.limit("t", "4", "P1D", "a")
	s.want(s.use("tokens", "3", 0, bursar.Delta, "user=u", "agent=a", "team=x", "color=red"), "3 DIMENSION_NOT_RESOLVED:team")
	s.want(s.ask("7", "user=u"), "granted | t:3+0/10 o:3+0/100")
	s.want(s.ask("7.000000001", "user=u"), "RequestedUsageExceedingLimit by t | t:3+0/10 o:3+0/100")
	s.want(s.ask("2", "user=u", "agent=a"), "RequestedUsageExceedingLimit by t | o:3+0/100 | t:3+0/10 ta:3+0/4 o:3+0/100")
	s.want(s.use("tokens", "1", 0, bursar.Delta, "user=u", "agent=a"), "4")
	s.want(s.ask("1", "user=u", "agent=a"), "BudgetExceeded by t | o:4+0/100 | t:4+0/10 ta:4+0/4 o:4+0/100")
	s.fine(s.m.archiveEntities("acme", []string{"t"}, true))
	s.want(s.ask("50", "user=u", "agent=a"), "granted | o:4+0/100 | o:4+0/100")
	s.want(s.use("tokens", "1", 0, bursar.Delta, "user=u"), "5")
	s.fine(s.m.archiveEntities("acme", []string{"t"}, false))
	s.want(s.ask("1", "user=u"), "granted | t:4+0/10 o:5+0/100")
}

func TestModelWindows(t *testing.T) {
	s := newScene(t)
	day, hour := bursar.Time(24*time.Hour), bursar.Time(time.Hour)
	s.m.clock = start - day
	s.want(s.use("tokens", "50", 0, bursar.Delta, "org=o"), "50")
	s.m.clock = start
	r := s.limit("o", "100", "P1D")
	s.want(s.use("tokens", "1", start-day, bursar.Delta, "org=o"), "51") // before the row counted
	s.want(s.use("tokens", "2", start-11*hour, bursar.Delta, "org=o"), "53")
	s.want(s.ask("0", "org=o"), "granted | o:2+0/100")
	s.m.clock = start + day
	s.want(s.use("tokens", "4", start, bursar.Delta, "org=o"), "57")
	s.want(s.ask("0", "org=o"), "granted | o:0+0/100")
	s.want(r.used[int64(start-12*hour)].String(), "6")
	s.want(s.use("tokens", "8", start-7*day, bursar.Delta, "org=o"), "\n  TimestampOutOfRange at /usages/0/createdAt")
	s.want(s.use("tokens", "8", start+day+5*bursar.Time(time.Minute), bursar.Delta, "org=o"), "65")
	s.want(s.ask("0", "org=o"), "granted | o:8+0/100")
	s.m.clock += hour
	s.limit("o", "100", "P1M") // carries the current day's amount only
	s.want(s.ask("0", "org=o"), "granted | o:8+0/100")
	s.want(s.use("tokens", "-1", 0, bursar.Delta, "org=o"), "\n  InvalidAmount at /usages/0/value")
}

func TestModelLevels(t *testing.T) {
	s := newScene(t)
	minute := bursar.Time(time.Minute)
	s.want(s.use("seats", "10", 0, bursar.Set, "user=u", "org=o"), "10")
	s.want(s.use("seats", "7", start, bursar.Set, "user=u"), "7")
	s.want(s.use("seats", "5", start-minute, bursar.Set, "user=u"), "7 STALE_SET")
	s.want(s.use("seats", "5", 0, bursar.Set), "12 NO_ENTITY_NAMED")
	s.want(s.use("seats", "5", 0, bursar.Set, "user=u", "agent=a"), "\n  ValidationFailed at /usages/0/dimensions")
	s.want(s.use("seats", "-100", 0, bursar.Delta), "0 NO_ENTITY_NAMED")
	s.want(s.use("seats", "6", 0, bursar.Set), "6 NO_ENTITY_NAMED") // the level of the customer itself went to 0, too
}

func TestModelHolds(t *testing.T) {
	s := newScene(t)
	second := bursar.Time(time.Second)
	s.limit("o", "10", "PT1H")
	hold := func(key, amount string, ttl int, how bursar.OnExpire) bursar.Reservation {
		t.Helper()
		r, f := s.m.reserve("acme", bursar.SpendInput{Capability: featureOf("tokens"), Amount: parse(amount), Dimensions: on("user=u"), IdempotencyKey: key}, ttl, how)
		s.fine(f)
		return r
	}
	a, b := hold("a", "4", 10, bursar.ExpireRelease), hold("b", "5", 10, bursar.ExpireSettle)
	s.want(s.ask("2", "org=o"), "RequestedUsageExceedingLimit by o | o:0+9/10")
	if again := hold("a", "4", 99, bursar.ExpireRelease); !again.Duplicate || again.ID != a.ID || again.ExpiresAt != a.ExpiresAt {
		t.Errorf("reserved again: %+v", again)
	}
	s.m.clock = start + 10*second - 1
	s.want(s.ask("2", "org=o"), "RequestedUsageExceedingLimit by o | o:0+9/10")
	s.m.clock++
	s.want(s.ask("2", "org=o"), "granted | o:5+0/10")
	late, f := s.m.commitReservation("acme", a.ID, parse("7"))
	s.fine(f)
	s.want(fmt.Sprint(late.LateCommit, late.Status, late.Overshoot()), "trueCOMMITTED3")
	s.want(s.ask("1", "org=o"), "BudgetExceeded by o | o:12+0/10")
	_, f = s.m.commitReservation("acme", b.ID, parse("5"))
	s.want(f.String(), "ReservationClosed")
	again, f := s.m.commitReservation("acme", a.ID, parse("7"))
	s.fine(f)
	s.want(fmt.Sprint(again.Duplicate, again.Status), "trueCOMMITTED")
	s.m.clock += 7 * 24 * 3600 * second
	c := hold("c", "1", 1, bursar.ExpireRelease)
	s.m.clock += 7*24*3600*second + 1
	_, f = s.m.commitReservation("acme", c.ID, parse("1"))
	s.want(f.String(), "ReservationClosed")
}

func TestModelTree(t *testing.T) {
	s := newScene(t)
	s.limit("o", "100", "P1D")
	s.limit("t", "0", "P1D")
	s.limit("u", "4", "P1D")
	s.use("tokens", "3", 0, bursar.Delta, "user=u")
	rows, f := s.m.tree("acme", ledger.TreeQuery{Capabilities: []bursar.Capability{featureOf("tokens")}, SortBy: ledger.SortUtilization, Desc: true})
	s.fine(f)
	var text []string
	for _, r := range rows {
		text = append(text, fmt.Sprintf("%s %v %s", r.EntityID, *r.Limit.Utilization, r.Limit.Status))
	}
	s.want(strings.Join(text, ", "), "t 1 exceeded, u 0.75 ok, o 0.03 ok")
	s.fine(s.m.archiveEntities("acme", []string{"t"}, true))
	rows, f = s.m.tree("acme", ledger.TreeQuery{SortBy: ledger.SortID})
	s.fine(f)
	text = nil
	for _, r := range rows {
		text = append(text, fmt.Sprintf("%s %v", r.EntityID, r.ChildCount))
	}
	s.want(strings.Join(text, ", "), "a 0, o 1, u 0")
	if i := slices.IndexFunc(rows, func(r ledger.TreeRow) bool { return r.EntityID == "u" }); *rows[i].ParentID != "o" {
		t.Errorf("the parent of u is shown as %s", *rows[i].ParentID)
	}
}
