package httpapi

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/bursarhq/bursar"
)

// TestDecisionWriterAgreesWithTheTypes: what is written by hand of a decision is what its
// types are marshalled to, byte for byte, whatever the decision is.
func TestDecisionWriterAgreesWithTheTypes(t *testing.T) {
	for seed := range uint64(20_000) {
		r := &decisionLot{rand.New(rand.NewPCG(seed, 1))}
		d, now := r.decision(), r.time()
		same := func(what string, hand []byte, typed any) {
			if want := appendBare(nil, typed); string(hand) != string(want) {
				t.Fatalf("seed %d: %s\nby hand  %s\nby types %s", seed, what, hand, want)
			}
		}
		same("decision", appendDecision(nil, &d, now), viewDecision(&d, now))
		same("binding", appendBinding(nil, d.Binding), viewBinding(d.Binding))
		same("chains", appendChains(nil, d.Chains), orEmpty(viewChains(d.Chains)))
		same("decisions", decisions{[]bursar.Decision{d, d}, now}.appendTo(nil), []decisionReply{viewDecision(&d, now), viewDecision(&d, now)})
	}
}

// TestEveryMemberOfADecisionIsSeen: the random decisions together have each member that the
// types have, and each in more than one value.
func TestEveryMemberOfADecisionIsSeen(t *testing.T) {
	seen := map[string]map[string]bool{}
	for seed := range uint64(2000) {
		r := &decisionLot{rand.New(rand.NewPCG(seed, 1))}
		d := r.decision()
		reply := viewDecision(&d, 1)
		for _, v := range []any{reply.Feature, reply.Credit} {
			if !reflect.ValueOf(v).IsNil() {
				note(seen, "", reflect.ValueOf(v).Elem())
			}
		}
	}
	for name, values := range seen {
		if len(values) < 2 && name != "featureCheck.Type" && name != "creditCheck.Type" && name != "" {
			t.Errorf("%s is always %v", name, values)
		}
	}
	if len(seen) < 60 {
		t.Errorf("%d members", len(seen))
	}
}

