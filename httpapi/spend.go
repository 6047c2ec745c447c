package httpapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/spendtoken"
)

// spending is a spend token as its requests are judged by it. Who spends, it says: a request
// that says otherwise is refused.
type spending struct {
	token *spendtoken.Token
	pins  []bursar.Dimension // that each request has
	path  catalogue.SpendPath
	scope []byte // idempotency keys of other tokens, and of the gateway's requests, are apart from those of this one
	// behalf: a key asks for the token's holder, as the gateway does. What is made is the key's to end.
	behalf bool
}

func newSpending(t *spendtoken.Token, behalf bool) *spending {
	s := &spending{token: t, behalf: behalf, path: catalogue.SpendPath{ID: t.ID()}}
	counted := slices.ContainsFunc(t.Blocks, func(b spendtoken.Block) bool { return len(b.Caps) > 0 })
	add := func(key, value string) {
		if !hasKey(s.pins, key) {
			s.pins = append(s.pins, bursar.Dimension{Key: key, Value: value})
		}
	}
	var last string
	expires := bursar.Time(0)
	for i := range t.Blocks {
		b := &t.Blocks[i]
		if expires == 0 || b.Expires != 0 && b.Expires < expires {
			expires = b.Expires
		}
		var entities []bursar.Dimension
		for _, p := range b.Entities {
			add(p.Key, p.Value)
			entities = append(entities, bursar.Dimension{Key: p.Key, Value: p.Value})
		}
		if len(entities) > 0 {
			s.path.Pins = append(s.path.Pins, entities)
		} else if i == 0 {
			s.path.Pins = append(s.path.Pins, nil) // of the customer's own
		}
		for _, p := range b.Dims {
			add(p.Key, p.Value)
		}
		if counted && (i == 0 || len(b.Caps) > 0) { // the first stands for all that are made from it
			c := catalogue.SpendEntity{ID: t.IDs[i], Label: b.Label, Expires: expires}
			for _, limit := range b.Caps {
				c.Caps = append(c.Caps, bursar.CapabilityAmount{Capability: limit.Capability, Amount: limit.Amount})
			}
			s.path.Counted, last = append(s.path.Counted, c), c.ID
		}
	}
	if counted {
		add(bursar.SpendTokenKey, last)
	}
	slices.SortFunc(s.pins, func(a, b bursar.Dimension) int { return cmp.Compare(a.Key, b.Key) })
	h := sha256.New()
	io.WriteString(h, "spend token "+t.ID())
	if behalf {
		io.WriteString(h, " by a key")
	}
	s.scope = h.Sum(nil)
	return s
}

// identifySpend finds who holds a spend token.
func (a *API) identifySpend(text string, now bursar.Time) (p principal, ok bool) {
	t := a.spendKey.Open(text)
	if t == nil || now >= t.Expires() || !a.engine.Catalogue().MaySpend(t.Customer(), t.IDs) {
		return p, false
	}
	return principal{id: t.RootID(), access: tokenSpend, spend: t}, true
}

func errNotTheTokens(pointer, format string, args ...any) error {
	return bursar.ErrorAt(pointer, bursar.CodeForbidden, format, args...)
}

// place is the pointer to a member of an item at a place; "?" is the query.
func placeOf(at, member string) string {
	if at == "?" {
		return "?" + member
	}
	return at + "/" + member
}

