// Package store has the words of the seam between Bursar and where it keeps its data: a
// commit and what became of it, the rows of a checkpoint, a message and its deliveries, and
// the interface of a store. The stores themselves are the packages below it.
package store

import (
	"context"
	"errors"
	"iter"
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

// MaxSkew is how far the instant of a commit may be off the clock of a shared store.
const MaxSkew = bursar.Time(2 * time.Second)

// Head is a position in one stream. The zero Head is the beginning.
type Head struct {
	Seq  uint64      // number of commits so far
	Hash [16]byte    // chains every commit to the one before it
	Now  bursar.Time // the last commit's instant; never goes back in a stream
}

// Commit is one step of one stream: records that become durable together, and what
// the listings show of them.
type Commit struct {
	Stream  string
	After   Head        // the position it was decided on
	ID      [16]byte    // random, so that an unknown outcome can be settled
	Now     bursar.Time // ≥ After.Now
	Hash    [16]byte    // the stream's Hash once this is appended
	Payload []byte      // encoded records; opaque to stores

	Listing  *bursar.Customer // replaces the customer's row in the listing
	Activity []Activity       // rows for the activity listing
	Begin    []Use            // uses that this commit begins; beginning one twice is harmless
	End      []Use            // uses that it ends; ending an unknown one is harmless
	Messages []Message        // webhook events, each with the deliveries that are due from now on
	// Catalogue is the Seq of the catalogue that this was decided with. With Begin set it
	// must still be that when this is committed, but for commits Aside: what begins to be
	// used has not been archived meanwhile. A store that other processes use too demands of
	// every commit that it was that when the Append began, or later: nothing is decided by
	// what was replaced.
	Catalogue uint64
	// Aside, on commits of the catalogue, says that nothing changes by which customers' commits
	// are decided: what was decided with the catalogue before it need not be decided again.
	Aside bool
	// Unused, on commits of the catalogue: refuse the commit while any stream uses one of these.
	Unused []Use
	// Undecided commits hold the place of one: they are always stale, so that it is decided
	// by Again. Only After and Stream of them count.
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
	Kind string // "entityType", "currency", "feature" (it has figures), or "grant": then it only says whose it is
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
	ActorType  string // API_KEY, ACCESS_TOKEN or SYSTEM
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

// Store keeps the logs, the checkpoints and the listings. It decides nothing. All
// methods are safe for concurrent use; slices that a store is given or gives are
// neither kept nor changed by the other side.
type Store interface {
	Log
	Checkpoints
	Listings
	Outbox
	Jobs
	Moving
	Upkeep
}

// Log is the streams of commits: the truth, of which all else is made.
type Log interface {
	// Append writes each commit whose stream is exactly at its After, in one durable
	// transaction, in the order given, and says for each what became of it. A stream
	// appears once per call, but with Imported commits that continue one another. When it
	// returns an error no outcome is valid: after ErrNotCommitted nothing was written,
	// after any other error each commit may or may not have been. A commit of the catalogue
	// comes alone. A store that other processes use too may call again, if it is not nil,
	// for a stale commit; where it does not, the commit is Stale.
	Append(ctx context.Context, commits []Commit, again Again) ([]Outcome, error)
	// Settle finds out what became of commits whose Append had an unknown outcome:
	// Committed or Stale, which here says that it is not in the log. It waits for a
	// transaction that may still be writing one of them.
	Settle(ctx context.Context, commits []Commit) ([]Outcome, error)
	// Heads reads the positions of streams, in the order given; zero for an unknown one.
	// now is the store's clock, which all processes that share it go by; 0 where this
	// process has the store for itself and goes by its own. Where after is not nil, a store
	// that other processes use too gives along, of each stream that has more than after
	// says, the first rows behind that, as many as it likes: tails is nil or as long as
	// heads.
	Heads(ctx context.Context, streams []string, after []uint64) (heads []Head, tails [][]LogRow, now bursar.Time, err error)
	// ReadLog calls visit with each row of the stream after seq, in order, until the
	// end, limit rows (0 = all) or an error, which it returns.
	ReadLog(ctx context.Context, stream string, after uint64, limit int, visit func(LogRow) error) error
	// Streams lists up to limit streams that have commits, in one order, on from after the
	// one given ("" = from the first); never the catalogue.
	Streams(ctx context.Context, after string, limit int) ([]string, error)
	// Users lists up to limit streams that use u.
	Users(ctx context.Context, u Use, limit int) ([]string, error)
}

// Checkpoints are what a stream's log folds to, saved so that opening it reads only the
// tail of the log.
type Checkpoints interface {
	// Load calls visit with the parts of the stream's checkpoint, the first of which
	// has Head, Due and Meta; never when there is none. Of holds it gives the OPEN
	// ones; of series none; of generations all, without blocks. It may also give saved
	// rows as of one same moment only. What is read here, and in the listings, and is not what
	// was written is an error that wraps ErrDamaged and says where it is.
	Load(ctx context.Context, stream string, visit func(*Checkpoint) error) error
	// Save replaces and adds the rows of cp in one transaction. It refuses, with
	// ErrSuperseded, a cp that is not ahead of the saved one or whose Base is not it; a
	// store that other processes use too refuses so one whose Head is not in the log, as
	// when the log was restored to an earlier state.
	Save(ctx context.Context, cp *Checkpoint) error
	// Saved reads the Seqs of the streams' checkpoints, in the order given; 0 = none.
	Saved(ctx context.Context, streams []string) ([]uint64, error)
	// Due lists up to limit streams whose checkpoint's Due is set and ≤ before, or whose
	// log is ahead of their checkpoint; never the catalogue.
	Due(ctx context.Context, before bursar.Time, limit int) ([]string, error)
	// FindKeys looks hashes up in the blocks of a closed generation and returns, for
	// each, its entry of KeyEntrySize bytes or nil.
	FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error)
}

// Listings are read where they are stored; a customer's need not be in memory.
type Listings interface {
	// Customers and Activity read the listings that Append writes.
	Customers(ctx context.Context, q CustomerQuery) ([]bursar.Customer, error)
	Activity(ctx context.Context, stream string, q ActivityQuery) ([]Activity, error)
	// Hold reads a saved hold; nil when there is none.
	Hold(ctx context.Context, stream, id string) (*HoldRow, error)
	// Holds lists saved holds.
	Holds(ctx context.Context, stream string, q HoldQuery) ([]HoldRow, error)
	// Series reads buckets and the Seq of the checkpoint that they are true at, as of
	// one moment.
	Series(ctx context.Context, stream string, q SeriesQuery) (rows []SeriesRow, seq uint64, err error)
}

// Outbox keeps the messages of webhooks and what became of them.
type Outbox interface {
	// AddMessage puts a message with its deliveries into the outbox outside of any
	// stream. Append does so for those of its commits, in the same transaction.
	AddMessage(ctx context.Context, m Message) error
	// DueDeliveries lists PENDING deliveries with NextAttempt ≤ before, endpoint by endpoint:
	// of each up to limit of its ID, the earliest first (then by ID).
	DueDeliveries(ctx context.Context, before bursar.Time, limit func(endpoint string) int) ([]DueDelivery, error)
	// Deliveries lists; Delivery reads one with its body, nil when there is none.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	Delivery(ctx context.Context, id string) (*DueDelivery, error)
	// PendingDeliveries counts the PENDING ones.
	PendingDeliveries(ctx context.Context) (int, error)
	// SaveDeliveries replaces what deliveries with these IDs have as Status, Attempts,
	// ResponseStatus, Error and NextAttempt, durably; unknown IDs are ignored. What has
	// SUCCEEDED only begins anew, PENDING with no Attempts: a process that was paused does
	// not undo what another one has sent meanwhile.
	SaveDeliveries(ctx context.Context, ds []Delivery) error
	// TrimOutbox deletes messages created before t that have no PENDING delivery, with
	// their deliveries.
	TrimOutbox(ctx context.Context, before bursar.Time) error
}

// Jobs keeps long work.
type Jobs interface {
	// SaveJob writes a job durably, and gives it the next Rev. It writes nothing, and says
	// so, unless the saved one has the Rev of j, or j has 0 and there is none with its ID or
	// its Key.
	SaveJob(ctx context.Context, j JobRow) (bool, error)
	// Jobs lists.
	Jobs(ctx context.Context, q JobQuery) ([]JobRow, error)
	// TrimJobs deletes jobs that ended before t.
	TrimJobs(ctx context.Context, before bursar.Time) error
}

// Moving is what an import or a repair needs beyond Append.
type Moving interface {
	// Base calls visit with the parts of a checkpoint that a stream's log goes on from, when
	// it does not begin with its first commit; never when it does. Unlike Load it gives all
	// rows: reservations that have ended, series, and generations with their blocks. It may
	// hold a transaction meanwhile.
	Base(ctx context.Context, stream string, visit func(*Checkpoint) error) error
	// Begin makes a stream, in one transaction, of the parts of a base: where the first one's
	// checkpoint is, there its log ends. It wraps ErrNotCommitted when nothing was written:
	// when parts ends with an error, which it returns, and when there is such a stream.
	Begin(ctx context.Context, stream string, parts iter.Seq2[*BasePart, error]) error
	// Rewrite puts the rows of parts in the place of all that a stream's log has after to,
	// in one transaction: entries of the activity listing go and come with their rows, the
	// listing is replaced if a part has one, and what the stream uses is what the parts say.
	// A checkpoint beyond to is forgotten. It wraps ErrNotCommitted when nothing was written:
	// when parts ends with an error, which it returns, and when the log is not at to.
	Rewrite(ctx context.Context, stream string, to Head, parts iter.Seq2[*BasePart, error]) error
}

// Upkeep is who does what is done once for all processes, what is deleted, and whether the
// store works.
type Upkeep interface {
	// Claim gives each name to holder for ttl and says which it got: those that no other
	// holder has. With ttl 0 it gives up those that holder has. Where this process has the
	// store for itself, every claim succeeds.
	Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error)
	// TrimLog deletes up to limit rows of customers' logs whose Now is before t, never the
	// newest of a stream nor one that the saved checkpoint needs, and says how many. A store
	// that must be able to rebuild checkpoints from logs returns errors.ErrUnsupported.
	TrimLog(ctx context.Context, before bursar.Time, limit int) (int, error)
	// Err is nil while the store can be trusted and reached.
	Err() error
	Close() error
}

// KeyEntrySize is the length of one idempotency key's entry: the key's hash (16), the
// hash of its content (8), the commit's Seq (5) and the record's index (3), big-endian.
const KeyEntrySize = 32
