package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bursarhq/bursar"
)

// Tokens are tokens by kind. A token is of one kind alone.
type Tokens struct {
	Input        int64 `json:"input,omitempty"`          // neither read from a cache nor written to one
	CacheRead    int64 `json:"cache_read,omitempty"`     // found in the provider's cache
	CacheWrite   int64 `json:"cache_write,omitempty"`    // put into the cache for its usual time
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"` // put into the cache for an hour
	Output       int64 `json:"output,omitempty"`         // without reasoning
	Reasoning    int64 `json:"reasoning,omitempty"`      // thinking that is charged as output
}

// TokensByKind are tokens of an event as replies have them. A token is of one kind alone.
type TokensByKind struct {
	Input        bursar.Amount `json:"input"`          // neither read from a cache nor written to one
	CacheRead    bursar.Amount `json:"cache_read"`     // found in the provider's cache
	CacheWrite   bursar.Amount `json:"cache_write"`    // put into the cache for its usual time
	CacheWrite1h bursar.Amount `json:"cache_write_1h"` // put into the cache for an hour
	Output       bursar.Amount `json:"output"`         // without reasoning
	Reasoning    bursar.Amount `json:"reasoning"`      // thinking that is charged as output

	InputAudio     bursar.Amount `json:"input_audio"`      // sound in the prompt, not from a cache
	InputImage     bursar.Amount `json:"input_image"`      // pictures in the prompt, not from a cache
	CacheReadAudio bursar.Amount `json:"cache_read_audio"` // sound in the prompt, found in the cache
	OutputAudio    bursar.Amount `json:"output_audio"`
	OutputImage    bursar.Amount `json:"output_image"`
	OutputVideo    bursar.Amount `json:"output_video"`
	Citation       bursar.Amount `json:"citation"` // of sources that a search model read
}

// Used is how much an event used: the usage object of a provider's reply, as it came, or
// tokens by kind; and properties of your own that meters read.
type Used struct {
	Usage      json.RawMessage `json:"usage,omitempty"`
	Tokens     *Tokens         `json:"tokens,omitempty"`
	Properties map[string]any  `json:"properties,omitempty"` // strings, numbers and booleans
}

// CallUsed is what a call that was reserved really used. Model is set where another one
// answered than was reserved for.
type CallUsed struct {
	Used
	Model  string `json:"model,omitempty"`
	CallID string `json:"callId,omitempty"` // of the call, where the reservation was not given it
}

// EventSpend asks to consume all that an event uses.
type EventSpend struct {
	EventName      string         `json:"eventName"`
	Dimensions     map[string]any `json:"dimensions,omitempty"` // strings, numbers and booleans
	Strict         bool           `json:"strict,omitempty"`     // what names no entity is denied
	IdempotencyKey string         `json:"idempotencyKey,omitempty"`
	CallID         string         `json:"callId,omitempty"` // of the call: what gives the same one counts once
	Used
}

// EventReserve asks to hold all that an event is expected to use. MaxTokens and the size of
// the input say how much that is where Used does not.
type EventReserve struct {
	EventSpend
	MaxTokens       int64           `json:"maxTokens,omitempty"`       // of output, reasoning included: each kind is held for all of it
	Hold            string          `json:"hold,omitempty"`            // "p50" to "p99": of output what calls before had, at most MaxTokens
	InputTokens     int64           `json:"inputTokens,omitempty"`     // exactly one of these two
	InputCharacters int64           `json:"inputCharacters,omitempty"` // 3 count as a token
	TTLSeconds      int             `json:"ttlSeconds,omitempty"`      // 0 = 300
	OnExpire        bursar.OnExpire `json:"onExpire,omitempty"`
	NoOutput        bool            `json:"-"` // there is none: without that a MaxTokens of 0 is warned of
}

func (e EventReserve) MarshalJSON() ([]byte, error) {
	type plain EventReserve
	if !e.NoOutput {
		return json.Marshal(plain(e))
	}
	return json.Marshal(struct {
		plain
		MaxTokens int64 `json:"maxTokens"`
	}{plain: plain(e)})
}

// CapabilityAmount is an amount of one feature or currency.
type CapabilityAmount struct {
	FeatureID  string        `json:"featureId"`
	CurrencyID string        `json:"currencyId"`
	Amount     bursar.Amount `json:"amount"`
}

// AlertReached is a limit that reached thresholds, in percent.
type AlertReached struct {
	AssignmentID string `json:"assignmentId"`
	EntityID     string `json:"entityId"`
	FeatureID    string `json:"featureId"`
	CurrencyID   string `json:"currencyId"`
	Label        string `json:"label"`
	Thresholds   []int  `json:"thresholds"`
}

// Learned is what a reservation took from calls before it.
type Learned struct {
	Quantile string `json:"quantile"`
	Samples  int    `json:"samples"` // calls that it is taken from; 0 = too few, and MaxTokens is held
	Of       string `json:"of"`      // the entity whose calls they were; "" = the customer's
	Tokens   int64  `json:"tokens"`  // of output
	Capped   bool   `json:"capped"`  // there was room for no more
}

// EventParts is what replies about an event have in place of one amount.
type EventParts struct {
	EventName string             `json:"eventName"`
	Held      []CapabilityAmount `json:"held"` // by a reservation, until it ended
	Used      []CapabilityAmount `json:"used"`
	Tokens    *TokensByKind      `json:"tokens"`
	Estimated bool               `json:"estimated"` // nobody said what was used: Used is what was held
	Learned   *Learned           `json:"learned"`   // what a reservation took from calls before
	Tightest  *Binding           `json:"tightest"`  // the hard limit with room for the fewest more of such events
	Alerts    []AlertReached     `json:"alerts"`
}

// ReserveEvent holds all that an event is expected to use, on every limit of its path, or
// nothing. See Denied for a refusal. CommitEvent ends it.
func (c *Client) ReserveEvent(ctx context.Context, customer string, in EventReserve) (Reservation, error) {
	return ask[Reservation](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "reservations"), in: in, key: keyFor(in.IdempotencyKey),
	})
}

// CommitEvent records what the event of a reservation really used, even above the hold, and
// frees the rest. Repeating it with the same usage gives the same answer.
func (c *Client) CommitEvent(ctx context.Context, customer, reservation string, used CallUsed) (Reservation, error) {
	return ask[Reservation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "reservations", reservation, "commit"), in: used})
}

// ConsumeEvent checks and records all that an event uses, in one step. See Denied for a
// refusal.
func (c *Client) ConsumeEvent(ctx context.Context, customer string, in EventSpend) (Consumption, error) {
	return ask[Consumption](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "consume"), in: in, key: keyFor(in.IdempotencyKey),
	})
}
