package sim

import (
	"math/big"
	"slices"

	"github.com/bursarhq/bursar"
)

// candidate is a hard limit that a request counts on.
type candidate struct {
	limit, used, left, asked num // used: and held
	named                    bursar.AdviceLimit
}

// room is how many more of what is asked fit; where nothing is asked of any limit, the share that is left.
func (x candidate) room(asked bool) *big.Rat {
	of := x.limit
	if asked {
		of = x.asked
	}
	if of.sign() == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).SetFrac(x.left.big(), of.big())
}

// advise tells how to go on once asks, or a question about them, have been decided.
func (c *mCust) advise(asks []ask, chains [][]bursar.Node, model string, now bursar.Time) bursar.Advice {
	var list []candidate
	see := func(limit bursar.Amount, used, held bursar.Amount, requested bursar.Amount, named bursar.AdviceLimit) {
		if named.UsageLimit = limit; !c.m.highest(named.Capability) {
			list = append(list, candidate{numOf(limit), numOf(used).add(numOf(held)), leftOf(numOf(limit), numOf(used), numOf(held), false), numOf(requested), named})
		}
	}
	for _, x := range asks {
		g := c.gate(x, now)
		if g.Unlimited || g.Soft {
			continue
		}
		named := bursar.AdviceLimit{Source: bursar.BindingCredits, Capability: x.cap}
		if x.cap.Kind == bursar.KindFeature {
			named.Source, named.ResetsAt = bursar.BindingCustomer, g.ResetsAt
		}
		see(g.UsageLimit, g.CurrentUsage, g.Reserved, x.amount.amount(), named)
	}
	degrade, level, ruled, looked := c.degrade(slices.Concat(chains...), model)
	seeNode := func(n bursar.Node) {
		see(*n.UsageLimit, n.CurrentUsage, n.Reserved, n.Requested, bursar.AdviceLimit{Source: bursar.BindingEntity, AssignmentID: n.AssignmentID,
			EntityID: n.EntityID, Capability: n.Capability, Label: n.Label, ResetsAt: n.ResetsAt})
	}
	for _, n := range slices.Concat(chains...) {
		if n.UsageLimit != nil && n.Enforcement == bursar.Hard {
			seeNode(n)
		}
	}
	if len(list) == 0 { // a policy looks at soft limits, too
		for _, n := range looked {
			seeNode(n)
		}
	}
	asked := slices.ContainsFunc(list, func(x candidate) bool { return x.asked.sign() > 0 })
	list = slices.DeleteFunc(list, func(x candidate) bool { return asked && x.asked.sign() <= 0 })
	if len(list) == 0 {
		return bursar.Advice{}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return a.room(asked).Cmp(b.room(asked)) })
	x := list[0]
	out := bursar.Advice{Level: bursar.AdviceOK, Left: x.left.amount(), UsedPercent: percentOf(x.used, x.limit), Limit: x.named}
	if own := ruled[x.named.EntityID+" "+x.named.AssignmentID]; !own && out.UsedPercent >= 95 {
		out.Level = bursar.AdviceStop
	} else if !own && out.UsedPercent >= 80 {
		out.Level = bursar.AdviceWindDown
	}
	if urgency[level] > urgency[out.Level] {
		out.Level = level
	}
	out.Degrade = degrade
	return out
}

// percentOf is in whole percent, of nothing 100.
func percentOf(used, limit num) int64 {
	switch {
	case limit.sign() == 0:
		return 100
	case used.sign() <= 0:
		return 0
	}
	p := new(big.Int).Quo(new(big.Int).Mul(used.big(), big.NewInt(100)), limit.big())
	if !p.IsInt64() {
		return 1_000_000
	}
	return min(p.Int64(), 1_000_000)
}
