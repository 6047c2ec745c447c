package engine

import "github.com/bursarhq/bursar"

func (r random) cost() *costRec {
	c := &costRec{cap: r.ord(), feature: r.ord(), of: r.ord(), card: r.text(), version: r.IntN(9), units: r.amount(), amount: r.amount(),
		at: r.time(), combo: r.ord(), path: r.path(), correction: r.bool(), held: r.bool()}
	if c.total = c.amount; r.bool() {
		c.total = r.amount()
	}
	if c.correction {
		c.by = r.IntN(9)
	}
	if c.held {
		c.hold, c.dims = r.hash(), r.dims()
	}
	c.charges = r.charges(c.amount)
	return c
}

func (r random) ms() bursar.Time { return bursar.Time(r.Int64N(2e12)) * 1e6 }

func (r random) grant() *grantRec {
	return &grantRec{ord: r.ord(), cap: r.ord(), id: r.hash(), active: r.bool(), grant: bursar.Grant{
		GrantInput: bursar.GrantInput{CustomerID: r.text(), CurrencyID: "c", Amount: bursar.AmountFromInt(r.Int64N(1e9)), Type: bursar.GrantPaid,
			EffectiveAt: r.ms(), ExpireAt: r.ms(), Priority: r.IntN(9), Cost: bursar.Money{Currency: "usd"}, Metadata: map[string]string{"k": r.text()}},
		Status: bursar.GrantScheduled, CreatedAt: r.ms(), UpdatedAt: r.ms()}}
}

func (r random) ints() (out []int) {
	for range r.IntN(4) {
		out = append(out, r.IntN(1000))
	}
	return out
}

func (r random) moneyRecord(k recordKind) record {
	switch k {
	case kindCost:
		return r.cost()
	case kindDraw:
		d := &drawRec{cap: r.ord(), feature: r.ord(), of: r.ord(), reason: drawReason(r.IntN(3)), at: r.time(), moves: make([]move, r.IntN(4))}
		for i := range d.moves {
			d.moves[i] = move{r.ord(), r.amount(), r.bool()}
		}
		return d
	case kindHoldCost:
		return &holdCostRec{r.hash(), heldCost{cap: r.ord(), card: r.text(), version: r.IntN(9), rate: bursar.Rate{Amount: r.amount(), Per: 1000},
			held: r.amount(), charged: r.amount()}}
	case kindGrant:
		return r.grant()
	case kindGrantBegin:
		return &grantBeginRec{r.ord(), r.time()}
	case kindGrantEnd:
		return &grantEndRec{r.ord(), r.time(), r.bool(), r.amount()}
	case kindBoost:
		reason := r.text()
		return &boostRec{r.ord(), boost{id: r.hash(), amount: r.amount(), created: r.time(), expires: r.time(), reason: &reason, by: r.text()}}
	case kindBoostEnd:
		return &boostEndRec{r.ord(), r.hash(), r.time()}
	case kindPromotion:
		limit := bursar.AmountFromInt(r.Int64N(100))
		return &promotionRec{cap: r.ord(), row: r.ord(), deleted: r.bool(), promotion: bursar.Promotion{ID: "p", StartDate: r.ms(),
			PromotionInput: bursar.PromotionInput{FeatureID: r.text(), UsageLimit: &limit, Soft: r.bool()}}}
	case kindFired:
		return &firedRec{r.ord(), fired{r.time(), r.ints()}}
	case kindLow:
		return &lowRec{r.ord(), r.ints()}
	case kindRowStart:
		return &rowStartRec{r.ord(), r.amount(), r.window()}
	case kindSeen:
		s := &seenRec{cap: r.ord(), value: r.Uint64(), sets: make([]uniqueKey, r.IntN(3))}
		for i := range s.sets {
			s.sets[i] = uniqueKey{r.ord(), r.ord(), r.time()}
		}
		return s
	}
	return nil
}
