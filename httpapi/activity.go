package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/go-json-experiment/json/jsontext"
)

type activityQuery struct {
	customerPath
	paging
	freshness
	EntityID  string      `query:"entityId"`
	Action    string      `query:"action"`
	ActorID   string      `query:"actorId"`
	StartDate bursar.Time `query:"startDate"`
	EndDate   bursar.Time `query:"endDate"`
}

// activityOut is one governance write.
type activityOut struct {
	ID        string         `json:"id"`
	Timestamp bursar.Time    `json:"timestamp"`
	Actor     actorOut       `json:"actor"`
	Action    string         `json:"action"`
	Target    targetOut      `json:"target"`
	EntityID  *string        `json:"entityId"`
	Before    jsontext.Value `json:"before"`
	After     jsontext.Value `json:"after"`
	RequestID *string        `json:"requestId"`
}

type actorOut struct {
	Type    string  `json:"type" is:"enum=API_KEY|ACCESS_TOKEN|SPEND_TOKEN|NOTIFICATION|SYSTEM" doc:"NOTIFICATION: a recipient of one, by the link in a message."`
	ID      string  `json:"id"`
	Subject *string `json:"subject"`
}

type targetOut struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func viewActivity(a store.Activity) activityOut {
	return activityOut{
		ID: a.ID, Timestamp: a.Timestamp, Actor: actorOut{Type: a.ActorType, ID: a.ActorID, Subject: orNil(&a.Subject)}, Action: a.Action,
		Target: targetOut{Type: a.TargetType, ID: a.TargetID}, EntityID: orNil(&a.EntityID), Before: a.Before, After: a.After, RequestID: orNil(&a.RequestID),
	}
}

func activityAt(x *store.Activity) ledger.ListPos {
	return ledger.ListPos{CreatedAt: x.Timestamp, ID: x.ID}
}

// activity lists newest first.
func (a *API) activity(c call, in *activityQuery, p ledger.ListPage) (ledger.Page[store.Activity], uint64, error) {
	query := store.ActivityQuery{EntityID: in.EntityID, Action: in.Action, ActorID: in.ActorID, From: in.StartDate, To: in.EndDate, Limit: p.Limit}
	query.Below, query.Above = belowAbove(p)
	return a.engine.Activity(c.ctx, c.options(), in.CustomerID, query)
}
