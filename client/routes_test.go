package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// TestEveryRoute: the client has a method for each operation of openapi.json, which sends
// it to where the document says, in a form that the server takes: it answers with data or
// with what is missing, never with an unknown field, parameter or path.
func TestEveryRoute(t *testing.T) {
	b, err := os.ReadFile("../httpapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	seen := &recorder{next: w.HTTP.Transport}
	w.HTTP.Transport = seen
	w.Retries = 0
	for path, methods := range doc.Paths {
		below, ok := strings.CutPrefix(path, "/api/v1/")
		if !ok || strings.Contains(path, "/entities/entitlements") || emulated[below] { // other names of the same, and what is for operators
			continue
		}
		for method, o := range methods {
			ask, ok := operations[o.OperationID]
			if !ok {
				t.Errorf("the client has no method for %s, %s %s", o.OperationID, method, path)
				continue
			}
			seen.requests = nil
			ctx, cancel := context.WithCancel(t.Context())
			err := ask(ctx, w.Client)
			cancel()
			if len(seen.requests) != 1 || !matches(seen.requests[0], strings.ToUpper(method), "/api/v1/"+below) {
				t.Errorf("%s sends %v, not %s %s", o.OperationID, seen.requests, method, path)
			}
			var e *client.Error
			if err == nil || errors.As(err, &e) && strings.HasSuffix(string(e.Code), "NotFound") && e.Code != bursar.CodeNotFound {
				continue
			}
			if e != nil && e.Code == bursar.CodeForbidden && o.OperationID == "getOwnBudget" {
				continue // of spend tokens alone, which TestSpendToken has
			}
			if e == nil || e.Code != bursar.CodeValidationFailed && e.Code != bursar.CodeAlreadyExists && e.Status != http.StatusConflict {
				t.Errorf("%s: %v", o.OperationID, err)
			}
		}
	}
}

// emulated are routes of what Bursar does not have, for clients of the reference API.
var emulated = map[string]bool{"credits/auto-recharge": true, "customers/{customerId}/resources": true}

type recorder struct {
	next     http.RoundTripper
	requests []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.requests = append(r.requests, q.Method+" "+q.URL.Path)
	return r.next.RoundTrip(q)
}

// matches compares with a path that has parameters in braces.
func matches(request, method, template string) bool {
	got, want := strings.Split(request, "/"), strings.Split(method+" "+template, "/")
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

const none = "0198c6a2-0000-7000-8000-000000000000" // an id of nothing

// only drops the answer.
func only[T any](_ T, err error) error { return err }

// operations calls each operation of the document once.
var operations = map[string]func(ctx context.Context, c *client.Client) error{
	"upsertEntityTypes": func(ctx context.Context, c *client.Client) error {
		return only(c.PutEntityTypes(ctx, client.EntityTypeInput{ID: "user", DisplayName: "User", AttributionKeys: []string{}, Enrolment: client.Some(bursar.Enrolment{})}))
	},
	"listEntityTypes": func(ctx context.Context, c *client.Client) error {
		return only(c.EntityTypes(ctx, true, client.Paging{Limit: 1}))
	},
	"getSettingsOfEnvironment": func(ctx context.Context, c *client.Client) error { return only(c.Settings(ctx)) },
	"updateSettingsOfEnvironment": func(ctx context.Context, c *client.Client) error {
		no := false
		return only(c.UpdateSettings(ctx, client.SettingsPatch{Strict: &no}))
	},
	"getThresholdsOfNewLimits": func(ctx context.Context, c *client.Client) error { return only(c.ThresholdConfig(ctx)) },
	"setThresholdsOfNewLimits": func(ctx context.Context, c *client.Client) error { return only(c.SetThresholds(ctx, []int{80, 100})) },
	"archiveEntityTypes":       func(ctx context.Context, c *client.Client) error { return c.ArchiveEntityTypes(ctx, "nosuch") },
	"unarchiveEntityTypes": func(ctx context.Context, c *client.Client) error {
		return c.UnarchiveEntityTypes(ctx, "nosuch")
	},
	"createFeature": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateFeature(ctx, client.FeatureInput{ID: "tokens", DisplayName: "Tokens"}))
	},
	"listFeatures": func(ctx context.Context, c *client.Client) error {
		return only(c.Features(ctx, client.FeatureQuery{IDs: []string{"tokens"}, Statuses: []string{"ACTIVE"}}))
	},
	"getFeature": func(ctx context.Context, c *client.Client) error { return only(c.Feature(ctx, "tokens")) },
	"updateFeature": func(ctx context.Context, c *client.Client) error {
		return only(c.UpdateFeature(ctx, "tokens", client.FeaturePatch{DisplayName: client.Some("T"), Units: client.Null[string]()}))
	},
	"archiveFeature":   func(ctx context.Context, c *client.Client) error { return only(c.ArchiveFeature(ctx, "nosuch")) },
	"unarchiveFeature": func(ctx context.Context, c *client.Client) error { return only(c.UnarchiveFeature(ctx, "nosuch")) },
	"createCurrency": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateCurrency(ctx, client.CurrencyInput{ID: "usd", DisplayName: "Dollars"}))
	},
	"listCurrencies": func(ctx context.Context, c *client.Client) error {
		return only(c.Currencies(ctx, "ARCHIVED", client.Paging{}))
	},
	"updateCurrency": func(ctx context.Context, c *client.Client) error {
		return only(c.UpdateCurrency(ctx, "nosuch", client.CurrencyPatch{Symbol: client.Some("$"), Units: client.Some(bursar.Units{Singular: "dollar", Plural: "dollars"})}))
	},
	"archiveCurrency":   func(ctx context.Context, c *client.Client) error { return only(c.ArchiveCurrency(ctx, "nosuch")) },
	"unarchiveCurrency": func(ctx context.Context, c *client.Client) error { return only(c.UnarchiveCurrency(ctx, "nosuch")) },
	"listCurrencyUses":  func(ctx context.Context, c *client.Client) error { return only(c.CurrencyUses(ctx, "nosuch")) },

	"createCustomer": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateCustomer(ctx, client.CustomerInput{ID: "acme"}))
	},
	"listCustomers": func(ctx context.Context, c *client.Client) error {
		return only(c.Customers(ctx, client.CustomerQuery{Search: "ac", ArchivedToo: true}))
	},
	"getCustomer": func(ctx context.Context, c *client.Client) error { return only(c.Customer(ctx, "acme")) },
	"updateCustomer": func(ctx context.Context, c *client.Client) error {
		return only(c.UpdateCustomer(ctx, "acme", client.CustomerPatch{Name: client.Some("Acme"), Timezone: client.Null[string]()}))
	},
	"archiveCustomer":   func(ctx context.Context, c *client.Client) error { return only(c.ArchiveCustomer(ctx, "nosuch")) },
	"unarchiveCustomer": func(ctx context.Context, c *client.Client) error { return only(c.UnarchiveCustomer(ctx, "nosuch")) },

	"createRateCard": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateRateCard(ctx, client.RateCardInput{ID: "card", CurrencyID: "nosuch", DisplayName: "C", Rates: []client.Rate{{FeatureID: "tokens", Amount: tokens(1)}}}))
	},
	"listRateCards": func(ctx context.Context, c *client.Client) error {
		return only(c.RateCards(ctx, client.RateCardQuery{}))
	},
	"listUnreadUsage":   func(ctx context.Context, c *client.Client) error { return only(c.UnreadUsage(ctx, "nosuch")) },
	"getUsageRules":     func(ctx context.Context, c *client.Client) error { return only(c.UsageRules(ctx)) },
	"replaceUsageRules": func(ctx context.Context, c *client.Client) error { return only(c.ReplaceUsageRules(ctx)) },
	"repriceUnreadUsage": func(ctx context.Context, c *client.Client) error {
		return only(c.RepriceUnread(ctx, client.RepriceInput{From: bursar.Time(0), CustomerID: "nosuch"}, nil))
	},
	"listUnpricedUsage": func(ctx context.Context, c *client.Client) error { return only(c.Unpriced(ctx)) },
	"getRateCard":       func(ctx context.Context, c *client.Client) error { return only(c.RateCard(ctx, "nosuch")) },
	"createRateCardVersion": func(ctx context.Context, c *client.Client) error {
		return only(c.AddRateVersion(ctx, "nosuch", client.RateVersionInput{Rates: []client.Rate{{FeatureID: "tokens", Amount: tokens(1)}}}))
	},
	"listRateCardVersions": func(ctx context.Context, c *client.Client) error {
		return only(c.RateVersions(ctx, "nosuch", client.Paging{}))
	},
	"archiveRateCard": func(ctx context.Context, c *client.Client) error { return only(c.ArchiveRateCard(ctx, "nosuch")) },
	"repriceRateCard": func(ctx context.Context, c *client.Client) error {
		return only(c.Reprice(ctx, "nosuch", client.RepriceInput{From: bursar.Time(0)}, nil))
	},

	"createGrant": func(ctx context.Context, c *client.Client) error {
		return only(c.GrantCredits(ctx, client.GrantInput{CustomerID: "acme", CurrencyID: "nosuch", Amount: tokens(1), DisplayName: "G", Type: "PAID"}))
	},
	"listGrants": func(ctx context.Context, c *client.Client) error {
		return only(c.Grants(ctx, client.GrantQuery{CustomerID: "acme"}))
	},
	"voidGrant": func(ctx context.Context, c *client.Client) error { return only(c.VoidGrant(ctx, none)) },
	"listLedgerEntries": func(ctx context.Context, c *client.Client) error {
		return only(c.Ledger(ctx, client.LedgerQuery{CustomerID: "acme"}))
	},
	"getCreditUsage": func(ctx context.Context, c *client.Client) error {
		return only(c.CreditUsage(ctx, client.CreditUsageQuery{CustomerID: "acme"}))
	},
	"reportCreditConsumption": func(ctx context.Context, c *client.Client) error {
		return only(c.ConsumeCredits(ctx, client.ConsumptionInput{CustomerID: "acme", CurrencyID: "nosuch", Amount: tokens(1), IdempotencyKey: "k"}))
	},
	"reportCreditConsumptions": func(ctx context.Context, c *client.Client) error {
		return only(c.ConsumeCreditsAsync(ctx, client.ConsumptionInput{CustomerID: "acme", CurrencyID: "nosuch", Amount: tokens(1), IdempotencyKey: "k"}))
	},

	"upsertPromotionalEntitlements": func(ctx context.Context, c *client.Client) error {
		return only(c.PutPromotions(ctx, "acme", client.PromotionInput{FeatureID: "tokens", Unlimited: true, Period: "1 week"}))
	},
	"listPromotionalEntitlements": func(ctx context.Context, c *client.Client) error {
		return only(c.Promotions(ctx, "acme", client.Paging{}))
	},
	"deletePromotionalEntitlement": func(ctx context.Context, c *client.Client) error {
		return only(c.DeletePromotion(ctx, "acme", "nosuch"))
	},
	"listEntitlements": func(ctx context.Context, c *client.Client) error { return only(c.Entitlements(ctx, "acme")) },

	"listEntities": func(ctx context.Context, c *client.Client) error {
		return only(c.Entities(ctx, "acme", client.EntityQuery{EntityTypeID: "agent", ParentID: "t", Search: "a", ArchivedToo: true}))
	},
	"upsertEntities": func(ctx context.Context, c *client.Client) error {
		return only(c.PutEntities(ctx, "acme", client.EntityInput{ID: "a", DisplayName: "A"}))
	},
	"getEntity": func(ctx context.Context, c *client.Client) error { return only(c.Entity(ctx, "acme", "a")) },
	"updateEntity": func(ctx context.Context, c *client.Client) error {
		return only(c.UpdateEntity(ctx, "acme", "a", client.EntityPatch{DisplayName: client.Null[string](), ParentID: client.Some("t")}))
	},
	"freezeEntity": func(ctx context.Context, c *client.Client) error {
		return only(c.FreezeEntity(ctx, "acme", "nosuch", "a test"))
	},
	"thawEntity": func(ctx context.Context, c *client.Client) error { return only(c.ThawEntity(ctx, "acme", "nosuch")) },
	"freezeCustomer": func(ctx context.Context, c *client.Client) error {
		return only(c.FreezeCustomer(ctx, "nosuch", "a test"))
	},
	"thawCustomer": func(ctx context.Context, c *client.Client) error { return only(c.ThawCustomer(ctx, "nosuch")) },
	"listFreezes": func(ctx context.Context, c *client.Client) error {
		return only(c.Freezes(ctx, "acme", client.Paging{Limit: 1}))
	},
	"archiveEntities": func(ctx context.Context, c *client.Client) error {
		return only(c.ArchiveEntities(ctx, "acme", client.ArchiveInput{IDs: []string{"t"}, Descendants: true, DryRun: true}))
	},
	"unarchiveEntities": func(ctx context.Context, c *client.Client) error { return c.UnarchiveEntities(ctx, "acme", "nosuch") },
	"getEntityUsage": func(ctx context.Context, c *client.Client) error {
		start := bursar.Time(1_700_000_000_000)
		return only(c.EntityUsage(ctx, "acme", "a", client.HistoryQuery{FeatureID: "tokens", Start: &start, Granularity: "MONTH", Timezone: "Asia/Tokyo", GroupBy: []string{"$child"}}))
	},
	"getCustomerUsage": func(ctx context.Context, c *client.Client) error {
		start := bursar.Time(1_700_000_000_000)
		return only(c.CustomerUsage(ctx, "acme", client.HistoryQuery{FeatureID: "tokens", Start: &start, Granularity: "MONTH", Timezone: "Asia/Tokyo", GroupBy: []string{"agentId"}}))
	},
	"listForecasts": func(ctx context.Context, c *client.Client) error {
		return only(c.Forecasts(ctx, "acme", client.ForecastQuery{FeatureID: "tokens", Cadence: "P1M", RootEntityID: "a", Limit: 5}))
	},

	"listDefaultLimits": func(ctx context.Context, c *client.Client) error {
		return only(c.Defaults(ctx, "acme", client.Paging{Limit: 1}))
	},
	"upsertDefaultLimits": func(ctx context.Context, c *client.Client) error {
		return only(c.PutDefaults(ctx, "acme", client.DefaultInput{EntityTypeID: "agent", FeatureID: "tokens", UsageLimit: client.Some(tokens(100)), Cadence: "P1D", Label: "daily",
			Metadata: map[string]string{"kind": "contractor"}}))
	},
	"listDegradePolicies": func(ctx context.Context, c *client.Client) error {
		return only(c.DegradePolicies(ctx, "acme", client.Paging{Limit: 1}))
	},
	"upsertDegradePolicies": func(ctx context.Context, c *client.Client) error {
		return only(c.PutDegradePolicies(ctx, "acme", client.DegradePolicyInput{EntityID: "a", FeatureID: "tokens", Steps: []client.DegradeStep{
			{AtPercent: 80, Level: bursar.AdviceWindDown, Models: map[string]string{"gpt-5": "gpt-5-mini"}, MaxTokens: 1024, Tools: new(false), Message: "be brief"}}}))
	},
	"deleteDegradePolicy": func(ctx context.Context, c *client.Client) error {
		return only(c.DeleteDegradePolicy(ctx, "acme", "01940000-0000-7000-8000-000000000000"))
	},
	"listNotifications": func(ctx context.Context, c *client.Client) error {
		return only(c.Notifications(ctx, "acme", client.Paging{Limit: 1}))
	},
	"upsertNotifications": func(ctx context.Context, c *client.Client) error {
		return only(c.PutNotifications(ctx, "acme", client.NotificationInput{EntityID: "a", Name: "Budgets", Emails: []string{"ann@acme.example"},
			SlackURLs: []string{"https://hooks.slack.com/services/x"}, Thresholds: []int{80}, Denials: true, BoostRequests: true}))
	},
	"getNotification": func(ctx context.Context, c *client.Client) error { return only(c.Notification(ctx, "acme", none)) },
	"deleteNotification": func(ctx context.Context, c *client.Client) error {
		return only(c.DeleteNotification(ctx, "acme", none))
	},
	"testNotification": func(ctx context.Context, c *client.Client) error { return only(c.TestNotification(ctx, "acme", none)) },
	"listNotificationDeliveries": func(ctx context.Context, c *client.Client) error {
		return only(c.NotificationDeliveries(ctx, "acme", none, "FAILED", client.Paging{}))
	},
	"redeliverToRecipient": func(ctx context.Context, c *client.Client) error {
		return only(c.RedeliverNotification(ctx, "acme", none, none))
	},
	"deleteDefaultLimit": func(ctx context.Context, c *client.Client) error {
		return only(c.DeleteDefault(ctx, "acme", "01940000-0000-7000-8000-000000000000"))
	},
	"listAssignments": func(ctx context.Context, c *client.Client) error {
		return only(c.Assignments(ctx, "acme", client.AssignmentQuery{EntityID: "a", FeatureID: "tokens"}))
	},
	"upsertAssignments": func(ctx context.Context, c *client.Client) error {
		return only(c.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "a", FeatureID: "tokens", UsageLimit: client.Some(tokens(100)), Cadence: "P1D", Label: "daily"}))
	},
	"getAssignment":    func(ctx context.Context, c *client.Client) error { return only(c.Assignment(ctx, "acme", none)) },
	"deleteAssignment": func(ctx context.Context, c *client.Client) error { return only(c.DeleteAssignment(ctx, "acme", none)) },
	"createBoost": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateBoost(ctx, "acme", none, client.BoostInput{Amount: tokens(1)}))
	},
	"listBoosts": func(ctx context.Context, c *client.Client) error {
		return only(c.Boosts(ctx, "acme", none, client.Paging{}))
	},
	"endBoost": func(ctx context.Context, c *client.Client) error { return only(c.EndBoost(ctx, "acme", none, none)) },
	"createBoostRequest": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateBoostRequest(ctx, "acme", client.BoostRequestInput{AssignmentID: none, Amount: tokens(1)}))
	},
	"listBoostRequests": func(ctx context.Context, c *client.Client) error {
		return only(c.BoostRequests(ctx, "acme", client.BoostRequestQuery{Status: bursar.BoostRequestOpen, EntityID: "a"}))
	},
	"getBoostRequest": func(ctx context.Context, c *client.Client) error { return only(c.BoostRequest(ctx, "acme", none)) },
	"approveBoostRequest": func(ctx context.Context, c *client.Client) error {
		return only(c.ApproveBoostRequest(ctx, "acme", none, client.BoostApproval{Note: "yes"}))
	},
	"declineBoostRequest": func(ctx context.Context, c *client.Client) error {
		return only(c.DeclineBoostRequest(ctx, "acme", none, "no"))
	},
	"withdrawBoostRequest": func(ctx context.Context, c *client.Client) error {
		return only(c.WithdrawBoostRequest(ctx, "acme", none))
	},
	"getCoverage": func(ctx context.Context, c *client.Client) error {
		return only(c.Coverage(ctx, "acme", 0))
	},
	"listAllocations": func(ctx context.Context, c *client.Client) error {
		return only(c.Allocations(ctx, "acme", client.AllocationQuery{FeatureID: "tokens"}))
	},
	"simulateLimits": func(ctx context.Context, c *client.Client) error {
		return only(c.Simulate(ctx, "acme", client.SimulateInput{StartDate: bursar.Time(1_700_000_000_000),
			Assignments: []client.AssignmentInput{{EntityID: "a", FeatureID: "tokens", UsageLimit: client.Some(tokens(1)), Cadence: "P1D"}}}))
	},

	"checkEntitlement": func(ctx context.Context, c *client.Client) error {
		return only(c.Check(ctx, "acme", client.CheckInput{FeatureID: "tokens", Dimensions: ofAgent}))
	},
	"checkEntitlements": func(ctx context.Context, c *client.Client) error {
		return only(c.Checks(ctx, "acme", client.CheckItem{FeatureID: "tokens", Dimensions: ofAgent}))
	},
	"reportUsage": func(ctx context.Context, c *client.Client) error {
		return only(c.ReportUsage(ctx, client.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(1), Dimensions: ofAgent}))
	},
	"estimateUsage": func(ctx context.Context, c *client.Client) error {
		return only(c.EstimateUsage(ctx, client.EstimateUsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(1)}))
	},
	"reportEvents": func(ctx context.Context, c *client.Client) error {
		return only(c.ReportEvents(ctx, client.EventInput{CustomerID: "nosuch", EventName: "llm", IdempotencyKey: "e"}))
	},
	"estimateEvent": func(ctx context.Context, c *client.Client) error {
		return only(c.EstimateEvent(ctx, client.EstimateEventInput{CustomerID: "nosuch", EventName: "llm"}))
	},
	"consume": func(ctx context.Context, c *client.Client) error { return only(c.Consume(ctx, "acme", spend(1, "c"))) },
	"createReservation": func(ctx context.Context, c *client.Client) error {
		return only(c.Reserve(ctx, "acme", client.ReserveInput{SpendInput: spend(1, "r"), TTLSeconds: 5}))
	},
	"listReservations": func(ctx context.Context, c *client.Client) error {
		return only(c.Reservations(ctx, "acme", client.ReservationQuery{Status: bursar.HoldOpen, EntityID: "a"}))
	},
	"getReservation":     func(ctx context.Context, c *client.Client) error { return only(c.Reservation(ctx, "acme", none)) },
	"commitReservation":  func(ctx context.Context, c *client.Client) error { return only(c.Commit(ctx, "acme", none, tokens(1))) },
	"releaseReservation": func(ctx context.Context, c *client.Client) error { return only(c.Release(ctx, "acme", none)) },
	"extendReservation":  func(ctx context.Context, c *client.Client) error { return only(c.Extend(ctx, "acme", none, 60)) },

	"getGovernanceTree": func(ctx context.Context, c *client.Client) error {
		return only(c.Tree(ctx, "acme", client.TreeQuery{FeatureIDs: []string{"tokens"}}))
	},
	"streamGovernanceTree": func(ctx context.Context, c *client.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel() // it would wait for a change
		for _, err := range c.Stream(ctx, "acme", client.TreeQuery{FeatureIDs: []string{"tokens"}}, "") {
			if !errors.Is(err, context.Canceled) {
				return err
			}
		}
		return nil
	},
	"listDenials": func(ctx context.Context, c *client.Client) error {
		return only(c.DenialPage(ctx, "acme", client.DenialQuery{EntityID: "red", Paging: client.Paging{Limit: 5}}))
	},
	"summariseDenials": func(ctx context.Context, c *client.Client) error {
		return only(c.DenialSummary(ctx, "acme", client.DenialQuery{EntityID: "red"}, true))
	},
	"explainDecision": func(ctx context.Context, c *client.Client) error {
		return only(c.Explain(ctx, "acme", client.CheckItem{FeatureID: "tokens", Dimensions: ofAgent}))
	},
	"getOverview": func(ctx context.Context, c *client.Client) error { return only(c.Overview(ctx)) },
	"getUsageHistory": func(ctx context.Context, c *client.Client) error {
		start := bursar.Time(1_700_000_000_000)
		return only(c.UsageHistory(ctx, "acme", client.HistoryQuery{FeatureID: "tokens", Start: &start, Granularity: "MONTH"}))
	},
	"listActivity": func(ctx context.Context, c *client.Client) error {
		return only(c.Activity(ctx, "acme", client.ActivityQuery{EntityID: "a", Paging: client.Paging{Limit: 3}}))
	},

	"createApiKey": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateAPIKey(ctx, client.APIKeyInput{Name: "n", Scope: "read"}))
	},
	"listApiKeys":  func(ctx context.Context, c *client.Client) error { return only(c.APIKeys(ctx, client.Paging{})) },
	"revokeApiKey": func(ctx context.Context, c *client.Client) error { return only(c.RevokeAPIKey(ctx, none)) },
	"createAccessToken": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateAccessToken(ctx, "acme", client.AccessTokenInput{RootEntityID: "t", Permissions: []string{"read"}, TTLSeconds: 60, Subject: "ann"}))
	},
	"createSpendToken": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateSpendToken(ctx, "acme", client.SpendTokenInput{Label: "run", Entities: map[string]string{"agentId": "a"}, Models: []string{"m"}, Caps: []client.SpendCap{{FeatureID: "tokens", Amount: bursar.AmountFromInt(5)}}}))
	},
	"listSpendTokens": func(ctx context.Context, c *client.Client) error {
		return only(c.SpendTokens(ctx, "acme", client.Paging{}))
	},
	"revokeSpendToken": func(ctx context.Context, c *client.Client) error { return only(c.RevokeSpendToken(ctx, "acme", none)) },
	"revokeShownSpendToken": func(ctx context.Context, c *client.Client) error {
		return only(c.RevokeSpendText(ctx, "acme", "bst_none"))
	},
	"getOwnBudget":      func(ctx context.Context, c *client.Client) error { return only(c.OwnBudget(ctx)) },
	"revokeAccessToken": func(ctx context.Context, c *client.Client) error { return c.RevokeAccessToken(ctx, "acme", none) },

	"createWebhook": func(ctx context.Context, c *client.Client) error {
		return only(c.CreateWebhook(ctx, client.WebhookInput{URL: "https://example.com/hook"}))
	},
	"listWebhooks": func(ctx context.Context, c *client.Client) error { return only(c.Webhooks(ctx, client.Paging{})) },
	"getWebhook":   func(ctx context.Context, c *client.Client) error { return only(c.Webhook(ctx, none)) },
	"updateWebhook": func(ctx context.Context, c *client.Client) error {
		return only(c.UpdateWebhook(ctx, none, client.WebhookPatch{}))
	},
	"deleteWebhook": func(ctx context.Context, c *client.Client) error { return only(c.DeleteWebhook(ctx, none)) },
	"rotateWebhookSecret": func(ctx context.Context, c *client.Client) error {
		return only(c.RotateWebhookSecret(ctx, none))
	},
	"testWebhook": func(ctx context.Context, c *client.Client) error { return only(c.TestWebhook(ctx, none)) },
	"listDeliveries": func(ctx context.Context, c *client.Client) error {
		return only(c.Deliveries(ctx, none, "FAILED", client.Paging{}))
	},
	"redeliverMessage": func(ctx context.Context, c *client.Client) error { return only(c.Redeliver(ctx, none, none)) },

	"listJobs": func(ctx context.Context, c *client.Client) error {
		return only(c.Jobs(ctx, true, client.Paging{Limit: 1}))
	},
	"getJob":    func(ctx context.Context, c *client.Client) error { return only(c.Job(ctx, none)) },
	"cancelJob": func(ctx context.Context, c *client.Client) error { return only(c.CancelJob(ctx, none)) },
}
