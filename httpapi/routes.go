package httpapi

import (
	"slices"
	"strings"
)

// row is one row of the table.
type row struct {
	method, pattern string
	bases           []string
	access          access
	status          int // of success
	operation
	summary string
}

// route is a row, with what follows from it.
type route struct {
	row
	customer bool // the first path parameter is a customer
	denies   bool // an unknown customer is a denial here, not an error
}

// changes tells that the route writes: it is no question, and none of scope read may use it.
func (r *route) changes() bool {
	return r.method != "GET" && r.access != open && r.access&accessRead == 0
}

// Where a route is served. The reference API has its governance routes under the beta
// base; both bases answer alike.
var (
	v1     = []string{"/api/v1"}
	both   = []string{"/api/v1", "/api/v1-beta"}
	noBase = []string{""}
)

// routes is every route. A row reads: where it is, who may call it, its status of
// success, what it does, in a few words. Names in braces are path parameters.
func (a *API) routes() []*route {
	rows := slices.Concat(a.catalogueRoutes(), a.moneyRoutes(), a.governanceRoutes(),
		a.limitRoutes(assignments, write(a.putAssignments, viewEach(viewAssignment))),
		a.limitRoutes(entitlement, write(a.putEntitlements, viewEach(viewAssignment))),
		a.runtimeRoutes(), a.operationRoutes())
	routes := make([]*route, len(rows))
	for i, r := range rows {
		routes[i] = newRoute(r)
	}
	return routes
}

// newRoute is the route of a row. It panics when the row contradicts its operation, which
// every start and every test would show.
func newRoute(r row) *route {
	rt := &route{row: r, customer: strings.Contains(r.pattern, "{customerId}"), denies: strings.HasPrefix(r.pattern, entitlements)}
	if rt.changes() != r.writes {
		panic("httpapi: " + r.method + " " + r.pattern + ": what changes something is a write or a report, and nothing else is")
	}
	var names []string
	for segment := range strings.SplitSeq(r.pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, name[:len(name)-1])
		}
	}
	if !slices.Equal(names, r.shape.paths) {
		panic("httpapi: " + r.method + " " + r.pattern + ": its input has other parameters of the path, or has them in another order")
	}
	return rt
}

// Patterns that many routes share.
const (
	currency      = "/credits/custom-currencies/{currencyId}"
	rateCard      = "/rate-cards/{rateCardId}"
	customer      = "/customers/{customerId}"
	promotions    = customer + "/promotional-entitlements"
	entitlements  = customer + "/entitlements"
	assignments   = customer + "/assignments"
	entitlement   = customer + "/entities/entitlements" // an older name of the same
	defaults      = customer + "/default-limits"
	degrades      = customer + "/degrade-policies"
	notifications = customer + "/notifications"
	notification  = notifications + "/{notificationId}"
	boosts        = "/{assignmentId}/boosts"
	boostRequests = customer + "/boost-requests"
	boostRequest  = boostRequests + "/{boostRequestId}"
	reservations  = customer + "/reservations"
	reservation   = reservations + "/{reservationId}"
	webhook       = "/webhooks/{webhookId}"
	accessTokens  = customer + "/access-tokens"
	spendTokens   = customer + "/spend-tokens"

	ownBudgetPattern = "/spend-token"

	jobsPattern   = "/jobs"
	streamPattern = customer + "/governance/stream"
)

