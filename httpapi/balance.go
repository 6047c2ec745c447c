package httpapi

import (
	"github.com/bursarhq/bursar"
)

// creditBalance is the pool of a prepaid currency after a charge.
type creditBalance struct {
	CurrencyID     string         `json:"currencyId"`
	Consumed       *bursar.Amount `json:"consumed,omitempty"`
	CurrentUsage   bursar.Amount  `json:"currentUsage" doc:"All that was consumed."`
	UsageLimit     bursar.Amount  `json:"usageLimit" doc:"All that was granted, less what lapsed."`
	Timestamp      bursar.Time    `json:"timestamp"`
	UsagePeriodEnd *bursar.Time   `json:"usagePeriodEnd" doc:"When the next grant that has credits left expires."`
}

func viewBalance(b *bursar.Balance) *creditBalance {
	if b == nil {
		return nil
	}
	return &creditBalance{CurrencyID: b.CurrencyID, Consumed: b.Consumed, CurrentUsage: b.Used, UsageLimit: b.Limit,
		Timestamp: b.At, UsagePeriodEnd: timeOrNil(b.ExpiresAt)}
}

// cost is what priced usage took of a currency.
type cost struct {
	CurrencyID string        `json:"currencyId"`
	Amount     bursar.Amount `json:"amount"`
}

func viewCosts(costs []bursar.Cost) []cost {
	out := make([]cost, len(costs))
	for i, c := range costs {
		out[i] = cost(c)
	}
	return out
}
