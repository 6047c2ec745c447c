package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

var cardNames = []string{"c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"}

var rateAmounts = []string{"0", "0.000000001", "0.25", "0.5", "1", "2", "3", "1.333333333", "15", "0.000000333"}

func genCard(g *gen) action {
	var cards []string
	for id, c := range g.m.cards {
		if c.ArchivedAt == nil {
			cards = append(cards, id)
		}
	}
	slices.Sort(cards)
	switch n := g.r.IntN(10); {
	case n < 2 && len(cards) > 2 || n < 1 && len(cards) > 0:
		return archiveCard{pick(g.r, cards)}
	case n < 5 && len(cards) > 0:
		return addVersion{pick(g.r, cards), g.version(pick(g.r, cards))}
	case n == 9 && chance(g.r, 10):
		return pick(g.r, []action{archiveCard{"none"}, addVersion{"none", g.version("")}, archiveCard{pick(g.r, cardNames)}})
	}
	id := fmt.Sprintf("c%d", len(g.m.cards)+1)
	if chance(g.r, 20) {
		id = pick(g.r, cardNames)
	}
	return createCard{catalogue.RateCardInput{ID: id, CurrencyID: g.currency(), DisplayName: "Card " + id, RateVersionInput: g.version("")}}
}

func (g *gen) currency() string {
	if chance(g.r, 60) {
		return "missing"
	}
	return pick(g.r, currencyNames)
}

// version is a price list: mostly one that an old one could become.
func (g *gen) version(card string) catalogue.RateVersionInput {
	var v catalogue.RateVersionInput
	c := g.m.cards[card]
	if chance(g.r, 3) {
		v.EffectiveFrom = g.now + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Minute, time.Hour, 24 * time.Hour}))))
	}
	if chance(g.r, 40) {
		v.EffectiveFrom = g.now - bursar.Time(g.r.Int64N(int64(time.Hour)))
	}
	if c != nil && chance(g.r, 6) {
		v.Corrects = g.r.IntN(len(c.Versions) + 2)
	}
	var features []string
	for range 1 + g.r.IntN(2) {
		features = append(features, g.priceable(c))
	}
	slices.Sort(features)
	for _, f := range slices.Compact(features) {
		v.Rates = append(v.Rates, g.rates(f)...)
	}
	return v
}

// priceable is a feature that the card has, or could have.
func (g *gen) priceable(c *bursar.RateCard) string {
	if c != nil && !chance(g.r, 3) {
		return pick(g.r, c.Versions[len(c.Versions)-1].Rates).FeatureID
	}
	return g.feature()
}

func (g *gen) rates(feature string) []bursar.Rate {
	rate := func(match map[string][]string) bursar.Rate {
		r := bursar.Rate{FeatureID: feature, Amount: parse(pick(g.r, rateAmounts)), Per: pick(g.r, []int64{0, 1, 1, 1, 1000, 1_000_000}), Match: match}
		switch g.r.IntN(200) {
		case 0:
			r.Amount = r.Amount.Neg()
		case 1:
			r.Per = 10
		}
		return r
	}
	var list []bursar.Rate
	if !chance(g.r, 4) {
		list = append(list, rate(nil))
	}
	if chance(g.r, 2) || len(list) == 0 {
		list = append(list, rate(map[string][]string{"model": {"small"}}))
		if chance(g.r, 2) {
			list = append(list, rate(map[string][]string{"model": {"large", "x-1"}}))
		}
	}
	if chance(g.r, 4) {
		list = append(list, rate(map[string][]string{"model": {"small", "large"}, "tier": {"2"}}))
	}
	if chance(g.r, 40) {
		list = append(list, rate(map[string][]string{"tier": {"1", "2"}}))
	}
	g.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func genReadCards(*gen) action { return readCards{} }

var prepaidNames = []string{"prepaid", "gold"}

func genGrant(g *gen) action {
	id := g.customer()
	in := bursar.GrantInput{
		CustomerID: id, CurrencyID: pick(g.r, prepaidNames), Amount: parse(pick(g.r, []string{"1", "5", "10", "33.333333333", "100", "250", "0.000000001"})),
		DisplayName: "Grant " + g.name(), Type: pick(g.r, []bursar.GrantType{bursar.GrantPaid, bursar.GrantPaid, bursar.GrantPromotional}),
		Metadata: g.metadata(), Cost: bursar.Money{Amount: parse("1"), Currency: "usd"},
	}
	now := g.time(g.known(id))
	if chance(g.r, 3) {
		in.Priority = g.r.IntN(3)
	}
	if chance(g.r, 4) {
		in.EffectiveAt = now + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Second, time.Minute, time.Hour}))))
	} else if chance(g.r, 10) {
		in.EffectiveAt = now - bursar.Time(g.r.Int64N(int64(time.Hour)))
	}
	if chance(g.r, 2) {
		in.ExpireAt = max(now, in.EffectiveAt) + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}))))
	}
	switch g.r.IntN(100) {
	case 0:
		in.CurrencyID = g.currency()
	case 1:
		in.Amount = bursar.Amount{}
	case 2:
		in.Priority = 1001
	case 3:
		in.ExpireAt = now - 1
	}
	return createGrant{in}
}

func genVoid(g *gen) action {
	id := g.customer()
	c := g.known(id)
	if len(c.grants) == 0 || chance(g.r, 30) {
		return voidGrant{id, -1}
	}
	from := 0
	if !chance(g.r, 5) {
		from = max(0, len(c.grants)-8)
	}
	return voidGrant{id, from + g.r.IntN(len(c.grants)-from)}
}

func genListGrants(g *gen) action {
	q := ledger.GrantQuery{ListPage: g.page()}
	if chance(g.r, 2) {
		q.CurrencyID = pick(g.r, currencyNames)
	}
	return listGrants{g.customer(), q}
}

// genConsumption reports what was consumed of currencies.
func genConsumption(g *gen) action {
	var in []bursar.UsageInput
	first := g.customer()
	for range 1 + max(0, g.r.IntN(8)-5) {
		id := first
		if chance(g.r, 3) {
			id = g.customer()
		}
		if len(in) > 0 && chance(g.r, 10) {
			in = append(in, pick(g.r, in))
			continue
		}
		if item := g.again(id); item != nil && item.usage != nil && item.usage.CurrencyID != "" && chance(g.r, 8) {
			in = append(in, *item.usage)
			continue
		}
		c := g.known(id)
		x := bursar.UsageInput{
			CustomerID: id, CurrencyID: g.currency(), Value: g.amount(), Behavior: bursar.Delta, Dimensions: g.dims(c),
			IdempotencyKey: g.key(), Timestamp: g.timestamp(g.time(c)),
		}
		if chance(g.r, 2) {
			x.CurrencyID = pick(g.r, prepaidNames)
		}
		if x.Value.Sign() <= 0 && !chance(g.r, 10) {
			x.Value = parse("2")
		}
		v := x
		g.remember(recentItem{customer: id, usage: &v})
		in = append(in, x)
	}
	return consumeCredits{in}
}
