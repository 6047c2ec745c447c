// Package store has the words of the seam between Bursar and where it keeps its data: a
// commit and what became of it, the rows of a checkpoint, a message and its deliveries, and
// the roles of a store. The stores themselves are the packages below it.
package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
)

// ErrNotCommitted says that a write had certainly no effect (disk full, connection
// lost before the commit was sent): the caller may try again. Any other error of
// Append leaves the outcome unknown.
var ErrNotCommitted = errors.New("not committed")

// ErrPoisoned says that the store failed in a way after which nothing it holds in
// memory can be trusted (a failed fsync). Every later call returns it; the process
// must exit and never sync the same files again.
var ErrPoisoned = errors.New("store poisoned")

// ErrSuperseded says that a checkpoint does not continue the one that is saved: another
// process has saved one meanwhile.
var ErrSuperseded = errors.New("another checkpoint was saved meanwhile")

// ErrDamaged says that what is stored beside the logs is not what was written: it must not
// be served, and can be made again from the log.
var ErrDamaged = errors.New("what is stored is damaged")

// Damage is an ErrDamaged that says where it is, in words for whoever is refused for it: a
// customer and a row, and no value of it.
type Damage struct {
	Place string
	Why   error // nil: it is not what was written
}

func (d *Damage) Error() string {
	if d.Why != nil {
		return fmt.Sprintf("%v: %s: %v", ErrDamaged, d.Place, d.Why)
	}
	return fmt.Sprintf("%v: %s is not what was written", ErrDamaged, d.Place)
}

func (d *Damage) Unwrap() []error {
	if d.Why == nil {
		return []error{ErrDamaged}
	}
	return []error{ErrDamaged, d.Why}
}

// MaxSkew is how far the instant of a commit may be off the clock of a shared store.
const MaxSkew = bursar.Time(2 * time.Second)

// Head is a position in one stream. The zero Head is the beginning.
type Head struct {
	Seq  uint64      // number of commits so far
	Hash [16]byte    // chains every commit to the one before it
	Now  bursar.Time // the last commit's instant; never goes back in a stream
}

// Commit is what one stream grows by: records that become durable together, and what
// the listings show of them.
type Commit struct {
	Stream  string
	After   Head        // the position it was decided on
	ID      [16]byte    // random, so that an unknown outcome can be found out
	Now     bursar.Time // ≥ After.Now
	Hash    [16]byte    // the stream's Hash once this is appended
	Payload []byte      // encoded records; opaque to stores

	Listing  *bursar.Customer // replaces the customer's row in the listing
	Activity []Activity       // rows for the activity listing
	Begin    []Use            // uses that this commit begins; beginning one twice is harmless
	End      []Use            // uses that it ends; ending an unknown one is harmless
	Messages []Message        // webhook events, each with the deliveries that are due from now on
	// Catalogue is the Seq of the catalogue that this was decided with. With Begin set, only
	// commits Aside may follow that Seq until this is committed: so what begins to be used
	// was not archived meanwhile. A store that other processes use too demands of every
	// commit that only commits Aside followed that Seq when the Append began: so nothing is
	// decided with a catalogue that was replaced before.
	Catalogue uint64
	// Aside, on commits of the catalogue, says that nothing changes by which customers' commits
	// are decided: what was decided with the catalogue before it need not be decided again.
	Aside bool
	// Unused, on commits of the catalogue: refuse the commit while any stream uses one of these.
	Unused []Use
	// Undecided says that this commit only holds the place of one that Again is to decide: it
	// is always stale. Only its After and Stream count.
	Undecided bool
	// Imported commits were made elsewhere: Now is not compared with the store's clock, nor
	// Catalogue with the catalogue.
	Imported bool
}

// Head is the stream's position once c is appended.
func (c *Commit) Head() Head { return Head{Seq: c.After.Seq + 1, Hash: c.Hash, Now: c.Now} }

// Use tells that a customer uses a thing of the catalogue, which therefore may not be
// archived.
type Use struct {
	Kind string // "entityType", "currency", "feature" (it has figures), "default" (there is a default limit of the feature), or "grant": then it only says whose it is
	ID   string
}

// Outcome is what became of one commit of an Append.
type Outcome uint8

const (
	Committed    Outcome = iota + 1
	Stale                // the stream's head is not After: nothing was written
	InUse                // one of Unused is in use: nothing was written
	OldCatalogue         // the catalogue has gone on from Catalogue, not only Aside: nothing was written
	Skewed               // Now is neither After.Now nor within MaxSkew of the store's clock: nothing was written
)

// Again decides anew commit number i of an Append, which is stale: tail is all that its
// stream has after c.After, in order. It returns the commit to append in its place, or
// nil for none. Until the Append ends no other process can append to the stream. It is
// called at most once for a commit, and must not use the store.
type Again func(i int, tail []LogRow) *Commit

// LogRow is one commit as the log keeps it.
type LogRow struct {
	Head    Head // the stream's position once this row is applied
	ID      [16]byte
	Payload []byte
}

// Activity is one entry of a customer's audit listing.
type Activity struct {
	ID         string
	Timestamp  bursar.Time
	ActorType  string // API_KEY, ACCESS_TOKEN, SPEND_TOKEN, NOTIFICATION or SYSTEM
	ActorID    string
	Subject    string // "" = none
	Action     string
	TargetType string
	TargetID   string
	EntityID   string // "" = none
	Before     []byte // JSON; nil = none
	After      []byte // JSON; nil = none
	RequestID  string // "" = none
}

