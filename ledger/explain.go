package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// Fit says whether a request fits on one limit, hard or soft, and by how much the limit
// would have to be higher for it.
type Fit struct {
	Fits      bool
	WouldNeed bursar.Amount
}

// ExplainedGate is a gate of a request: the feature's promotional entitlement or a
// currency's pool.
type ExplainedGate struct {
	bursar.Gate
	Fit
}

// Explanation is a decision with its arithmetic.
type Explanation struct {
	Decision bursar.Decision
	Gates    []ExplainedGate // those that have a limit
	Fits     [][]Fit         // of Decision.Chains
	// GrantedAfter is when a request that is denied now would be granted if nothing else
	// were used until then: windows end, holds and boosts run out, grants and prices begin.
	// 0 = it is granted now, or no window that ends would change that.
	GrantedAfter bursar.Time
	// RootEntityID is the root of the access token that asked: only limits at and below it
	// were asked, so that how much is left above it cannot be found out by asking. "" = all.
	RootEntityID string
}

// errNamesNothing answers a question that a token with a root asks about nothing in its subtree.
var errNamesNothing = bursar.ErrorAt("/dimensions", bursar.CodeEntityNotFound,
	"these dimensions name no entity that the access token sees: send the attribution key of one with its id, such as userId")

// maxResets bounds how many ends of windows are looked at, one after the other.
const maxResets = 8

// answer is a decision with what was asked for, and with the gates that it had to pass.
type answer struct {
	bursar.Decision
	asks  []Ask
	gates []bursar.Gate // of each of asks
}

func (x *Explanation) explain(a *answer) {
	d, asks := &x.Decision, a.asks
	for i := range a.gates {
		if g := &a.gates[i]; !g.Unlimited && g.Capability.ID != "" {
			x.Gates = append(x.Gates, ExplainedGate{*g, fitOf(&g.UsageLimit, g.CurrentUsage, g.Reserved, g.Capability, asks)})
		}
	}
	for _, chain := range d.Chains {
		fits := make([]Fit, len(chain))
		for i := range chain {
			n := &chain[i]
			fits[i] = fitOf(n.UsageLimit, n.CurrentUsage, n.Reserved, n.Capability, asks)
		}
		x.Fits = append(x.Fits, fits)
	}
}

func fitOf(limit *bursar.Amount, used, held bursar.Amount, c bursar.Capability, asks []Ask) Fit {
	sum := used.Add(held)
	for i := range asks {
		if asks[i].C == c {
			sum = asks[i].onto(used, held)
		}
	}
	if limit == nil || !limit.Less(sum) {
		return Fit{Fits: true}
	}
	return Fit{WouldNeed: sum.Sub(*limit)}
}

// blockedUntil is when the windows of all that denies a have ended; 0 when a gate that has no
// window denies it.
func (a *answer) blockedUntil() (until bursar.Time) {
	for i := range min(len(a.gates), len(a.asks)) {
		b := shut(&a.gates[i], &a.asks[i])
		if b == nil {
			continue
		}
		if b.Node.ResetsAt == 0 {
			return 0
		}
		until = max(until, b.Node.ResetsAt)
	}
	for _, chain := range a.Chains {
		for i := range chain {
			if !chain[i].Granted {
				until = max(until, chain[i].ResetsAt)
			}
		}
	}
	return until
}

// Explainer explains the answer to a question, and looks for when it would be granted.
type Explainer struct {
	In    CheckInput
	Event *SpendEvent // in place of In: may a reservation hold what it uses?
	Learn Learn       // of Event
	Token *bursar.AccessToken
	Cat   *catalogue.Catalogue
	Explanation

	at    *answer // at now, which is later with each try
	now   bursar.Time
	tries int
}

