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

	jobsPattern   = "/jobs"
	streamPattern = customer + "/governance/stream"
)

func (a *API) catalogueRoutes() []row {
	return []row{
		{"GET", "/entity-types", both, shows, 200, op(a.listEntityTypes), "List entity types"},
		{"PUT", "/entity-types", both, writes, 200, op(a.putEntityTypes), "Create or replace entity types"},
		{"POST", "/entity-types/archive", both, writes, 200, op(a.archiveEntityTypes(true)), "Archive entity types"},
		{"POST", "/entity-types/unarchive", both, writes, 200, op(a.archiveEntityTypes(false)), "Restore entity types"},

		{"POST", "/features", v1, writes, 201, op(a.createFeature), "Create a feature"},
		{"GET", "/features", v1, shows, 200, op(a.listFeatures), "List features"},
		{"GET", "/features/{featureId}", v1, shows, 200, op(a.getFeature), "Read a feature"},
		{"PATCH", "/features/{featureId}", v1, writes, 200, op(a.patchFeature), "Update a feature"},
		{"POST", "/features/{featureId}/archive", v1, writes, 200, op(a.archiveFeature(true)), "Archive a feature"},
		{"POST", "/features/{featureId}/unarchive", v1, writes, 200, op(a.archiveFeature(false)), "Restore a feature"},

		{"POST", "/credits/custom-currencies", v1, writes, 201, op(a.createCurrency), "Create a currency"},
		{"GET", "/credits/custom-currencies", v1, shows, 200, op(a.listCurrencies), "List currencies"},
		{"PATCH", currency, v1, writes, 200, op(a.patchCurrency), "Update a currency"},
		{"POST", currency + "/archive", v1, writes, 200, op(a.archiveCurrency(true)), "Archive a currency"},
		{"POST", currency + "/unarchive", v1, writes, 200, op(a.archiveCurrency(false)), "Restore a currency"},
		{"GET", currency + "/associated-entities", v1, reads, 200, op(a.currencyUsers), "List what uses a currency"},

		{"POST", "/customers", v1, writes, 201, op(a.createCustomer), "Create a customer"},
		{"GET", "/customers", v1, reads, 200, op(a.listCustomers), "List customers"},
		{"GET", customer, v1, shows, 200, op(a.getCustomer), "Read a customer"},
		{"PATCH", customer, v1, writes, 200, op(a.patchCustomer), "Update a customer"},
		{"POST", customer + "/archive", v1, writes, 200, op(a.archiveCustomer(true)), "Archive a customer"},
		{"POST", customer + "/unarchive", v1, writes, 200, op(a.archiveCustomer(false)), "Restore a customer"},
	}
}

func (a *API) moneyRoutes() []row {
	return []row{
		{"POST", "/rate-cards", v1, writes, 201, op(a.createRateCard), "Create a rate card"},
		{"GET", "/rate-cards", v1, reads, 200, op(a.listRateCards), "List rate cards"},
		{"GET", "/rate-cards/" + unpricedID, v1, reads, 200, op(a.listUnpriced), "List usage that no rate matched"},
		{"GET", rateCard, v1, reads, 200, op(a.getRateCard), "Read a rate card"},
		{"POST", rateCard + "/versions", v1, writes, 201, op(a.addRateVersion), "Add a version to a rate card"},
		{"GET", rateCard + "/versions", v1, reads, 200, op(a.listRateVersions), "List the versions of a rate card"},
		{"POST", rateCard + "/archive", v1, writes, 200, op(a.archiveRateCard), "Archive a rate card"},
		{"POST", rateCard + "/reprice", v1, writes, 200, opOrJob(a.reprice), "Compute charges again by a corrected version"},

		{"POST", "/credits/grants", v1, writes, 201, op(a.createGrant), "Grant credits"},
		{"GET", "/credits/grants", v1, reads, 200, op(a.listGrants), "List grants"},
		{"POST", "/credits/grants/{grantId}/void", v1, writes, 200, op(a.voidGrant), "Take back what is left of a grant"},
		{"GET", "/credits/ledger", v1, reads, 200, op(a.ledger), "List what moved grants"},
		{"GET", "/credits/usage", v1, reads, 200, op(a.creditUsage), "Read what credits were spent on"},

		{"POST", promotions, v1, writes, 201, op(a.putPromotions), "Create or replace promotional entitlements"},
		{"GET", promotions, v1, reads, 200, op(a.listPromotions), "List promotional entitlements"},
		{"DELETE", promotions + "/{featureId}", v1, writes, 200, op(a.deletePromotion), "Delete a promotional entitlement"},
		{"GET", entitlements, v1, reads, 200, op(a.entitlements), "List what a customer may use"},
	}
}

