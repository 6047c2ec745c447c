package webhook

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bursarhq/bursar"
)

const (
	maxName     = 80  // runes of a name in a sentence
	maxSentence = 500 // runes
)

// told is what the sentences use of a message; see the engine for what each type has.
type told struct {
	Timestamp string `json:"timestamp"`
	MessageID string `json:"messageId"`
	// Of a message to people.
	Notification struct {
		Name string `json:"name"`
	} `json:"notification"`
	Data struct {
		CustomerID string `json:"customerId"`
		capability
		Entity struct {
			ID     string `json:"id"`
			TypeID string `json:"entityTypeId"`
		} `json:"entity"`
		EntityType struct {
			ID string `json:"id"`
		} `json:"entityType"`
		Entitlement struct {
			capability
			EntityID string       `json:"entityId"`
			Limit    *json.Number `json:"usageLimit"`
			Scope    []string     `json:"scopeEntityIds"`
			Label    string       `json:"label"`
		} `json:"entitlement"`
		Scope     []string     `json:"scopeEntityIds"`
		Label     string       `json:"label"`
		Percent   *json.Number `json:"usageUsedPercentage"`
		Used      json.Number  `json:"currentUsage"`
		Limit     *json.Number `json:"usageLimit"`
		PeriodEnd string       `json:"usagePeriodEnd"`
		Amount    json.Number  `json:"amount"`
		Balance   json.Number  `json:"balance"`
		Levels    []int        `json:"levels"`
		OnExpire  string       `json:"onExpire"`
		Reason    string       `json:"reason"`
		Currency  string       `json:"creditCurrency"`
		Threshold int          `json:"thresholdPercentage"`
		Remaining json.Number  `json:"remainingBalance"`
		Denied    []string     `json:"deniedEntityIds"`
		Asked     json.Number  `json:"requestedUsage"`
		MayNot    bool         `json:"mayNotDecide"`
		Request   struct {
			ID          string      `json:"id"`
			Amount      json.Number `json:"amount"`
			Reason      string      `json:"reason"`
			RequestedBy string      `json:"requestedBy"`
			DecidedBy   string      `json:"decidedBy"`
			Note        string      `json:"note"`
			Approved    json.Number `json:"approvedAmount"`
		} `json:"boostRequest"`
	} `json:"data"`
}

type capability struct {
	FeatureID  string `json:"featureId"`
	CurrencyID string `json:"currencyId"`
}

func (c capability) name() string { return clean(c.FeatureID + c.CurrencyID) }

// read takes from a body what it can.
func read(body []byte) (t told) {
	_ = json.Unmarshal(body, &t) // a member of another type is left out, the rest is read
	return t
}

// sentence tells a person in one line what happened. It has no control characters, ends
// without a full stop and is at most 500 characters long, whatever the names in the body.
func sentence(eventType string, body []byte) string {
	t := read(body)
	return clip(said(eventType, &t), maxSentence)
}