func placeOfDim(at, member, key string) string {
	if at == "?" {
		return "?dimensions[" + key + "]"
	}
	return at + "/" + member + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// ofCustomer refuses a request of a spend token about another customer.
func (q *request) ofCustomer(at, customer string) error {
	if q.bound != nil && q.bound.CustomerID != "" && customer != q.bound.CustomerID {
		return errNotTheTokens(placeOf(at, "customerId"), "this API key is for the customer %q alone", q.bound.CustomerID)
	}
	if q.spend == nil || customer == q.spend.token.Customer() {
		return nil
	}
	return errNotTheTokens(placeOf(at, "customerId"), "this spend token is of the customer %q", q.spend.token.Customer())
}

// named refuses what a spend token may not be used for.
func (q *request) named(at string, n spendtoken.Name) error {
	if q.spend == nil || q.spend.token.Allows(n) {
		return nil
	}
	member := "featureId"
	if n.Currency != "" {
		member = "currencyId"
	} else if n.Event != "" {
		member = "eventName"
	}
	return errNotTheTokens(placeOf(at, member), "this spend token is for other features, currencies or events")
}

func spendName(c bursar.Capability) spendtoken.Name {
	if c.Kind == bursar.KindCurrency {
		return spendtoken.Name{Currency: c.ID}
	}
	return spendtoken.Name{Feature: c.ID}
}

// attributed are a request's dimensions with those that its spend token pins.
func (q *request) attributed(at string, dims []bursar.Dimension) ([]bursar.Dimension, error) {
	if q.bound != nil {
		return dims, q.names(at, dims)
	}
	if q.spend == nil {
		return dims, nil
	}
	if err := q.said(at, "dimensions", dims); err != nil {
		return nil, err
	}
	out := withMissing(slices.Clip(dims), q.spend.pins)
	if len(out) > bursar.MaxDimensions {
		return nil, bursar.ErrorAt(placeOf(at, "dimensions"), bursar.CodeValidationFailed, "at most %d dimensions, with those of the spend token here are %d", bursar.MaxDimensions, len(out))
	}
	return out, nil
}

// said refuses dimensions that say of who spends what the spend token does not.
func (q *request) said(at, member string, dims []bursar.Dimension) error {
	if q.bound != nil {
		return q.ofType(at, member, dims)
	}
	if q.spend == nil {
		return nil
	}
	cat := q.api.engine.Catalogue()
	for _, d := range dims {
		i := slices.IndexFunc(q.spend.pins, func(p bursar.Dimension) bool { return p.Key == d.Key })
		switch {
		case i >= 0 && (d.Value != q.spend.pins[i].Value || d.Kind != bursar.DimString):
			return errNotTheTokens(placeOfDim(at, member, d.Key), "this spend token is pinned to %s %q", d.Key, q.spend.pins[i].Value)
		case i < 0 && d.Key != bursar.ModelKey && (cat.Attributes(d.Key) || d.Key == bursar.SpendTokenKey):
			return errNotTheTokens(placeOfDim(at, member, d.Key), "%s names who spends, which the spend token says: it is pinned to no %s", d.Key, d.Key)
		}
	}
	return nil
}

// ofModel refuses a request about a model that the spend token is not for.
func (q *request) ofModel(at string, dims []bursar.Dimension) error {
	if q.spend == nil {
		return nil
	}
	model := ""
	for _, d := range dims {
		if d.Key == bursar.ModelKey {
			model = d.Value
		}
	}
	switch {
	case q.spend.token.AllowsModel(model):
		return nil
	case model == "":
		return errNotTheTokens(placeOfDim(at, "dimensions", bursar.ModelKey), "this spend token is for some models alone: say which one")
	}
	return errNotTheTokens(placeOfDim(at, "dimensions", bursar.ModelKey), "this spend token is not for the model %q", model)
}

// mayAsk is attributed for a question or use of a capability.
func (q *request) mayAsk(at string, c bursar.Capability, dims []bursar.Dimension) ([]bursar.Dimension, error) {
	if q.spend == nil {
		return q.attributed(at, dims)
	}
	if err := q.named(at, spendName(c)); err != nil {
		return nil, err
	}
	out, err := q.attributed(at, dims)
	if err == nil {
		err = q.ofModel(at, out)
	}
	return out, err
}

// scoped is an idempotency key, or the id of a call, as the ledger has it: that of a spend
// token says something only among requests with that token, and that of a key for some types
// of entities only among requests of keys for these.
func (q *request) scoped(key string) string {
	var scope []byte
	switch {
	case key == "":
		return key
	case q.spend != nil:
		scope = q.spend.scope
	case q.bound != nil && len(q.bound.EntityTypes) > 0:
		sum := sha256.Sum256([]byte("key for " + strings.Join(slices.Sorted(slices.Values(q.bound.EntityTypes)), "\x00")))
		scope = sum[:]
	default:
		return key
	}
	sum := sha256.Sum256(append(bytes.Clone(scope), key...))
	return "spend:" + base64.RawURLEncoding.EncodeToString(sum[:24])
}

// noCall refuses the id of a call from a spend token: it would end what others hold for that
// call, or have it count as theirs.
func (q *request) noCall(id *string) error {
	if q.spend == nil || id == nil {
		return nil
	}
	return errNotTheTokens("/callId", "a spend token names no calls of yours: leave callId out and send an idempotencyKey")
}

// mayReport is mayAsk for usage, which a spend token only adds to.
func (q *request) mayReport(at, customer, feature string, value bursar.Amount, how *bursar.UpdateBehavior, dims []bursar.Dimension) ([]bursar.Dimension, error) {
	if err := q.ofCustomer(at, customer); err != nil {
		return nil, err
	}
	if q.spend == nil {
		return q.attributed(at, dims)
	}
	if value.Sign() < 0 {
		return nil, errNotTheTokens(at+"/value", "a spend token takes nothing back: the value is 0 or more")
	}
	if or(how, bursar.Delta) != bursar.Delta {
		return nil, errNotTheTokens(at+"/updateBehavior", "a spend token adds usage: its updateBehavior is DELTA")
	}
	return q.mayAsk(at, bursar.Capability{Kind: bursar.KindFeature, ID: feature}, dims)
}

// mayTell refuses an event that is not the token's or key's to tell, and gives it the dimensions
// that a spend token pins.
func (q *request) mayTell(at string, e *eventFields) error {
	if q.spend == nil && q.bound == nil {
		return nil
	}
	if err := q.ofCustomer(at, e.CustomerID); err != nil {
		return err
	}
	if err := q.named(at, spendtoken.Name{Event: e.EventName}); err != nil {
		return err
	}
	dims, err := q.attributed(at, e.Dimensions)
	if err == nil {
		e.Dimensions = dims
	}
	return err
}

// mayEnd refuses an event that ends a reservation from a key for some types of entities: whose
// that is, the path of a commit tells.
func (q *request) mayEnd(at string, e *eventIn) error {
	if e.ReservationID == nil || q.bound == nil || len(q.bound.EntityTypes) == 0 {
		return nil
	}
	return errNotTheTokens(at+"/reservationId", "this API key is for entities of some types: commit the reservation instead")
}

// toldOf refuses what an event says once its usage was read: a reply may tell dimensions, too.
func (q *request) toldOf(at string, dims []bursar.Dimension) error {
	if err := q.said(at, "dimensions", dims); err != nil {
		return err
	}
	return q.ofModel(at, dims)
}
