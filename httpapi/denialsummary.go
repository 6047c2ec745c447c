package httpapi

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

type denialSummaryQuery struct {
	customerPath
	freshness
	denialFilter
	Granularity ledger.Granularity `query:"granularity" is:"enum=HOUR|DAY,default=HOUR"`
}

// denialSummaryOut is how many requests were denied.
type denialSummaryOut struct {
	StartDate bursar.Time      `json:"startDate" doc:"A whole hour; the last 24 hours when it was left out."`
	EndDate   bursar.Time      `json:"endDate"`
	Denied    int64            `json:"denied"`
	Sampled   int64            `json:"sampled" doc:"Of them: the list of denials has them, or had them until they became too old."`
	NotKept   int64            `json:"notKept" doc:"Of them: counted alone, since there were too many alike in an hour."`
	Other     *int64           `json:"other" doc:"How many more there were of which is only known that they were denied, since the customer had more than 1,000 groups in an hour. Without a filter they are in denied; of those that a filter means, some may be among them. null: an access token with a root does not learn it."`
	Points    []denialPoint    `json:"points" doc:"Of each hour of UTC, or day in the customer's time zone, which has the hours that begin in it; one in which nothing was denied, too."`
	Groups    []denialGroupOut `json:"groups" doc:"Those 100 with the most denials, by who was named, what denied and what was asked for."`
	LeftOut   int64            `json:"leftOut" doc:"How many further groups there are. Their denials are in denied."`
}

type denialPoint struct {
	Timestamp bursar.Time `json:"timestamp"`
	Denied    int64       `json:"denied"`
	Sampled   int64       `json:"sampled" doc:"Of them: the list of denials has them, or had them."`
}

// denialGroupOut is how many requests with the same members were denied.
type denialGroupOut struct {
	EntityID   *string      `json:"entityId" doc:"The lowest entity that they named; null: none that is seen."`
	FeatureID  *string      `json:"featureId,omitempty"`
	CurrencyID *string      `json:"currencyId,omitempty"`
	Reason     bursar.Code  `json:"reason"`
	Binding    *denialBound `json:"binding" doc:"The limit that denied; null: none did, or one that an access token does not see."`
	Denied     int64        `json:"denied"`
	Sampled    int64        `json:"sampled" doc:"Of them: the list of denials has them, or had them."`
	LastAt     bursar.Time  `json:"lastAt"`
}

// denialBound is a limit as it was when it denied.
type denialBound struct {
	Source         bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS"`
	AssignmentID   *string              `json:"assignmentId"`
	EntityID       *string              `json:"entityId"`
	ScopeEntityIDs []string             `json:"scopeEntityIds"`
	FeatureID      *string              `json:"featureId,omitempty"`
	CurrencyID     *string              `json:"currencyId,omitempty"`
	Label          string               `json:"label"`
}

// Limits of a summary.
const (
	denialSummaryFor    = bursar.Time(24 * time.Hour)
	denialSummaryPoints = 4000
	denialSummaryGroups = 100
	denialGroupsAtOnce  = 1000 // that are looked at while nothing is written to the customer
)

func (a *API) denialSummary(c call, in *denialSummaryQuery) (out denialSummaryOut, version uint64, err error) {
	if err := in.denialFilter.check(a); err != nil {
		return out, 0, err
	}
	entities, version, err := a.engine.DenialEntities(c.ctx, c.options(), in.CustomerID, in.EntityID)
	if err != nil {
		return out, version, atQuery("?entityId", err)
	}
	s := denialSums{entities: entities, groups: map[*engine.DenialGroup]*denialSum{}}
	var wrong error
	if version, err = a.engine.See(c.ctx, c.options(), in.CustomerID, func(sight *ledger.Sight) {
		s.whole = sight.Whole()
		wrong = s.begin(in, c.now, sight.Days())
	}); cmp.Or(err, wrong) != nil {
		return out, version, cmp.Or(err, wrong)
	}
	if err := a.engine.DenialCounts(c.ctx, in.CustomerID, s.from, s.to, s.add); err != nil {
		return out, version, err
	}
	var shown denialShown
	for some := range slices.Chunk(s.order, denialGroupsAtOnce) {
		if version, err = a.engine.See(c.ctx, c.options(), in.CustomerID, func(sight *ledger.Sight) {
			for _, g := range some {
				shown.add(&in.denialFilter, sight, g, s.groups[g])
			}
		}); err != nil {
			return out, version, err
		}
	}
	return s.out(in, &shown), version, nil
}