func said(eventType string, t *told) string {
	d := &t.Data
	who := clean(d.Entity.ID)
	if d.Entity.TypeID != "" {
		who += " (" + clean(d.Entity.TypeID) + ")"
	}
	customer := clean(d.CustomerID)
	switch eventType {
	case bursar.EventUsageExceeded:
		return who + " used " + usage(t) + resets(d.PeriodEnd)
	case bursar.EventUsageRecovered:
		return who + " is back at " + usage(t) + resets(d.PeriodEnd)
	case bursar.EventEntitlementCreated, bursar.EventEntitlementUpdated, bursar.EventEntitlementDeleted:
		return entitlement(eventType, t)
	case bursar.EventEntityTypeUpdated:
		return "The entity type " + clean(d.EntityType.ID) + " was updated"
	case bursar.EventEntityCreated, bursar.EventEntityUpdated, bursar.EventEntityArchived:
		return who + " of " + customer + " was " + eventType[strings.LastIndexByte(eventType, '.')+1:]
	case bursar.EventEntityFrozen:
		return who + " of " + customer + " was frozen: " + unlinked(d.Reason)
	case bursar.EventEntityThawed:
		return who + " of " + customer + " is frozen no more"
	case bursar.EventCustomerFrozen:
		return customer + " was frozen: " + unlinked(d.Reason)
	case bursar.EventCustomerThawed:
		return customer + " is frozen no more"
	case bursar.EventCreditsGranted:
		return fmt.Sprintf("%s was granted %s %s · balance %s", customer, clip(string(d.Amount), maxName), d.name(), clip(string(d.Balance), maxName))
	case bursar.EventCreditsExpired:
		return fmt.Sprintf("%s %s of %s expired · balance %s", clip(string(d.Amount), maxName), d.name(), customer, clip(string(d.Balance), maxName))
	case bursar.EventGrantDepleted:
		return fmt.Sprintf("A grant of %s to %s is used up · balance %s", d.name(), customer, clip(string(d.Balance), maxName))
	case bursar.EventCreditsLow:
		return low(t)
	case bursar.EventBalanceDepleted:
		return fmt.Sprintf("%s has no %s left · balance %s", customer, clean(d.Currency), clip(string(d.Remaining), maxName))
	case bursar.EventBalanceLow:
		return fmt.Sprintf("%s has %d %% or less of its %s left · balance %s", customer, d.Threshold, clean(d.Currency), clip(string(d.Remaining), maxName))
	case bursar.EventGrantLow:
		return fmt.Sprintf("A grant of %s to %s has %d %% or less left · balance %s", clean(d.Currency), customer, d.Threshold, clip(string(d.Remaining), maxName))
	case bursar.EventReservationExpired:
		became := "released"
		if d.OnExpire == string(bursar.ExpireSettle) {
			became = "charged"
		}
		return fmt.Sprintf("A reservation of %s %s by %s expired and was %s", clip(string(d.Amount), maxName), d.name(), customer, became)
	case bursar.EventBoostRequested, bursar.EventBoostApproved, bursar.EventBoostDeclined:
		return requested(eventType, who, t)
	case bursar.EventDenied:
		return denied(who, t)
	case bursar.EventTest:
		if t.Notification.Name != "" {
			return "A test of a notification: its messages reach you"
		}
		return "A test of this endpoint: Bursar can reach it"
	}
	if customer != "" {
		return clean(eventType) + " · " + customer
	}
	return clean(eventType)
}

// quote is what somebody wrote of what happened, to be shown apart from what Bursar says; "" = nobody wrote anything.
func quote(eventType string, t *told) string {
	what, text := "Note", t.Data.Request.Note
	switch eventType {
	case bursar.EventBoostRequested:
		what, text = "Reason", t.Data.Request.Reason
	case bursar.EventBoostApproved, bursar.EventBoostDeclined:
	default:
		return ""
	}
	if text = unlinked(text); text == "" {
		return ""
	}
	return what + ": “" + strings.NewReplacer("“", `"`, "”", `"`).Replace(text) + "”"
}

// requested is "ann@acme asks for 5 more calls for bob (user) · used 10 of 10".
func requested(eventType, who string, t *told) string {
	d, r := &t.Data, &t.Data.Request
	limit := d.name() + within(d.Scope, d.Label)
	used := " · used " + clip(string(d.Used), maxName)
	if d.Limit != nil {
		used += " of " + clip(string(*d.Limit), maxName)
	}
	switch eventType {
	case bursar.EventBoostApproved:
		return fmt.Sprintf("%s is given %s more %s by %s", who, clip(string(r.Approved), maxName), limit, clean(r.DecidedBy)) + used
	case bursar.EventBoostDeclined:
		return fmt.Sprintf("%s is given no more %s by %s", who, limit, clean(r.DecidedBy)) + used
	}
	return fmt.Sprintf("%s asks for %s more %s for %s", clean(r.RequestedBy), clip(string(r.Amount), maxName), limit, who) + used
}

