package engine

import (
	"context"

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

// errNamesNothing is of a question of a token with a root that is not about its subtree.
var errNamesNothing = bursar.ErrorAt("/dimensions", bursar.CodeEntityNotFound,
	"these dimensions name no entity that the access token sees: send the attribution key of one with its id, such as userId")

// maxResets bounds how many ends of windows are looked at, one after the other.
const maxResets = 8

// Explain answers a question as Check does, with its arithmetic.
func (e *Engine) Explain(ctx context.Context, o ReadOptions, customer string, in CheckInput) (x Explanation, version uint64, err error) {
	in.Dimensions = sortDims(in.Dimensions)
	cat := e.cat.Load()
	var asks []ask
	var at bursar.Decision // at now, which is later with each look
	var now bursar.Time
	looks := 0
	version, err = e.readTurn(ctx, o, customer, func(v *view) error {
		if v.root != 0 {
			if len(v.resolve(cat, in.Dimensions).leaves) == 0 {
				return errNamesNothing
			}
			x.RootEntityID = o.Token.RootEntityID
		}
		if asks == nil {
			x.Decision = v.check(cat, &in)
			var err error
			if asks, _, err = v.asksFor(cat, in.Capability, in.Requested, in.Dimensions, v.now); err != nil {
				return err
			}
			x.explain(asks)
			at, now = x.Decision, v.now
		}
		next := blockedUntil(&at, asks)
		if at.Granted || next <= now || looks == maxResets {
			return nil
		}
		later := v.state.viewAt(next, cat).limitTo(o.Token)
		if at = later.check(cat, &in); at.Granted {
			x.GrantedAfter = next
		}
		looks, now = looks+1, later.now
		v.visits += later.visits
		return errGoOn
	})
	return x, version, err
}

func (x *Explanation) explain(asks []ask) {
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

func fitOf(limit *bursar.Amount, used, held bursar.Amount, c bursar.Capability, asks []ask) Fit {
	sum := used.Add(held)
	for i := range asks {
		if asks[i].c == c {
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
func blockedUntil(d *bursar.Decision, asks []ask) (until bursar.Time) {
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
