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
	rows := slices.Concat(a.catalogueRoutes(), a.moneyRoutes(), a.governanceRoutes(), a.runtimeRoutes(), a.operationRoutes())
	routes := make([]*route, len(rows))
	for i, r := range rows {
		routes[i] = &route{row: r, customer: strings.Contains(r.pattern, "{customerId}"), denies: strings.HasPrefix(r.pattern, entitlements)}
	}
	return routes
}

// Patterns that many routes share.
const (
	currency     = "/credits/custom-currencies/{currencyId}"
	rateCard     = "/rate-cards/{rateCardId}"
	customer     = "/customers/{customerId}"
	promotions   = customer + "/promotional-entitlements"
	entitlements = customer + "/entitlements"
	assignments  = customer + "/assignments"
	entitlement  = customer + "/entities/entitlements" // an older name of the same
	boosts       = "/{assignmentId}/boosts"
	reservation  = customer + "/reservations/{reservationId}"
	webhook      = "/webhooks/{webhookId}"
	accessTokens = customer + "/access-tokens"

	jobsPattern   = "/jobs"
	streamPattern = customer + "/governance/stream"
)

func (a *API) catalogueRoutes() []row {
	return []row{
		{"GET", "/entity-types", both, shows, 200, op(a.listEntityTypes), "List entity types"},
		{"PUT", "/entity-types", both, writes, 200, op(a.putEntityTypes), "Upsert entity types"},
		{"POST", "/entity-types/archive", both, writes, 200, op(a.archiveEntityTypes(true)), "Archive entity types"},
		{"POST", "/entity-types/unarchive", both, writes, 200, op(a.archiveEntityTypes(false)), "Unarchive entity types"},

		{"POST", "/features", v1, writes, 201, op(a.createFeature), "Create a feature"},
		{"GET", "/features", v1, shows, 200, op(a.listFeatures), "List features"},
		{"GET", "/features/{featureId}", v1, shows, 200, op(a.getFeature), "Get a feature"},
		{"PATCH", "/features/{featureId}", v1, writes, 200, op(a.patchFeature), "Update a feature"},
		{"POST", "/features/{featureId}/archive", v1, writes, 200, op(a.archiveFeature(true)), "Archive a feature"},
		{"POST", "/features/{featureId}/unarchive", v1, writes, 200, op(a.archiveFeature(false)), "Unarchive a feature"},

		{"POST", "/credits/custom-currencies", v1, writes, 201, op(a.createCurrency), "Create a currency"},
		{"GET", "/credits/custom-currencies", v1, shows, 200, op(a.listCurrencies), "List currencies"},
		{"PATCH", currency, v1, writes, 200, op(a.patchCurrency), "Update a currency"},
		{"POST", currency + "/archive", v1, writes, 200, op(a.archiveCurrency(true)), "Archive a currency"},
		{"POST", currency + "/unarchive", v1, writes, 200, op(a.archiveCurrency(false)), "Unarchive a currency"},
		{"GET", currency + "/associated-entities", v1, reads, 200, op(a.currencyUsers), "List currency uses: what is measured in it"},

		{"POST", "/customers", v1, writes, 201, op(a.createCustomer), "Create a customer"},
		{"GET", "/customers", v1, reads, 200, op(a.listCustomers), "List customers"},
		{"GET", customer, v1, shows, 200, op(a.getCustomer), "Get a customer"},
		{"PATCH", customer, v1, writes, 200, op(a.patchCustomer), "Update a customer"},
		{"POST", customer + "/archive", v1, writes, 200, op(a.archiveCustomer(true)), "Archive a customer"},
		{"POST", customer + "/unarchive", v1, writes, 200, op(a.archiveCustomer(false)), "Unarchive a customer"},
	}
}