// denialSums adds up counts by group and point.
type denialSums struct {
	entities map[string]bool // whose denials are meant; nil = all
	whole    bool
	from, to bursar.Time
	points   []denialPoint
	at       int // the point of the last count: most come in order
	groups   map[*engine.DenialGroup]*denialSum
	order    []*engine.DenialGroup // of groups
	other    []denialPoint         // of what is not told apart
}

// denialSum is the sum of a group, with what of it is of which point.
type denialSum struct {
	denied, sampled int64
	last            bursar.Time
	points          []pointShare
}

type pointShare struct {
	point           int
	denied, sampled int64
}

// begin makes the points.
func (s *denialSums) begin(in *denialSummaryQuery, now bursar.Time, days bursar.Schedule) error {
	const hour = bursar.Time(time.Hour)
	if s.to = in.EndDate; s.to == 0 {
		s.to = now + 1
	}
	if s.from = in.StartDate; s.from == 0 {
		s.from = s.to - denialSummaryFor
	}
	if s.from -= s.from % hour; s.from >= s.to {
		return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "startDate %s is not before the end, %s", s.from, s.to)
	}
	schedule := bursar.Schedule{Cadence: bursar.Cadence{N: 1, Unit: bursar.UnitHour}} // counts are of UTC's hours
	if in.Granularity == ledger.Day {
		schedule = days
	}
	for at := int64(s.from); at < int64(s.to); {
		start, end := schedule.Window(at)
		if s.points = append(s.points, denialPoint{Timestamp: bursar.Time(start)}); len(s.points) > denialSummaryPoints {
			return bursar.ErrorAt("?startDate", bursar.CodeValidationFailed, "more than %d points are asked for: take granularity=DAY or a shorter time", denialSummaryPoints)
		}
		at = end
	}
	s.other = slices.Clone(s.points)
	return nil
}

// add adds a count.
func (s *denialSums) add(hour bursar.Time, g *engine.DenialGroup, denied, kept uint64, last bursar.Time) {
	if hour < s.points[s.at].Timestamp {
		s.at = 0
	}
	for s.at+1 < len(s.points) && s.points[s.at+1].Timestamp <= hour {
		s.at++
	}
	if g.Other {
		s.other[s.at].Denied += int64(denied)
		return
	}
	if s.entities != nil && !slices.ContainsFunc(g.Named, func(id string) bool { return s.entities[id] }) {
		return
	}
	sum := s.groups[g]
	if sum == nil {
		sum = &denialSum{}
		s.groups[g] = sum
		s.order = append(s.order, g)
	}
	sum.denied, sum.sampled, sum.last = sum.denied+int64(denied), sum.sampled+int64(kept), max(sum.last, last)
	if n := len(sum.points); n == 0 || sum.points[n-1].point != s.at {
		sum.points = append(sum.points, pointShare{point: s.at})
	}
	share := &sum.points[len(sum.points)-1]
	share.denied, share.sampled = share.denied+int64(denied), share.sampled+int64(kept)
}

// denialShown are the groups that are seen and meant. Groups that look alike are one.
type denialShown struct {
	by   map[string]*denialGroupOut
	sums []*denialSum
}

