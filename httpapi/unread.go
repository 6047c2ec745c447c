package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

type unreadQuery struct {
	CustomerID *string `query:"customerId" is:"customerId" doc:"Only of this customer's events."`
	freshness
}

// unreadOut is usage that was not understood, or not all of it.
type unreadOut struct {
	EventName string      `json:"eventName" doc:"Empty for all sorts of unread usage of a customer beyond the 50 that are told apart."`
	Model     string      `json:"model" doc:"Empty when it was not told."`
	Members   []string    `json:"members" doc:"The counts that were not understood; an empty list when nothing was."`
	Sample    string      `json:"sample" doc:"What is kept of the first such usage object, with … in place of texts; at most 2000 bytes of it."`
	Count     int64       `json:"count" doc:"Events."`
	FirstSeen bursar.Time `json:"firstSeen"`
	LastSeen  bursar.Time `json:"lastSeen"`
}

// listUnread is one page, the most frequent first.
func (a *API) listUnread(c call, in *unreadQuery) (ledger.Page[bursar.UnreadUsage], uint64, error) {
	return a.engine.Unread(c.ctx, c.options(), orZero(in.CustomerID))
}

// unreadPage is the one page that there is.
type unreadPage struct {
	page[unreadOut]
	Cut bool `json:"cut" doc:"true when there is more: it lists 1,000 sorts of unread usage at most, of the first 100 customers, by id, that have any. Ask for the others by customerId."`
}

func viewUnread(list ledger.Page[bursar.UnreadUsage]) unreadPage {
	out := unreadPage{page[unreadOut]{Data: make([]unreadOut, len(list.Items))}, list.HasNext}
	for i, u := range list.Items {
		members := []string{}
		for _, name := range u.Names {
			if name != "" {
				members = append(members, name)
			}
		}
		out.Data[i] = unreadOut{EventName: u.EventName, Model: u.Model, Members: members, Sample: u.Sample,
			Count: u.Count, FirstSeen: u.FirstSeen, LastSeen: u.LastSeen}
	}
	return out
}

type rereadIn struct {
	From       bursar.Time  `json:"from" is:"required" doc:"Events of [from, to) are read again."`
	To         *bursar.Time `json:"to" doc:"Now when left out."`
	CustomerID *string      `json:"customerId" is:"customerId" doc:"Only this customer's events."`
	Apply      bool         `json:"apply" is:"default=false" doc:"false only tells what would change."`
}

// rereadingOut is what another reading of unread usage changes or, when applied, changed.
type rereadingOut struct {
	rereadOut
	Customers []rereadCustomerOut `json:"customers" doc:"The first 1,000 that have unread usage."`
	Applied   bool                `json:"applied"`
}

type rereadOut struct {
	Events    int                   `json:"events" doc:"Events that were read again."`
	Read      int                   `json:"read" doc:"Of these, events that leave the list: nothing of them is unread any more."`
	Changed   int                   `json:"changed" doc:"Of these, events that count something else."`
	Lost      int                   `json:"lost" doc:"Unread events that cannot be read again, as the log that kept them was cut. They stay as they were counted."`
	Uncounted int                   `json:"uncounted" doc:"Events that a meter cannot count as they are read now, or whose cost is too much to count. They stay as they were counted, and in the list."`
	Changes   []capabilityAmountOut `json:"changes" doc:"By how much totals of features and currencies change."`
}

type rereadCustomerOut struct {
	CustomerID string `json:"customerId"`
	rereadOut
}

func viewReread(c *ledger.RereadCustomer) rereadOut {
	return rereadOut{Events: c.Events, Read: c.Read, Changed: c.Changed, Lost: c.Lost, Uncounted: c.Uncounted, Changes: viewAmounts(c.Changes)}
}

func viewRereading(r *ledger.Rereading) rereadingOut {
	out := rereadingOut{rereadOut: viewReread(&r.Total), Customers: make([]rereadCustomerOut, len(r.Customers)), Applied: r.Applied}
	for i := range r.Customers {
		out.Customers[i] = rereadCustomerOut{r.Customers[i].CustomerID, viewReread(&r.Customers[i])}
	}
	return out
}

// reread is a job as reprice is.
func (a *API) reread(c call, in *rereadIn) (out outOrJob, _ uint64, _ error) {
	if in.To != nil && *in.To <= in.From {
		return out, 0, bursar.ErrorAt("/to", bursar.CodeValidationFailed, "must be after from")
	}
	j, err := a.engine.StartReread(c.ctx, c.by, ledger.RepriceInput{CustomerID: orZero(in.CustomerID), From: in.From, To: orZero(in.To), Apply: in.Apply})
	return a.outcome(c, j, err, func(r *engine.JobResult) any { return viewRereading(r.Rereading) })
}

type usageRuleOut struct {
	Member string `json:"member" is:"required,len=1-400" doc:"Of usage objects, as unread usage names it: with points where it is nested."`
	Kind   string `json:"kind" is:"required,len=1-64" doc:"What it counts, beside all other kinds: one of tokens.… and usage.…, or none for a member that counts nothing of its own."`
}

type usageRulesOut struct {
	Rules []usageRuleOut `json:"rules" is:"required,n=0-100" doc:"All of them."`
}

func viewUsageRules(s bursar.Settings) usageRulesOut {
	out := usageRulesOut{Rules: []usageRuleOut{}}
	for _, r := range s.RulesOfUsage() {
		out.Rules = append(out.Rules, usageRuleOut(r))
	}
	return out
}

func (a *API) getUsageRules(call, *nothing) (bursar.Settings, uint64, error) {
	return a.engine.Catalogue().Settings, 0, nil
}

// putUsageRules replaces all rules.
func (a *API) putUsageRules(c call, in *usageRulesOut) (bursar.Settings, uint64, error) {
	rules := make([]bursar.UsageRule, len(in.Rules))
	for i, r := range in.Rules {
		rules[i] = bursar.UsageRule(r)
	}
	return ofNoCustomer(a.engine.UpdateSettings(c.ctx, c.by, catalogue.SettingsPatch{UsageRules: bursar.Some(rules)}))
}