// Message is one webhook event in the outbox.
type Message struct {
	ID         string // UUIDv7
	Type       string
	CustomerID string // "" = of the environment
	CreatedAt  bursar.Time
	Body       []byte // JSON, as it is delivered
	Deliveries []Delivery
}

// DeliveryStatus is where a delivery stands.
type DeliveryStatus string

const (
	DeliveryPending   DeliveryStatus = "PENDING"
	DeliverySucceeded DeliveryStatus = "SUCCEEDED"
	DeliveryFailed    DeliveryStatus = "FAILED" // given up: a dead letter
)

// Delivery is one message on its way to one endpoint. Within a Message that is added,
// MessageID, EventType and CustomerID are the message's, whatever is in them.
type Delivery struct {
	ID             string // UUIDv7
	EndpointID     string
	MessageID      string
	EventType      string
	CustomerID     string // "" = of the environment
	Status         DeliveryStatus
	Attempts       int
	ResponseStatus int    // of the last attempt; 0 = there was no reply
	Error          string // of the last attempt, short; "" = none
	CreatedAt      bursar.Time
	NextAttempt    bursar.Time // 0 unless PENDING
}

// DueDelivery is a delivery with what it delivers.
type DueDelivery struct {
	Delivery
	Body []byte
}

// DeliveryQuery selects the deliveries of one endpoint, newest first (by ID). Bounds are
// exclusive; with Above the rows just above it are meant, still newest first.
type DeliveryQuery struct {
	EndpointID   string
	Status       DeliveryStatus // "" = any
	Below, Above string
	Limit        int
}

// ActivityQuery selects entries, newest first (by ID, which grows with time within a
// customer). Zero members do not filter.
type ActivityQuery struct {
	EntityID, Action, ActorID string
	EntityIDs                 []string    // one of these; nil does not filter
	From, To                  bursar.Time // [From, To)
	// Below and Above bound the ID exclusively. With Above set, the rows just above it
	// are meant: the Limit smallest IDs above it, still returned newest first.
	Below, Above string
	Limit        int
}

// CustomerQuery selects customers in order of (CreatedAt, ID). Zero members do not
// filter.
type CustomerQuery struct {
	Email, Name     string      // exact
	Search          string      // part of the id, name or email; A to Z match a to z
	CreatedFrom     bursar.Time // CreatedAt ≥
	CreatedTo       bursar.Time // CreatedAt <
	IncludeArchived bool
	After, Before   *CustomerPos // exclusive; with Before the Limit rows just ahead of it, in list order
	Limit           int
}

// CustomerPos is a place in the order of customers.
type CustomerPos struct {
	CreatedAt bursar.Time
	ID        string
}

// Checkpoint is a customer's state as plain rows, or a part of it. Saved, it holds
// what changed since the last one and replaces rows by their keys; loaded, it holds
// everything, in parts. All rows are true at Head.
type Checkpoint struct {
	Stream string
	Head   Head
	Base   uint64 // when saved: the Seq of the checkpoint that this one continues; 0 = none
	// Anew, when saved, says that this is all that there is: what is saved is damaged and goes.
	// Head need not be ahead of it.
	Anew bool `json:"-"`
	// Due is the earliest instant at which time alone changes the state (a hold that
	// expires); 0 when none does.
	Due  bursar.Time
	Meta []byte // the small parts: customer, capabilities, totals' names; opaque to stores

	Entities    []EntityRow
	Assignments []AssignmentRow
	Counters    []CounterRow
	Totals      []TotalRow
	Holds       []HoldRow
	Series      []SeriesRow // amounts to ADD to what is stored under the same key
	Parts       []PartRow

	// Idempotency keys. Segments belong to the open generation; Generations are closed
	// ones, and saving one deletes the segments of the same Gen. Generations with
	// Gen < DropGenerations are deleted, with their segments and blocks.
	Segments        []KeySegment
	Generations     []KeyGeneration
	DropGenerations int64
}

// HoldQuery selects saved holds of one status, in order of ID. Bounds are exclusive;
// with Before the Limit rows just ahead of it are meant, in list order.
type HoldQuery struct {
	Status        bursar.HoldStatus
	EntityOrd     uint32 // 0 = any
	After, Before string
	Limit         int
}

// JobRow is one piece of long work, as the store keeps it.
type JobRow struct {
	ID    string      // in order of creation
	Key   string      // of the request that asked for it, unique; "" = none; what the first save gave stays
	Rev   uint64      // how often it was saved
	Ended bursar.Time // 0 while it waits or runs
	Body  []byte      // all else; opaque to stores
	// Result is what it found or did so far; it may be large, and is given only when the
	// job is asked for by its ID.
	Result []byte
}

// JobQuery selects jobs, newest first (by ID). Zero members do not filter. Bounds are exclusive; with Above the rows
// just above it are meant, still newest first.
type JobQuery struct {
	Open         bool // only those that have not ended
	ID, Key      string
	Below, Above string
	Limit        int
}

// KeyEntrySize is the length of one idempotency key's entry: the key's hash (16), the
// hash of its content (8), the commit's Seq (5) and the record's index (3), big-endian.
const KeyEntrySize = 32
