package ledger

import (
	"github.com/bursarhq/bursar"
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

// ErrNamesNothing is of a question of a token with a root that is not about its subtree.
var ErrNamesNothing = bursar.ErrorAt("/dimensions", bursar.CodeEntityNotFound,
	"these dimensions name no entity that the access token sees: send the attribution key of one with its id, such as userId")

// MaxResets bounds how many ends of windows are looked at, one after the other.
const MaxResets = 8

func (x *Explanation) Explain(asks []Ask) {
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

// BlockedUntil is when the windows of all that denies d have ended; 0 when something
// denies it that has none.
func BlockedUntil(d *bursar.Decision, asks []Ask) (until bursar.Time) {
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