func (a *API) catalogueRoutes() []row {
	return []row{
		{"GET", "/entity-types", both, shows, 200, rows(entityTypeAt, a.listEntityTypes, viewEntityType), "List entity types"},
		{"PUT", "/entity-types", both, writes, 200, write(a.putEntityTypes, viewEach(viewEntityType)), "Upsert entity types"},
		{"POST", "/entity-types/archive", both, writes, 200, write(a.archiveEntityTypes, viewIDs), "Archive entity types"},
		{"POST", "/entity-types/unarchive", both, writes, 200, write(a.unarchiveEntityTypes, viewIDs), "Unarchive entity types"},

		{"GET", "/settings", v1, reads, 200, read(a.getSettings, viewSettings), "Get the settings of the environment"},
		{"GET", "/governance/threshold-config", both, reads, 200, read(a.getThresholds, viewThresholds), "Get the thresholds of new limits"},
		{"PATCH", "/governance/threshold-config", both, writes, 200, write(a.patchThresholds, viewThresholds), "Set the thresholds of new limits"},
		{"PATCH", "/settings", v1, writes, 200, write(a.patchSettings, viewSettings), "Update the settings of the environment"},

		{"POST", "/features", v1, writes, 201, write(a.createFeature, viewFeature), "Create a feature"},
		{"GET", "/features", v1, shows, 200, rows(featureAt, a.listFeatures, viewFeature), "List features"},
		{"GET", "/features/{featureId}", v1, shows, 200, read(a.getFeature, viewFeature), "Get a feature"},
		{"PATCH", "/features/{featureId}", v1, writes, 200, write(a.patchFeature, viewFeature), "Update a feature"},
		{"POST", "/features/{featureId}/archive", v1, writes, 200, write(a.archiveFeature, viewFeature), "Archive a feature"},
		{"POST", "/features/{featureId}/unarchive", v1, writes, 200, write(a.unarchiveFeature, viewFeature), "Unarchive a feature"},

		{"POST", "/credits/custom-currencies", v1, writes, 201, write(a.createCurrency, viewCurrency), "Create a currency"},
		{"GET", "/credits/custom-currencies", v1, shows, 200, rows(currencyAt, a.listCurrencies, viewCurrency), "List currencies"},
		{"PATCH", currency, v1, writes, 200, write(a.patchCurrency, viewCurrency), "Update a currency"},
		{"POST", currency + "/archive", v1, writes, 200, write(a.archiveCurrency, viewCurrency), "Archive a currency"},
		{"POST", currency + "/unarchive", v1, writes, 200, write(a.unarchiveCurrency, viewCurrency), "Unarchive a currency"},
		{"GET", currency + "/associated-entities", v1, reads, 200, read(a.currencyUsers, viewEach(viewAssociated)), "List currency uses: what is measured in it"},

		{"POST", "/customers", v1, writes, 201, write(a.createCustomer, viewCustomer), "Create a customer"},
		{"GET", "/customers", v1, reads, 200, list(customerAt, a.listCustomers, viewCustomer), "List customers"},
		{"GET", customer, v1, shows, 200, read(a.getCustomer, viewCustomer), "Get a customer"},
		{"PATCH", customer, v1, writes, 200, write(a.patchCustomer, viewCustomer), "Update a customer"},
		{"POST", customer + "/archive", v1, writes, 200, write(a.archiveCustomer, viewCustomer), "Archive a customer"},
		{"POST", customer + "/unarchive", v1, writes, 200, write(a.unarchiveCustomer, viewCustomer), "Unarchive a customer"},
		{"POST", customer + "/freeze", v1, writes, 200, write(a.freezeCustomer, viewFreezing), "Freeze a customer: deny all that would be granted"},
		{"POST", customer + "/thaw", v1, writes, 200, write(a.thawCustomer, viewFreezing), "Thaw a customer"},
	}
}