// note notes the values of the fields of v, which is the member of a name.
func note(seen map[string]map[string]bool, name string, v reflect.Value) {
	add := func(value string) {
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		seen[name][value] = true
	}
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		add("something")
		note(seen, name, v.Elem())
	case v.Kind() == reflect.Struct && v.Type() != typeAmount:
		for i := range v.NumField() {
			note(seen, v.Type().Name()+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		add(fmt.Sprint(v.Len(), v.IsNil()))
		for i := range v.Len() {
			note(seen, name, v.Index(i))
		}
	default:
		add(fmt.Sprint(v.Interface()))
	}
}

// decisionLot draws decisions.
type decisionLot struct{ *rand.Rand }

func (r *decisionLot) yes() bool { return r.IntN(2) == 0 }

func (r *decisionLot) text() string {
	return []string{"", "a", "team-1", `with "quotes" and \`, "ümläut €", "<tag> & more", "line\nend\ttab\x01", "bad \xff utf8", "\u2028"}[r.IntN(9)]
}

func (r *decisionLot) amount() bursar.Amount {
	texts := []string{"0", "1", "-3", "12.5", "0.000000001", "999999999999999", "1e2"}
	a, err := bursar.ParseAmount([]byte(texts[r.IntN(len(texts))]))
	if err != nil {
		panic(err)
	}
	return a
}

func (r *decisionLot) time() bursar.Time {
	if r.IntN(4) == 0 {
		return 0
	}
	return bursar.Time(r.Int64N(4e18))
}

func (r *decisionLot) texts() []string {
	if r.yes() {
		return nil
	}
	list := make([]string, r.IntN(3))
	for i := range list {
		list[i] = r.text()
	}
	return list
}

// perhaps is a pointer to what draw draws, or nil.
func perhaps[T any](r *decisionLot, draw func() T) *T {
	if r.yes() {
		return nil
	}
	return new(draw())
}

func orEmpty[T any](list []T) []T { return append([]T{}, list...) }

func (r *decisionLot) capability() bursar.Capability {
	kind := bursar.KindFeature
	if r.yes() {
		kind = bursar.KindCurrency
	}
	return bursar.Capability{Kind: kind, ID: r.text()}
}

func (r *decisionLot) node() bursar.Node {
	return bursar.Node{AssignmentID: r.text(), EntityID: r.text(), EntityTypeID: r.text(), ScopeEntityIDs: r.texts(), Capability: r.capability(),
		Label: r.text(), Enforcement: []bursar.Enforcement{bursar.Hard, bursar.Soft}[r.IntN(2)], UsageLimit: perhaps(r, r.amount),
		CurrentUsage: r.amount(), Requested: r.amount(), Reserved: r.amount(), ResetsAt: r.time(), Granted: r.yes(), Exceeded: r.yes(), DefaultOf: perhaps(r, r.source)}
}

func (r *decisionLot) source() bursar.DefaultSource {
	x := bursar.DefaultSource{DefaultID: r.text(), EntityID: r.text(), EntityTypeID: r.text()}
	if r.yes() {
		x.Metadata = map[string]string{"k": r.text(), `"`: r.text()}
	}
	return x
}

func (r *decisionLot) gate() bursar.Gate {
	g := bursar.Gate{CurrentUsage: r.amount(), UsageLimit: r.amount(), Unlimited: r.yes(), Reserved: r.amount(),
		UpdatedAt: r.time(), PeriodStart: r.time(), ResetsAt: r.time()}
	if r.yes() {
		g.Promotion = &bursar.Promotion{StartDate: r.time(), EndDate: r.time(), UpdatedAt: r.time()}
		g.Promotion.ResetPeriod = []string{"", "MONTH", "DAY"}[r.IntN(3)]
		g.Promotion.AccordingTo = []string{"", startOfPromotion, "EveryMonday"}[r.IntN(3)]
	}
	return g
}

func (r *decisionLot) decision() bursar.Decision {
	reasons := []bursar.Code{"", bursar.CodeBudgetExceeded, bursar.CodeFeatureNotFound, bursar.CodeCustomerNotFound}
	d := bursar.Decision{Granted: r.yes(), Reason: reasons[r.IntN(len(reasons))], Capability: r.capability(), Gate: r.gate(),
		Unpriced: r.texts(), Warnings: r.texts()}
	if !d.Granted && r.yes() {
		d.Because = r.text()
	}
	if r.yes() {
		d.Feature = &bursar.Feature{ID: r.text(), DisplayName: r.text(), FeatureStatus: r.text(), FeatureType: r.text()}
	}
	if r.yes() {
		d.Currency = &bursar.Currency{ID: d.Capability.ID, DisplayName: r.text(), Description: perhaps(r, r.text),
			Units: perhaps(r, func() bursar.Units { return bursar.Units{Singular: r.text(), Plural: r.text()} })}
		for range r.IntN(3) {
			d.Currency.Metadata = map[string]string{r.text(): r.text(), "key": r.text()}
		}
	}
	for range r.IntN(3) {
		d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: r.text(), Amount: r.amount()}})
	}
	if r.yes() {
		d.Chains = make([][]bursar.Node, r.IntN(3))
		for i := range d.Chains {
			for range r.IntN(3) {
				d.Chains[i] = append(d.Chains[i], r.node())
			}
		}
	}
	if r.yes() {
		sources := []bursar.BindingSource{bursar.BindingEntity, bursar.BindingCustomer, bursar.BindingCredits}
		d.Binding = &bursar.Binding{Source: sources[r.IntN(3)], Node: r.node()}
	}
	if r.yes() {
		d.Advice = r.advice()
	}
	if r.yes() {
		d.Frozen = &bursar.Freeze{EntityID: r.text(), Reason: r.text(), FrozenAt: r.time()}
	}
	return d
}

func (r *decisionLot) advice() bursar.Advice {
	return bursar.Advice{Degrade: perhaps(r, r.degrade), Level: []bursar.AdviceLevel{bursar.AdviceOK, bursar.AdviceWindDown, bursar.AdviceStop}[r.IntN(3)], Left: r.amount(), UsedPercent: r.Int64N(2000),
		Limit: bursar.AdviceLimit{Source: []bursar.BindingSource{bursar.BindingEntity, bursar.BindingCustomer, bursar.BindingCredits}[r.IntN(3)],
			AssignmentID: r.text(), EntityID: r.text(), Capability: r.capability(), Label: r.text(), UsageLimit: r.amount(), ResetsAt: r.time()}}
}

func (r *decisionLot) degrade() bursar.Degrade {
	return bursar.Degrade{EntityID: r.text(), AtPercent: r.IntN(1000), Model: r.text(), MaxTokens: r.Int64N(3), NoTools: r.yes(), Message: r.text()}
}