// denied is "bob, a was stopped by search (team): 5 more does not fit. It used 98 % of its credits limit:
// 490 of 500 · resets 2026-12-01".
func denied(who string, t *told) string {
	d := &t.Data
	whom := make([]string, 0, 3)
	for _, id := range d.Denied[:min(len(d.Denied), 3)] {
		whom = append(whom, clean(id))
	}
	s := strings.Join(whom, ", ")
	if s == "" {
		s = "A request"
	}
	return s + " was stopped by " + who + ": " + clip(string(d.Asked), maxName) + " more does not fit. It used " + usage(t) + resets(d.PeriodEnd)
}

// usage is "102.5 % of its credits limit: 512.5 of 500".
func usage(t *told) string {
	d := &t.Data
	limit := d.name() + " limit" + within(d.Scope, d.Label)
	used := clip(string(d.Used), maxName)
	switch {
	case d.Limit == nil:
		return used + " of " + d.name() + within(d.Scope, d.Label) + ", which has no limit now"
	case d.Percent == nil:
		return used + " although its " + limit + " is " + clip(string(*d.Limit), maxName)
	}
	return fmt.Sprintf("%s %% of its %s: %s of %s", clip(string(*d.Percent), maxName), limit, used, clip(string(*d.Limit), maxName))
}

func within(scope []string, label string) (s string) {
	if len(scope) > 0 {
		names := make([]string, 0, 3)
		for _, id := range scope[:min(len(scope), 3)] {
			names = append(names, clean(id))
		}
		if len(scope) > 3 {
			names = append(names, strconv.Itoa(len(scope)-3)+" more")
		}
		s = " for " + strings.Join(names, ", ")
	}
	if label != "" {
		s += " “" + clean(label) + "”"
	}
	return s
}

func resets(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return ""
	}
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return " · resets " + t.Format(time.DateOnly)
	}
	return " · resets " + t.Format("2006-01-02 15:04") + " UTC"
}

func entitlement(eventType string, t *told) string {
	e := &t.Data.Entitlement
	of := e.name() + " limit of " + clean(e.EntityID) + within(e.Scope, e.Label)
	value := "unlimited"
	if e.Limit != nil {
		value = clip(string(*e.Limit), maxName)
	}
	switch eventType {
	case bursar.EventEntitlementDeleted:
		return "The " + of + " was deleted"
	case bursar.EventEntitlementCreated:
		return "The " + of + " was created: " + value
	}
	return "The " + of + " was updated: " + value
}

func low(t *told) string {
	d := &t.Data
	lowest := 100
	for _, l := range d.Levels {
		lowest = min(lowest, l)
	}
	if lowest == 0 {
		return fmt.Sprintf("%s has no %s left · balance %s", clean(d.CustomerID), d.name(), clip(string(d.Balance), maxName))
	}
	return fmt.Sprintf("%s has %d %% or less of its %s left · balance %s", clean(d.CustomerID), lowest, d.name(), clip(string(d.Balance), maxName))
}

// likeURL is a word that readers of mail may make a link of; scheme is what makes others one.
var (
	likeURL = regexp.MustCompile(`(?i)\S*(://|\b(www\.|mailto:))\S*|\S+\.[a-z]{2,}(:[0-9]+)?[/?#]\S*`)
	scheme  = regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:)+//+`)
)

// unlinked is clean of what somebody wrote, without what looks like a URL.
func unlinked(s string) string {
	return clip(likeURL.ReplaceAllString(printable(s), "(link left out)"), maxName)
}

// clean makes a name fit for one line of text: nothing in it breaks the line, hides,
// turns the order of what follows or is a URL with its scheme.
func clean(s string) string { return clip(scheme.ReplaceAllString(printable(s), ""), maxName) }

// printable is s in one line without what does not show.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	return strings.Join(strings.Fields(s), " ")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