func (a *API) governanceRoutes() []row {
	return []row{
		{"GET", customer + "/entities", both, shows, 200, op(a.listEntities), "List entities"},
		{"PUT", customer + "/entities", both, writes, 200, op(a.putEntities), "Create, update or move entities"},
		{"GET", customer + "/entities/{entityId}", both, shows, 200, op(a.getEntity), "Read an entity"},
		{"PATCH", customer + "/entities/{entityId}", v1, governs, 200, op(a.patchEntity), "Update or move an entity"},
		{"POST", customer + "/entities/archive", both, writes, 200, op(a.archiveEntities), "Archive entities"},
		{"POST", customer + "/entities/unarchive", both, writes, 200, op(a.unarchiveEntities), "Restore entities"},
		{"GET", customer + "/entities/{entityId}/usage", v1, shows, 200, op(a.entityUsage), "Read the usage of an entity over time"},

		{"GET", assignments, both, shows, 200, op(a.listAssignments), "List limits"},
		{"PUT", assignments, both, governs, 200, op(a.putAssignments), "Create or update limits"},
		{"GET", assignments + "/{assignmentId}", v1, shows, 200, op(a.getAssignment), "Read a limit"},
		{"DELETE", assignments + "/{assignmentId}", v1, governs, 200, op(a.deleteAssignment), "Delete a limit with its counters"},
		{"POST", assignments + boosts, v1, governs, 201, op(a.createBoost), "Raise a limit for a time"},
		{"GET", assignments + boosts, v1, shows, 200, op(a.listBoosts), "List the boosts of a limit"},
		{"DELETE", assignments + boosts + "/{boostId}", v1, governs, 200, op(a.endBoost), "End a boost"},
		{"GET", customer + "/allocation", v1, shows, 200, op(a.allocation), "Read how limits are shared out"},
		{"POST", customer + "/simulate", v1, shows, 200, opOrJob(a.simulate), "Backtest drafts of limits"},

		{"GET", entitlement, both, shows, 200, op(a.listAssignments), "List limits"},
		{"PUT", entitlement, both, governs, 200, op(a.putEntitlements), "Create or update limits"},
		{"GET", entitlement + "/{assignmentId}", v1, shows, 200, op(a.getAssignment), "Read a limit"},
		{"DELETE", entitlement + "/{assignmentId}", v1, governs, 200, op(a.deleteAssignment), "Delete a limit with its counters"},
		{"POST", entitlement + boosts, v1, governs, 201, op(a.createBoost), "Raise a limit for a time"},
		{"GET", entitlement + boosts, v1, shows, 200, op(a.listBoosts), "List the boosts of a limit"},
		{"DELETE", entitlement + boosts + "/{boostId}", v1, governs, 200, op(a.endBoost), "End a boost"},
	}
}

