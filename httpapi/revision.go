package httpapi

import (
	"reflect"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// A write may say which revision it is based on, so that it does not undo what somebody else
// has written meanwhile. A write of one thing says it in the header If-Match, with the ETag
// of the reply that it is based on. A write that may change several things says it in the
// ifMatch of each item. A write that is based on another revision than the present one is
// answered with 409, which shows what is there now.

// revised is a reply about one thing that has a revision. It becomes the ETag.
type revised interface{ revision() string }

// withRevision is the last member of what has a revision.
type withRevision struct {
	Revision string `json:"revision" doc:"Of what is shown here; a write may say that it is based on it."`
}

func (r withRevision) revision() string { return r.Revision }

// based is the input of a write that changes one thing.
type based struct {
	IfMatch string `header:"If-Match" doc:"The ETag, or the revision, of what this write is based on; * is any. When there is another one by now: 409 RevisionMismatch, and nothing is written."`
}

// basedItem is the part of an item that says which revision the item is based on.
type basedItem struct {
	IfMatch *string `json:"ifMatch" is:"len=1-64" doc:"The revision that this item is based on; * is any, none is that there is none yet. When there is another one by now: 409 RevisionMismatch, and nothing of the request is written."`
}

// bindHeader fills a field from its header.
func (q *request) bindHeader(f *field, v reflect.Value, problems *bursar.Problems) {
	text, err := q.ifMatch()
	if err != nil {
		problems.Add("", bursar.CodeValidationFailed, "%v", reason(err))
		return
	}
	f.target(v).SetString(text)
}

const maxRevisionBytes = 64

// ifMatch is the revision that the If-Match header names, "" when there is none.
func (q *request) ifMatch() (string, error) {
	values := q.r.Header["If-Match"]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return "", nil
	}
	text := strings.TrimSpace(values[0])
	if tag, ok := strings.CutPrefix(text, `"`); ok {
		text = strings.TrimSuffix(tag, `"`)
	}
	if len(values) > 1 || text == "" || len(text) > maxRevisionBytes || strings.ContainsAny(text, `", `) {
		return "", bursar.Errorf(bursar.CodeValidationFailed, "the If-Match header is the ETag of one thing, such as \"r0123456789abcdef\", or *")
	}
	return text, nil
}

// condition refuses an If-Match that would not be looked at.
func (q *request) condition(s *shape) error {
	if len(q.r.Header["If-Match"]) == 0 || q.r.Method == "GET" || q.r.Method == "HEAD" {
		return nil
	}
	for i := range s.fields {
		if s.fields[i].place == inHeader {
			return nil
		}
	}
	return bursar.Errorf(bursar.CodeValidationFailed, "this request takes no If-Match header; where it changes several things, each item may say its ifMatch")
}

// itemMatch is the revision that an item of a request is based on.
func itemMatch(i basedItem) string { return orZero(i.IfMatch) }

// conflict is one place where a request is based on what is no longer so.
type conflict struct {
	Pointer string `json:"pointer"`
	Current any    `json:"current"`
}

func viewConflicts(list []bursar.Conflict) []conflict {
	out := make([]conflict, len(list))
	for i, c := range list {
		out[i] = conflict{c.Pointer, viewCurrent(c.Current)}
	}
	return out
}

// viewCurrent shows a thing as a read of it does.
func viewCurrent(v any) any {
	switch v := v.(type) {
	case *bursar.Assignment:
		return viewAssignment(*v)
	case *bursar.Default:
		return viewDefault(*v)
	case *bursar.BoostRequest:
		return viewBoostRequest(*v)
	case *bursar.Boost:
		return viewBoost(*v)
	case *bursar.Entity:
		return viewEntity(*v)
	case *bursar.EntityType:
		return viewEntityType(*v)
	case *bursar.Feature:
		return viewFeature(*v)
	case *bursar.Currency:
		return viewCurrency(*v)
	case *bursar.Customer:
		return viewCustomer(*v)
	case *bursar.RateCard:
		return viewRateCard(*v)
	case *ledger.Archival:
		return viewArchival(*v)
	case *bursar.Webhook:
		return viewWebhook(*v)
	}
	return nil
}

// Things that are shown as the engine gives them, with their revision.
type (
	entityOut struct {
		bursar.Entity
		withRevision
	}
	entityTypeOut struct {
		bursar.EntityType
		withRevision
	}
	currencyOut struct {
		bursar.Currency
		withRevision
	}
	customerOut struct {
		bursar.Customer
		withRevision
	}
)

func viewEntity(e bursar.Entity) entityOut { return entityOut{e, withRevision{e.Revision()}} }

func viewEntityType(t bursar.EntityType) entityTypeOut {
	return entityTypeOut{t, withRevision{t.Revision()}}
}

func viewCurrency(c bursar.Currency) currencyOut { return currencyOut{c, withRevision{c.Revision()}} }
func viewCustomer(c bursar.Customer) customerOut { return customerOut{c, withRevision{c.Revision()}} }