func (a *API) moneyRoutes() []row {
	return []row{
		{"POST", "/rate-cards", v1, writes, 201, write(a.createRateCard, viewRateCard), "Create a rate card"},
		{"GET", "/rate-cards", v1, reads, 200, rows(rateCardAt, a.listRateCards, viewRateCard), "List rate cards"},
		{"GET", "/rate-cards/" + unpricedID, v1, reads, 200, read(a.listUnpriced, viewUnpriced), "List unpriced usage: what no rate matched"},
		{"GET", rateCard, v1, reads, 200, read(a.getRateCard, viewRateCard), "Get a rate card"},
		{"POST", rateCard + "/versions", v1, writes, 201, write(a.addRateVersion, viewNewest), "Create a rate card version"},
		{"GET", rateCard + "/versions", v1, reads, 200, rows(rateVersionAt, a.listRateVersions, viewRateVersion), "List rate card versions"},
		{"POST", rateCard + "/archive", v1, writes, 200, write(a.archiveRateCard, viewRateCard), "Archive a rate card"},
		{"POST", rateCard + "/reprice", v1, writes, 200, orJob[repricingOut](writeAs(a.reprice, viewJob)), "Reprice a rate card: compute charges again by a corrected version"},

		{"POST", "/credits/grants", v1, writes, 201, write(a.createGrant, viewGrant), "Create a grant: give credits to a customer"},
		{"GET", "/credits/grants", v1, reads, 200, list(grantAt, a.listGrants, viewGrant), "List grants"},
		{"POST", "/credits/grants/{grantId}/void", v1, writes, 200, write(a.voidGrant, viewGrant), "Void a grant: take back what is left of it"},
		{"GET", "/credits/ledger", v1, reads, 200, readAs(a.ledger), "List ledger entries: what moved grants"},
		{"GET", "/credits/auto-recharge", v1, reads, 200, readAs(a.autoRecharge), "Get auto-recharge: there is none"},
		{"GET", customer + "/resources", v1, reads, 200, rows(resourceAt, a.listResources, same), "List resources: there are none"},
		{"GET", "/credits/usage", v1, reads, 200, readAs(a.creditUsage), "Get credit usage: what credits were spent on"},

		{"POST", promotions, v1, writes, 201, write(a.putPromotions, viewEach(viewPromotion)), "Upsert promotional entitlements"},
		{"GET", promotions, v1, reads, 200, rows(promotionAt, a.listPromotions, viewPromotion), "List promotional entitlements"},
		{"DELETE", promotions + "/{featureId}", v1, writes, 200, write(a.deletePromotion, viewPromotion), "Delete a promotional entitlement"},
		{"GET", entitlements, v1, reads, 200, readAs(a.entitlements), "List entitlements: what a customer may use"},
	}
}

