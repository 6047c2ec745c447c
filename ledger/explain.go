package ledger

import (
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

// errNamesNothing is of a question of a token with a root that is not about its subtree.
var errNamesNothing = bursar.ErrorAt("/dimensions", bursar.CodeEntityNotFound,
	"these dimensions name no entity that the access token sees: send the attribution key of one with its id, such as userId")

// maxResets bounds how many ends of windows are looked at, one after the other.
const maxResets = 8

func (x *Explanation) explain(asks []Ask) {
	d := &x.Decision
	gates := []bursar.Gate{d.Gate}
	for i := range d.Costs {
		gates = append(gates, d.Costs[i].Gate)
	}
	for i := range gates {
		if g := &gates[i]; !g.Unlimited && g.Capability.ID != "" {
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

// blockedUntil is when the windows of all that denies d have ended; 0 when something
// denies it that has none.
func blockedUntil(d *bursar.Decision, asks []Ask) (until bursar.Time) {
	gates := []bursar.Gate{d.Gate}
	for i := range d.Costs {
		gates = append(gates, d.Costs[i].Gate)
	}
	for i := range min(len(gates), len(asks)) {
		b := shut(&gates[i], &asks[i])
		if b == nil {
			continue
		}
		if b.Node.ResetsAt == 0 {
			return 0
		}
		until = max(until, b.Node.ResetsAt)
	}
	for _, chain := range d.Chains {
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
	Token *bursar.AccessToken
	Cat   *catalogue.Catalogue
	Explanation

	asks  []Ask
	at    bursar.Decision // at now, which is later with each look
	now   bursar.Time
	looks int
}

// On goes on: each time it looks at one more end of a window.
func (x *Explainer) On(v *View) error {
	if v.Root != 0 {
		if len(v.Resolve(x.Cat, x.In.Dimensions).Leaves) == 0 {
			return errNamesNothing
		}
		x.RootEntityID = x.Token.RootEntityID
	}
	if x.asks == nil {
		x.Decision = v.Check(x.Cat, &x.In)
		var err error
		if x.asks, _, err = v.AsksFor(x.Cat, x.In.Capability, x.In.Requested, x.In.Dimensions, v.Now); err != nil {
			return err
		}
		x.explain(x.asks)
		x.at, x.now = x.Decision, v.Now
	}
	next := blockedUntil(&x.at, x.asks)
	if x.at.Granted || x.at.Frozen != nil || x.at.Because != "" || next <= x.now || x.looks == maxResets {
		return nil
	}
	later := v.State.ViewAt(next, x.Cat).LimitTo(x.Token)
	later.Enrols = v.Enrols
	if x.at = later.Check(x.Cat, &x.In); x.at.Granted {
		x.GrantedAfter = next
	}
	x.looks, x.now = x.looks+1, later.Now
	v.Visits += later.Visits
	return ErrGoOn
}