func (a *API) moneyRoutes() []row {
	return []row{
		{"POST", "/rate-cards", v1, writes, 201, op(a.createRateCard), "Create a rate card"},
		{"GET", "/rate-cards", v1, reads, 200, op(a.listRateCards), "List rate cards"},
		{"GET", "/rate-cards/" + unpricedID, v1, reads, 200, op(a.listUnpriced), "List unpriced usage: what no rate matched"},
		{"GET", rateCard, v1, reads, 200, op(a.getRateCard), "Get a rate card"},
		{"POST", rateCard + "/versions", v1, writes, 201, op(a.addRateVersion), "Create a rate card version"},
		{"GET", rateCard + "/versions", v1, reads, 200, op(a.listRateVersions), "List rate card versions"},
		{"POST", rateCard + "/archive", v1, writes, 200, op(a.archiveRateCard), "Archive a rate card"},
		{"POST", rateCard + "/reprice", v1, writes, 200, opOrJob(a.reprice), "Reprice a rate card: compute charges again by a corrected version"},

		{"POST", "/credits/grants", v1, writes, 201, op(a.createGrant), "Create a grant: give credits to a customer"},
		{"GET", "/credits/grants", v1, reads, 200, op(a.listGrants), "List grants"},
		{"POST", "/credits/grants/{grantId}/void", v1, writes, 200, op(a.voidGrant), "Void a grant: take back what is left of it"},
		{"GET", "/credits/ledger", v1, reads, 200, op(a.ledger), "List ledger entries: what moved grants"},
		{"GET", "/credits/usage", v1, reads, 200, op(a.creditUsage), "Get credit usage: what credits were spent on"},

		{"POST", promotions, v1, writes, 201, op(a.putPromotions), "Upsert promotional entitlements"},
		{"GET", promotions, v1, reads, 200, op(a.listPromotions), "List promotional entitlements"},
		{"DELETE", promotions + "/{featureId}", v1, writes, 200, op(a.deletePromotion), "Delete a promotional entitlement"},
		{"GET", entitlements, v1, reads, 200, op(a.entitlements), "List entitlements: what a customer may use"},
	}
}

func (a *API) governanceRoutes() []row {
	return []row{
		{"GET", customer + "/entities", both, shows, 200, op(a.listEntities), "List entities"},
		{"PUT", customer + "/entities", both, writes, 200, op(a.putEntities), "Upsert entities: create, update or move them"},
		{"GET", customer + "/entities/{entityId}", both, shows, 200, op(a.getEntity), "Get an entity"},
		{"PATCH", customer + "/entities/{entityId}", v1, governs, 200, op(a.patchEntity), "Update an entity, or move it"},
		{"POST", customer + "/entities/archive", both, writes, 200, op(a.archiveEntities), "Archive entities"},
		{"POST", customer + "/entities/unarchive", both, writes, 200, op(a.unarchiveEntities), "Unarchive entities"},
		{"GET", customer + "/entities/{entityId}/usage", v1, shows, 200, op(a.entityUsage), "Get entity usage: over time"},

		{"GET", assignments, both, shows, 200, op(a.listAssignments), "List assignments: limits of entities"},
		{"PUT", assignments, both, governs, 200, op(a.putAssignments), "Upsert assignments: create or update limits"},
		{"GET", assignments + "/{assignmentId}", v1, shows, 200, op(a.getAssignment), "Get an assignment: a limit of an entity"},
		{"DELETE", assignments + "/{assignmentId}", v1, governs, 200, op(a.deleteAssignment), "Delete an assignment: a limit, with its counters"},
		{"POST", assignments + boosts, v1, governs, 201, op(a.createBoost), "Create a boost: raise a limit for a time"},
		{"GET", assignments + boosts, v1, shows, 200, op(a.listBoosts), "List boosts: of a limit"},
		{"DELETE", assignments + boosts + "/{boostId}", v1, governs, 200, op(a.endBoost), "End a boost"},
		{"GET", customer + "/allocation", v1, shows, 200, op(a.allocation), "List allocations: how limits are shared out"},
		{"POST", customer + "/simulate", v1, shows, 200, opOrJob(a.simulate), "Simulate limits: try drafts against what happened"},

		{"GET", entitlement, both, shows, 200, op(a.listAssignments), "List assignments: limits of entities"},
		{"PUT", entitlement, both, governs, 200, op(a.putEntitlements), "Upsert assignments: create or update limits"},
		{"GET", entitlement + "/{assignmentId}", v1, shows, 200, op(a.getAssignment), "Get an assignment: a limit of an entity"},
		{"DELETE", entitlement + "/{assignmentId}", v1, governs, 200, op(a.deleteAssignment), "Delete an assignment: a limit, with its counters"},
		{"POST", entitlement + boosts, v1, governs, 201, op(a.createBoost), "Create a boost: raise a limit for a time"},
		{"GET", entitlement + boosts, v1, shows, 200, op(a.listBoosts), "List boosts: of a limit"},
		{"DELETE", entitlement + boosts + "/{boostId}", v1, governs, 200, op(a.endBoost), "End a boost"},
	}
}