func (a *API) runtimeRoutes() []row {
	return []row{
		{"GET", entitlements + "/check", both, asks, 200, raw[checkQuery, decisionReply](a.check), "Ask whether usage is granted"},
		{"POST", entitlements + "/checks", v1, asks, 200, op(a.checks), "Ask several questions of one snapshot"},
		{"POST", "/usage", v1, spends, 201, op(a.reportUsage), "Report usage"},
		{"POST", "/usage/estimate", v1, asks, 200, op(a.estimateUsage), "Ask what usage would cost"},
		{"POST", eventsPattern, v1, spends, 201, op(a.reportEvents), "Report events"},
		{"POST", eventsPattern + "/estimate", v1, asks, 200, op(a.estimateEvent), "Ask what an event would cost"},
		{"POST", "/credits/consumption", v1, spends, 201, op(a.consumption), "Record that credits were consumed"},
		{"POST", "/credits/consumption/async", v1, spends, 201, op(a.consumptions), "Record many consumptions of credits"},
		{"POST", customer + "/consume", v1, spends, 200, op(a.consume), "Check and record in one step"},
		{"POST", customer + "/reservations", v1, spends, 201, op(a.reserve), "Hold an amount"},
		{"GET", customer + "/reservations", v1, asks | tokenRead, 200, op(a.listReservations), "List reservations"},
		{"GET", reservation, v1, asks, 200, op(a.getReservation), "Read a reservation"},
		{"POST", reservation + "/commit", v1, spends, 200, op(a.commitReservation), "Record what was used and free the rest"},
		{"POST", reservation + "/release", v1, spends, 200, op(a.releaseReservation), "Free a hold"},
		{"POST", reservation + "/extend", v1, spends, 200, op(a.extendReservation), "Keep a hold for longer"},

		{"GET", customer + "/governance", both, shows, 200, op(a.tree), "Read the governance tree"},
		{"GET", streamPattern, v1, shows, 200, raw[streamQuery, streamEvent](a.stream), "Follow the governance tree as Server-Sent Events"},
		{"GET", customer + "/denials", v1, shows, 200, op(a.denials), "List recent denials"},
		{"POST", customer + "/explain", v1, shows, 200, op(a.explain), "Explain a decision"},
		{"GET", "/overview", v1, reads, 200, op(a.overview), "Read an overview of this node"},
		{"GET", "/usage/{customerId}/history/{featureId}", v1, reads, 200, op(a.usageHistory), "Read the usage of a feature over time"},
		{"GET", customer + "/activity", v1, shows, 200, op(a.activity), "List governance writes"},
	}
}

func (a *API) operationRoutes() []row {
	return []row{
		{"POST", "/api-keys", v1, writes, 201, op(a.createAPIKey), "Create an API key"},
		{"GET", "/api-keys", v1, writes, 200, op(a.listAPIKeys), "List API keys"},
		{"DELETE", "/api-keys/{keyId}", v1, writes, 200, op(a.revokeAPIKey), "Revoke an API key"},

		{"POST", customer + "/access-tokens", v1, writes, 201, op(a.createAccessToken), "Create an access token"},
		{"DELETE", customer + "/access-tokens/{tokenId}", v1, writes, 200, op(a.revokeAccessToken), "Revoke an access token"},

		{"POST", "/webhooks", v1, writes, 201, op(a.createWebhook), "Create a webhook"},
		{"GET", "/webhooks", v1, writes, 200, op(a.listWebhooks), "List webhooks"},
		{"GET", webhook, v1, writes, 200, op(a.getWebhook), "Read a webhook"},
		{"PATCH", webhook, v1, writes, 200, op(a.patchWebhook), "Update a webhook"},
		{"DELETE", webhook, v1, writes, 200, op(a.deleteWebhook), "Delete a webhook"},
		{"POST", webhook + "/rotate-secret", v1, writes, 200, op(a.rotateWebhook), "Give a webhook a new secret"},
		{"POST", webhook + "/test", v1, writes, 201, op(a.testWebhook), "Send a test message"},
		{"GET", webhook + "/deliveries", v1, writes, 200, op(a.listDeliveries), "List deliveries to a webhook"},
		{"POST", webhook + "/deliveries/{deliveryId}/redeliver", v1, writes, 200, op(a.redeliver), "Deliver a message again"},

		{"GET", jobsPattern, v1, reads, 200, op(a.listJobs), "List jobs, newest first"},
		{"GET", jobsPattern + "/{jobId}", v1, reads, 200, op(a.getJob), "Read a job with its result"},
		{"POST", jobsPattern + "/{jobId}/cancel", v1, writes, 200, op(a.cancelJob), "End a job before it is done"},

		{"GET", "/healthz", noBase, open, 200, op(a.healthz), "Whether the process runs"},
		{"GET", "/readyz", noBase, open, 200, raw[nothing, health](a.readyz), "Whether requests should come here"},
		{"GET", "/metrics", noBase, open, 200, raw[nothing, string](a.serveMetrics), "Metrics for Prometheus"},
		{"GET", "/openapi.json", noBase, open, 200, raw[nothing, nothing](a.serveOpenAPI), "This document"},
	}
}