// On goes on: each time it looks at one more end of a window.
func (x *Explainer) On(v *View) error {
	if v.Root != 0 {
		named := x.In.Dimensions
		if x.Event != nil {
			named = labelsOf(x.Event.In.Dimensions)
		}
		if len(v.Resolve(x.Cat, named).Leaves) == 0 {
			return errNamesNothing
		}
		x.RootEntityID = x.Token.RootEntityID
	}
	if x.at == nil {
		a, err := x.ask(v)
		if err != nil {
			return err
		}
		x.Decision = a.Decision
		x.explain(a)
		x.at, x.now = a, v.Now
	}
	next := x.at.blockedUntil()
	if x.at.Granted || x.at.Frozen != nil || x.at.Because != "" || next <= x.now || x.tries == maxResets {
		return nil
	}
	later := v.State.ViewAt(next, x.Cat).LimitTo(x.Token)
	later.Enrols = v.Enrols
	a, err := x.ask(later)
	if x.tries, x.now = x.tries+1, later.Now; err != nil {
		return nil // it could not even be asked then
	}
	if x.at = a; a.Granted {
		x.GrantedAfter = next
	}
	v.Visits += later.Visits
	return ErrGoOn
}

// ask asks the question.
func (x *Explainer) ask(v *View) (*answer, error) {
	if x.Event != nil {
		return (&Decider{View: v, Cat: x.Cat, Rehearsal: true}).askEvent(x.Event, x.Learn)
	}
	a := &answer{Decision: v.Check(x.Cat, &x.In)}
	a.gates = append(a.gates, a.Gate)
	for i := range a.Costs {
		a.gates = append(a.gates, a.Costs[i].Gate)
	}
	var err error
	a.asks, _, err = v.AsksFor(x.Cat, x.In.Capability, x.In.Requested, x.In.Dimensions, v.Now)
	return a, err
}

// askEvent tells whether a reservation would hold what an event uses, and makes none.
func (d *Decider) askEvent(o *SpendEvent, learn Learn) (*answer, error) {
	if len(d.Cat.Meters[o.In.EventName]) == 0 {
		return nil, bursar.ErrorAt("/eventName", bursar.CodeUnknownMeter, "%s", d.missing(d.Cat, catalogue.OfMeter, o.In.EventName))
	}
	if c := d.Cust(); c == nil || c.ArchivedAt != nil {
		a := &answer{Decision: bursar.Decision{Reason: bursar.CodeCustomerIsArchived, Capability: bursar.Capability{Kind: bursar.KindFeature, ID: d.Cat.Meters[o.In.EventName][0].ID}}}
		d.Cat.Show(&a.Decision)
		return a, nil
	}
	in := o.In
	defer func() {
		if d.enrolled != nil {
			d.unenrol()
		}
	}()
	if learn.Percent != 0 {
		if d.Root != 0 {
			return nil, bursar.ErrorAt("/hold", bursar.CodeValidationFailed, "what calls before had may be from above what this access token sees: give maxTokens in place of hold")
		}
		d.enrolLearning(&in)
		if _, err := d.learnedEvent(&in, learn); err != nil {
			return nil, err
		}
	}
	var p bursar.Problems
	e := d.enrolledEvent(o, in, &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	over := d.weighEvent(e, o)
	a := &answer{Decision: e.Decision, asks: e.asks}
	for i := range e.asks {
		a.gates = append(a.gates, d.gate(d.Cat, &e.asks[i]))
	}
	if a.Granted && cannotCount(e.asks, over) != nil {
		a.Granted, a.Reason = false, bursar.CodeUnknown
	}
	for i := range e.item.usages {
		var lacks bursar.Problems
		u := &e.item.usages[i]
		if u.needsRate(&lacks); !lacks.Empty() {
			a.Granted, a.Reason, a.Binding, a.Because = false, bursar.CodeUnknown, nil, ""
			a.Unpriced = append(a.Unpriced, u.unpriced...)
		}
	}
	slices.Sort(a.Unpriced)
	a.Unpriced = slices.Compact(a.Unpriced)
	return a, nil
}