func (a *API) governanceRoutes() []row {
	return []row{
		{"GET", customer + "/entities", both, shows, 200, list(entityAt, a.listEntities, viewEntity), "List entities"},
		{"PUT", customer + "/entities", both, writes, 200, write(a.putEntities, viewEach(viewEntity)), "Upsert entities: create, update or move them"},
		{"GET", customer + "/entities/{entityId}", both, shows, 200, read(a.getEntity, viewEntity), "Get an entity"},
		{"PATCH", customer + "/entities/{entityId}", v1, governs, 200, write(a.patchEntity, viewPatched), "Update an entity, or move it"},
		{"POST", customer + "/entities/archive", both, writes, 200, writeAs(a.archiveEntities, viewArchival), "Archive entities"},
		{"POST", customer + "/entities/unarchive", both, writes, 200, write(a.unarchiveEntities, viewArchivedIDs), "Unarchive entities"},
		{"POST", customer + "/entities/{entityId}/freeze", v1, governs, 200, write(a.freezeEntity, viewFreezing), "Freeze an entity: deny all that would be granted to it and below it"},
		{"POST", customer + "/entities/{entityId}/thaw", v1, governs, 200, write(a.thawEntity, viewFreezing), "Thaw an entity"},
		{"GET", customer + "/freezes", v1, shows, 200, rows(freezeAt, a.listFreezes, viewListedFreeze), "List freezes: what is frozen"},
		{"GET", defaults, v1, shows, 200, rows(defaultAt, a.listDefaults, viewDefault), "List default limits: of all entities of a type"},
		{"PUT", defaults, v1, governs, 200, write(a.putDefaults, viewEach(viewDefault)), "Upsert default limits: create or update them"},
		{"GET", degrades, v1, shows, 200, rows(degradePolicyAt, a.listDegradePolicies, viewDegradePolicy), "List degrade policies: how to go on as limits fill up"},
		{"PUT", degrades, v1, governs, 200, write(a.putDegradePolicies, viewEach(viewDegradePolicy)), "Upsert degrade policies: create or change them"},
		{"DELETE", degrades + "/{degradePolicyId}", v1, governs, 200, write(a.deleteDegradePolicy, viewDegradePolicy), "Delete a degrade policy"},
		{"GET", notifications, v1, shows, 200, rows(notificationAt, a.listNotifications, viewNotification), "List notifications: who hears of what happens to limits"},
		{"PUT", notifications, v1, governs, 200, write(a.putNotifications, viewEach(viewNotification)), "Upsert notifications: create or change them"},
		{"GET", notification, v1, shows, 200, read(a.getNotification, viewNotification), "Get a notification"},
		{"DELETE", notification, v1, governs, 200, write(a.deleteNotification, viewNotification), "Delete a notification"},
		{"POST", notification + "/test", v1, governs, 201, write(a.testNotification, viewEach(viewNotificationDelivery)), "Test a notification: send its recipients a message"},
		{"GET", notification + "/deliveries", v1, shows, 200, list(notificationDeliveryAt, a.listNotificationDeliveries, viewNotificationDelivery), "List notification deliveries: to its recipients"},
		{"POST", notification + "/deliveries/{deliveryId}/redeliver", v1, governs, 200, write(a.redeliverNotification, viewNotificationDelivery), "Redeliver to a recipient: send a notification's message again"},
		{"DELETE", defaults + "/{defaultId}", v1, governs, 200, write(a.deleteDefault, viewDefault), "Delete a default limit"},
		{"POST", boostRequests, v1, petitions, 201, write(a.createBoostRequest, viewBoostRequest), "Create a boost request: ask that a limit be raised for a time"},
		{"GET", boostRequests, v1, petitioned, 200, list(boostRequestAt, a.listBoostRequests, viewBoostRequest), "List boost requests: the newest first"},
		{"GET", boostRequest, v1, petitioned, 200, read(a.getBoostRequest, viewBoostRequest), "Get a boost request"},
		{"POST", boostRequest + "/approve", v1, governs, 200, write(a.approveBoostRequest, viewBoostRequest), "Approve a boost request: make the boost"},
		{"POST", boostRequest + "/decline", v1, governs, 200, write(a.declineBoostRequest, viewBoostRequest), "Decline a boost request"},
		{"POST", boostRequest + "/withdraw", v1, petitions, 200, write(a.withdrawBoostRequest, viewBoostRequest), "Withdraw a boost request: by who asked"},
		{"GET", customer + "/entities/{entityId}/usage", v1, shows, 200, read(a.entityUsage, viewHistory), "Get entity usage: over time"},

		{"GET", customer + "/usage", v1, shows, 200, read(a.customerUsage, viewHistory), "Get customer usage: over time"},
		{"GET", customer + "/forecast", v1, shows, 200, readAs(a.forecasts), "List forecasts: when limits run out, the soonest first"},
		{"GET", customer + "/allocation", v1, shows, 200, readAs(a.allocation), "List allocations: how limits are shared out"},
		{"GET", customer + "/coverage", v1, reads, 200, read(a.coverage, viewCoverage), "Get coverage: what is under no limit"},
		{"POST", customer + "/simulate", v1, shows, 200, orJob[simulationOut](readAs(a.simulate)), "Simulate limits: try drafts against what happened"},
	}
}

// limitRoutes are the routes of limits, which have two names.
func (a *API) limitRoutes(at string, put operation) []row {
	return []row{
		{"GET", at, both, shows, 200, readAs(a.listAssignments), "List assignments: limits of entities"},
		{"PUT", at, both, governs, 200, put, "Upsert assignments: create or update limits"},
		{"GET", at + "/{assignmentId}", v1, shows, 200, read(a.getAssignment, viewAssignment), "Get an assignment: a limit of an entity"},
		{"DELETE", at + "/{assignmentId}", v1, governs, 200, write(a.deleteAssignment, viewAssignment), "Delete an assignment: a limit, with its counters"},
		{"POST", at + boosts, v1, governs, 201, write(a.createBoost, viewBoost), "Create a boost: raise a limit for a time"},
		{"GET", at + boosts, v1, shows, 200, rows(boostAt, a.listBoosts, viewBoost), "List boosts: of a limit"},
		{"DELETE", at + boosts + "/{boostId}", v1, governs, 200, write(a.endBoost, viewBoost), "End a boost"},
	}
}

