package record

import (
	"github.com/bursarhq/bursar"
)

func (r random) cost() *Cost {
	c := &Cost{Cap: r.ord(), Feature: r.ord(), Of: r.ord(), Card: r.text(), Version: r.IntN(9), Units: r.amount(), Amount: r.amount(),
		At: r.time(), Combo: r.ord(), Path: r.path(), Correction: r.bool(), Held: r.bool()}
	if c.Total = c.Amount; r.bool() {
		c.Total = r.amount()
	}
	if c.Correction {
		c.By = r.IntN(9)
	}
	if c.Held {
		c.Hold, c.Dims = r.hash(), r.dims()
	}
	c.Charges = r.charges(c.Amount)
	return c
}

func (r random) ms() bursar.Time { return bursar.Time(r.Int64N(2e12)) * 1e6 }

func (r random) grant() *GrantMade {
	return &GrantMade{Ord: r.ord(), Cap: r.ord(), ID: r.hash(), Active: r.bool(), Grant: bursar.Grant{
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

func (r random) moneyRecord(k Kind) Record {
	switch k {
	case kindCost:
		return r.cost()
	case kindDraw:
		d := &Draw{Cap: r.ord(), Feature: r.ord(), Of: r.ord(), Reason: DrawReason(r.IntN(3)), At: r.time(), Moves: make([]Move, r.IntN(4))}
		for i := range d.Moves {
			d.Moves[i] = Move{r.ord(), r.amount(), r.bool()}
		}
		return d
	case kindHoldCost:
		return &HoldCost{r.hash(), HeldCost{Cap: r.ord(), Card: r.text(), Version: r.IntN(9), Rate: bursar.Rate{Amount: r.amount(), Per: 1000},
			Held: r.amount(), Charged: r.amount()}}
	case kindGrant:
		return r.grant()
	case kindGrantBegin:
		return &GrantBegun{r.ord(), r.time()}
	case kindGrantEnd:
		return &GrantEnded{r.ord(), r.time(), r.bool(), r.amount()}
	case kindBoost:
		reason := r.text()
		return &BoostMade{r.ord(), Boost{ID: r.hash(), Amount: r.amount(), Created: r.time(), Expires: r.time(), Reason: &reason, By: r.text()}}
	case kindBoostEnd:
		return &BoostEnded{r.ord(), r.hash(), r.time()}
	case kindBoostLent:
		return &BoostLent{Loan{Row: r.ord(), Lender: r.ord(), LenderEnt: r.ord(), Boost: Boost{ID: r.hash(), Amount: r.amount(), Created: r.time(), Expires: r.time(), By: r.text()}}}
	case kindBoostAsked:
		reason := r.text()
		return &BoostAsked{r.ord(), BoostRequest{ID: r.hash(), RowID: r.hash(), Ent: r.ord(), Cap: r.ord(), Scope: r.ords(), Label: r.text(), Amount: r.amount(),
			Created: r.time(), Expires: r.time(), Reason: &reason, By: Asker{r.text(), r.text(), r.text(), r.text()}}}
	case kindBoostAnswer:
		note := r.text()
		return &BoostAnswered{r.ord(), BoostAnswer{Answer: Answer(r.IntN(4)), At: r.time(), By: r.text(), Note: &note, Boost: r.hash(), Amount: r.amount(), Expires: r.time(), Lender: r.ord()}}
	case kindPromotion:
		limit := bursar.AmountFromInt(r.Int64N(100))
		return &Promotion{Cap: r.ord(), Row: r.ord(), Deleted: r.bool(), Promotion: bursar.Promotion{ID: "p", StartDate: r.ms(),
			PromotionInput: bursar.PromotionInput{FeatureID: r.text(), UsageLimit: &limit, Soft: r.bool()}}}
	case kindFired:
		return &AlertFired{r.ord(), Fired{r.time(), r.ints()}}
	case kindLow:
		return &BalanceLow{r.ord(), r.ints()}
	case kindFrozen:
		return &Frozen{r.ord(), Freeze{r.text(), r.time(), r.bool(), r.ord()}}
	case kindThawed:
		return &Thawed{r.ord()}
	case kindDegrade:
		p := DegradePolicy{ID: r.hash(), Ent: r.ord(), Cap: r.ord(), Created: r.time(), Updated: r.time()}
		for range 1 + r.IntN(3) {
			p.Steps = append(p.Steps, bursar.DegradeStep{AtPercent: r.IntN(1000), Level: bursar.AdviceLevel(r.text()), Model: r.text(),
				Models: map[string]string{r.text(): r.text()}, MaxTokens: r.Int64N(1e9), NoTools: r.bool(), Message: r.text()})
		}
		return &DegradePut{p}
	case kindDegradeEnd:
		return &DegradeDeleted{r.ord(), r.ord()}
	case kindNotification:
		return &NotificationPut{Notification{ID: r.hash(), Ent: r.ord(), Name: r.text(), Emails: []string{r.text()}, SlackURLs: []string{r.text()},
			Thresholds: r.ints(), Denials: r.bool(), BoostRequests: r.bool(), ByToken: r.bool(), Root: r.ord(), Tokens: [][16]byte{r.hash(), r.hash()}, Created: r.time(), Updated: r.time()}}
	case kindNotificationEnd:
		return &NotificationDeleted{r.ord(), r.hash()}
	case kindNotificationUse:
		return &NotificationsUsed{r.ord(), NotificationUse{r.time(), r.ord(), r.ord()}}
	case kindTold:
		return &LimitTold{r.ord(), Told{r.time(), r.ints(), r.bool(), r.bool()}}
	case kindDefault:
		return &DefaultPut{Default{ID: r.hash(), Ent: r.ord(), Typ: r.ord(), When: map[string]string{r.text(): r.text()}, Terms: r.row().Def}}
	case kindDefaultEnd:
		return &DefaultDeleted{r.hash()}
	case kindRowDefault:
		rec := &LimitDefaulted{Row: r.ord(), ID: r.hash(), Ent: r.ord(), Cap: r.ord(), Label: r.text(), Carry: r.bool()}
		if rec.Carry {
			rec.Used, rec.Window = r.amount(), r.window()
		}
		return rec
	case kindRowStart:
		return &LimitStarted{r.ord(), r.amount(), r.window()}
	case kindCounted:
		s := &ValueCounted{Cap: r.ord(), Value: r.Uint64(), Sets: make([]UniqueKey, r.IntN(3))}
		for i := range s.Sets {
			s.Sets[i] = UniqueKey{r.ord(), r.ord(), r.time()}
		}
		return s
	}
	return nil
}