// add adds a group, if it is seen and f means it.
func (x *denialShown) add(f *denialFilter, s *ledger.Sight, g *engine.DenialGroup, sum *denialSum) {
	out := denialGroupOut{Reason: g.Reason}
	out.FeatureID, out.CurrencyID = capabilityIDs(g.Capability)
	if i := slices.IndexFunc(g.Named, s.Entity); i >= 0 {
		out.EntityID = &g.Named[i]
	}
	l := g.Limit
	if l != nil && !s.Whole() && (l.Source != bursar.BindingEntity || !s.Limit(l.EntityID, l.ScopeEntityIDs)) {
		l, out.Reason = alsoSeen(g, s)
	}
	if l != nil {
		out.Binding = &denialBound{Source: l.Source, AssignmentID: orNil(&l.AssignmentID), EntityID: orNil(&l.EntityID), ScopeEntityIDs: append([]string{}, l.ScopeEntityIDs...), Label: l.Label}
		out.Binding.FeatureID, out.Binding.CurrencyID = capabilityIDs(l.Capability)
	}
	var limit *string
	if out.Binding != nil {
		limit = out.Binding.AssignmentID
	}
	if !s.Whole() && out.EntityID == nil || !f.takes(out.FeatureID, out.CurrencyID, out.Reason, limit) {
		return
	}
	key := strings.Join([]string{orZero(out.EntityID), orZero(out.FeatureID), orZero(out.CurrencyID), string(out.Reason), orZero(limit)}, "\x00")
	if out.Binding != nil {
		key += "\x00" + string(out.Binding.Source) + "\x00" + orZero(out.Binding.FeatureID) + "\x00" + orZero(out.Binding.CurrencyID)
	}
	if x.by == nil {
		x.by = map[string]*denialGroupOut{}
	}
	if x.by[key] == nil {
		x.by[key] = &out
	}
	one := x.by[key]
	one.Denied, one.Sampled, one.LastAt = one.Denied+sum.denied, one.Sampled+sum.sampled, max(one.LastAt, sum.last)
	x.sums = append(x.sums, sum)
}

// alsoSeen is the limit that a denial is shown with whose own is not seen, and its reason, as the list
// of denials shows them.
func alsoSeen(g *engine.DenialGroup, s *ledger.Sight) (*engine.DenialLimit, bursar.Code) {
	for i := range g.Also {
		if l := &g.Also[i].Limit; s.Limit(l.EntityID, l.ScopeEntityIDs) {
			return l, g.Also[i].Reason
		}
	}
	return nil, g.Reason
}

// out is the reply.
func (s *denialSums) out(in *denialSummaryQuery, x *denialShown) denialSummaryOut {
	out := denialSummaryOut{StartDate: s.from, EndDate: s.to, Points: s.points, Groups: []denialGroupOut{}}
	for _, sum := range x.sums {
		for _, p := range sum.points {
			out.Points[p.point].Denied += p.denied
			out.Points[p.point].Sampled += p.sampled
		}
	}
	if s.whole {
		other, all := int64(0), in.EntityID == "" && in.FeatureID == "" && in.CurrencyID == "" && in.AssignmentID == "" && in.Reason == ""
		for i, p := range s.other {
			if other += p.Denied; all {
				out.Points[i].Denied += p.Denied
			}
		}
		out.Other = &other
	}
	for _, p := range out.Points {
		out.Denied, out.Sampled = out.Denied+p.Denied, out.Sampled+p.Sampled
	}
	out.NotKept = out.Denied - out.Sampled
	for _, key := range slices.Sorted(maps.Keys(x.by)) {
		out.Groups = append(out.Groups, *x.by[key])
	}
	slices.SortStableFunc(out.Groups, func(a, b denialGroupOut) int {
		return cmp.Or(cmp.Compare(b.Denied, a.Denied), cmp.Compare(b.LastAt, a.LastAt))
	})
	if over := len(out.Groups) - denialSummaryGroups; over > 0 {
		out.Groups, out.LeftOut = out.Groups[:denialSummaryGroups], int64(over)
	}
	return out
}