func (a *API) runtimeRoutes() []row {
	return []row{
		{"GET", entitlements + "/check", both, asks, 200, raw[checkQuery, decisionReply](a.check), "Check an entitlement: whether usage is granted"},
		{"POST", entitlements + "/checks", v1, asks, 200, readAs(a.checks), "Check entitlements: several questions of one snapshot"},
		{"POST", "/usage", v1, consumes, 201, report((*usageIn).items, a.reportUsage, viewUsages), "Report usage"},
		{"POST", "/usage/estimate", v1, asks, 200, readAs(a.estimateUsage), "Estimate usage: what it would cost"},
		{"GET", eventsPattern + "/unread", v1, reads, 200, read(a.listUnread, viewUnread), "List unread usage: counts in usage objects that were not understood"},
		{"POST", eventsPattern + "/unread/reprice", v1, writes, 200, orJob[rereadingOut](writeAs(a.reread, viewJob)), "Reprice unread usage: read it again by the rules of now"},
		{"GET", "/usage-rules", v1, reads, 200, read(a.getUsageRules, viewUsageRules), "Get usage rules: what members of usage objects count"},
		{"PUT", "/usage-rules", v1, writes, 200, write(a.putUsageRules, viewUsageRules), "Replace usage rules"},
		{"POST", eventsPattern, v1, consumes, 201, report((*eventsIn).items, a.reportEvents, same), "Report events"},
		{"POST", eventsPattern + "/estimate", v1, asks, 200, readAs(a.estimateEvent), "Estimate an event: what it would cost"},
		{"POST", "/credits/consumption", v1, consumes, 201, report((*consumptionIn).items, a.consumption, viewConsumption), "Report a credit consumption"},
		{"POST", "/credits/consumption/async", v1, consumes, 201, report((*consumptionsIn).items, a.consumptions, viewConsumptions), "Report credit consumptions"},
		{"POST", customer + "/consume", v1, spends, 200, report((*consumeIn).items, a.consume, viewConsumed), "Consume: check and record in one step"},
		{"POST", reservations, v1, spends, 201, report((*reserveIn).items, a.reserve, viewReservation), "Create a reservation: hold an amount"},
		{"GET", customer + "/reservations", v1, answers | tokenRead, 200, list(reservationAt, a.listReservations, viewReservation), "List reservations"},
		{"GET", reservation, v1, asks, 200, read(a.getReservation, viewReservation), "Get a reservation"},
		{"POST", reservation + "/commit", v1, spends, 200, write(a.commitReservation, viewReservation), "Commit a reservation: record what was used and free the rest"},
		{"POST", reservation + "/release", v1, spends, 200, write(a.releaseReservation, viewReservation), "Release a reservation: free what it holds"},
		{"POST", reservation + "/extend", v1, spends, 200, write(a.extendReservation, viewReservation), "Extend a reservation: hold for longer"},

		{"GET", customer + "/governance", both, shows, 200, readAs(a.tree), "Get the governance tree"},
		{"GET", streamPattern, v1, shows, 200, raw[streamQuery, streamEvent](a.stream), "Stream the governance tree: changes as Server-Sent Events"},
		{"GET", customer + "/denials", v1, shows, 200, list(denialAt, a.denials, same), "List denials: newest first"},
		{"GET", customer + "/denials/summary", v1, shows, 200, readAs(a.denialSummary), "Summarise denials: how many, by whom and what denied, over time"},
		{"POST", customer + "/explain", v1, shows | tokenSpend, 200, read(a.explain, a.viewExplanation), "Explain a decision"},
		{"GET", "/overview", v1, reads, 200, readAs(a.overview), "Get an overview: of this node"},
		{"GET", "/usage/{customerId}/history/{featureId}", v1, reads, 200, read(a.usageHistory, viewHistory), "Get usage history: of a feature over time"},
		{"GET", customer + "/activity", v1, shows, 200, list(activityAt, a.activity, viewActivity), "List activity: who changed what"},
	}
}