func (a *API) runtimeRoutes() []row {
	return []row{
		{"GET", entitlements + "/check", both, asks, 200, raw[checkQuery, decisionReply](a.check), "Check an entitlement: whether usage is granted"},
		{"POST", entitlements + "/checks", v1, asks, 200, op(a.checks), "Check entitlements: several questions of one snapshot"},
		{"POST", "/usage", v1, spends, 201, op(a.reportUsage), "Report usage"},
		{"POST", "/usage/estimate", v1, asks, 200, op(a.estimateUsage), "Estimate usage: what it would cost"},
		{"POST", eventsPattern, v1, spends, 201, op(a.reportEvents), "Report events"},
		{"POST", eventsPattern + "/estimate", v1, asks, 200, op(a.estimateEvent), "Estimate an event: what it would cost"},
		{"POST", "/credits/consumption", v1, spends, 201, op(a.consumption), "Report a credit consumption"},
		{"POST", "/credits/consumption/async", v1, spends, 201, op(a.consumptions), "Report credit consumptions"},
		{"POST", customer + "/consume", v1, spends, 200, op(a.consume), "Consume: check and record in one step"},
		{"POST", customer + "/reservations", v1, spends, 201, op(a.reserve), "Create a reservation: hold an amount"},
		{"GET", customer + "/reservations", v1, asks | tokenRead, 200, op(a.listReservations), "List reservations"},
		{"GET", reservation, v1, asks, 200, op(a.getReservation), "Get a reservation"},
		{"POST", reservation + "/commit", v1, spends, 200, op(a.commitReservation), "Commit a reservation: record what was used and free the rest"},
		{"POST", reservation + "/release", v1, spends, 200, op(a.releaseReservation), "Release a reservation: free what it holds"},
		{"POST", reservation + "/extend", v1, spends, 200, op(a.extendReservation), "Extend a reservation: hold for longer"},

		{"GET", customer + "/governance", both, shows, 200, op(a.tree), "Get the governance tree"},
		{"GET", streamPattern, v1, shows, 200, raw[streamQuery, streamEvent](a.stream), "Stream the governance tree: changes as Server-Sent Events"},
		{"GET", customer + "/denials", v1, shows, 200, op(a.denials), "List denials: the recent ones"},
		{"POST", customer + "/explain", v1, shows, 200, op(a.explain), "Explain a decision"},
		{"GET", "/overview", v1, reads, 200, op(a.overview), "Get an overview: of this node"},
		{"GET", "/usage/{customerId}/history/{featureId}", v1, reads, 200, op(a.usageHistory), "Get usage history: of a feature over time"},
		{"GET", customer + "/activity", v1, shows, 200, op(a.activity), "List activity: who changed what"},
	}
}

func (a *API) operationRoutes() []row {
	return []row{
		{"POST", "/api-keys", v1, writes, 201, op(a.createAPIKey), "Create an API key"},
		{"GET", "/api-keys", v1, writes, 200, op(a.listAPIKeys), "List API keys"},
		{"DELETE", "/api-keys/{keyId}", v1, writes, 200, op(a.revokeAPIKey), "Revoke an API key"},

		{"POST", accessTokens, v1, writes, 201, op(a.createAccessToken), "Create an access token"},
		{"DELETE", accessTokens + "/{tokenId}", v1, writes, 200, op(a.revokeAccessToken), "Revoke an access token"},

		{"POST", "/webhooks", v1, writes, 201, op(a.createWebhook), "Create a webhook"},
		{"GET", "/webhooks", v1, writes, 200, op(a.listWebhooks), "List webhooks"},
		{"GET", webhook, v1, writes, 200, op(a.getWebhook), "Get a webhook"},
		{"PATCH", webhook, v1, writes, 200, op(a.patchWebhook), "Update a webhook"},
		{"DELETE", webhook, v1, writes, 200, op(a.deleteWebhook), "Delete a webhook"},
		{"POST", webhook + "/rotate-secret", v1, writes, 200, op(a.rotateWebhook), "Rotate a webhook secret"},
		{"POST", webhook + "/test", v1, writes, 201, op(a.testWebhook), "Test a webhook: send it a message"},
		{"GET", webhook + "/deliveries", v1, writes, 200, op(a.listDeliveries), "List deliveries: to a webhook"},
		{"POST", webhook + "/deliveries/{deliveryId}/redeliver", v1, writes, 200, op(a.redeliver), "Redeliver a message"},

		{"GET", jobsPattern, v1, reads, 200, op(a.listJobs), "List jobs: the newest first"},
		{"GET", jobsPattern + "/{jobId}", v1, reads, 200, op(a.getJob), "Get a job: with its result"},
		{"POST", jobsPattern + "/{jobId}/cancel", v1, writes, 200, op(a.cancelJob), "Cancel a job"},

		{"GET", "/healthz", noBase, open, 200, op(a.healthz), "Get health: whether the process runs"},
		{"GET", "/readyz", noBase, open, 200, raw[nothing, health](a.readyz), "Get readiness: whether requests should come here"},
		{"GET", "/metrics", noBase, open, 200, raw[nothing, string](a.serveMetrics), "Get metrics: for Prometheus"},
		{"GET", "/openapi.json", noBase, open, 200, raw[nothing, nothing](a.serveOpenAPI), "Get the OpenAPI document"},
	}
}