func (a *API) operationRoutes() []row {
	return []row{
		{"POST", "/api-keys", v1, writes, 201, writeAs(a.createAPIKey, a.viewAPIKey), "Create an API key"},
		{"GET", "/api-keys", v1, writes, 200, rows(apiKeyAt, a.listAPIKeys, a.viewAPIKey), "List API keys"},
		{"DELETE", "/api-keys/{keyId}", v1, writes, 200, write(a.revokeAPIKey, a.viewAPIKey), "Revoke an API key"},

		{"POST", accessTokens, v1, writes, 201, writeAs(a.createAccessToken, viewAccessToken), "Create an access token"},
		{"DELETE", accessTokens + "/{tokenId}", v1, writes, 200, write(a.revokeAccessToken, viewAccessToken), "Revoke an access token"},

		{"POST", spendTokens, v1, writes, 201, writeAs(a.createSpendToken, viewSpendToken), "Create a spend token"},
		{"GET", spendTokens, v1, reads, 200, rows(spendTokenAt, a.listSpendTokens, viewSpendToken), "List spend tokens: those made here, and those that were revoked"},
		{"DELETE", spendTokens + "/{tokenId}", v1, writes, 200, write(a.revokeSpendToken, viewSpendToken), "Revoke a spend token: with all that were made from it"},
		{"POST", spendTokens + "/revoke", v1, writes, 200, write(a.revokeSpendText, viewSpendToken), "Revoke a shown spend token: one that its holder made, too"},
		{"GET", ownBudgetPattern, v1, tokenSpend, 200, readAs(a.ownBudget), "Get own budget: what the spend token that asks may spend"},

		{"POST", "/webhooks", v1, writes, 201, write(a.createWebhook, viewSecretWebhook), "Create a webhook"},
		{"GET", "/webhooks", v1, writes, 200, rows(webhookAt, a.listWebhooks, viewWebhook), "List webhooks"},
		{"GET", webhook, v1, writes, 200, read(a.getWebhook, viewWebhook), "Get a webhook"},
		{"PATCH", webhook, v1, writes, 200, write(a.patchWebhook, viewWebhook), "Update a webhook"},
		{"DELETE", webhook, v1, writes, 200, write(a.deleteWebhook, viewWebhook), "Delete a webhook"},
		{"POST", webhook + "/rotate-secret", v1, writes, 200, write(a.rotateWebhook, viewSecretWebhook), "Rotate a webhook secret"},
		{"POST", webhook + "/test", v1, writes, 201, write(a.testWebhook, viewDelivery), "Test a webhook: send it a message"},
		{"GET", webhook + "/deliveries", v1, writes, 200, list(deliveryAt, a.listDeliveries, viewDelivery), "List deliveries: to a webhook"},
		{"POST", webhook + "/deliveries/{deliveryId}/redeliver", v1, writes, 200, write(a.redeliver, viewDelivery), "Redeliver a message"},

		{"GET", jobsPattern, v1, reads, 200, list(jobAt, a.listJobs, viewJobBrief), "List jobs: the newest first"},
		{"GET", jobsPattern + "/{jobId}", v1, reads, 200, read(a.getJob, viewJob), "Get a job: with its result"},
		{"POST", jobsPattern + "/{jobId}/cancel", v1, writes, 200, write(a.cancelJob, viewJob), "Cancel a job"},

		{"GET", "/healthz", noBase, open, 200, readAs(a.healthz), "Get health: whether the process runs"},
		{"GET", "/readyz", noBase, open, 200, raw[nothing, health](a.readyz), "Get readiness: whether requests should come here"},
		{"GET", "/metrics", noBase, open, 200, raw[nothing, string](a.serveMetrics), "Get metrics: for Prometheus"},
		{"GET", "/openapi.json", noBase, open, 200, raw[nothing, nothing](a.serveOpenAPI), "Get the OpenAPI document"},
	}
}
