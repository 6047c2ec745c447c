package store

import (
	"context"
	"iter"
	"time"

	"github.com/bursarhq/bursar"
)

// Store keeps the logs, the checkpoints and the listings. It decides nothing. All
// methods are safe for concurrent use; slices that a store is given or gives are
// neither kept nor changed by the other side.
type Store interface {
	Log
	Checkpoints
	Listings
	Outbox
	Jobs
	Denials
	Moving
	Upkeep
}

// Log is the streams of commits: the truth, of which all else is made.
type Log interface {
	LogReader
	// Append writes each commit whose stream is exactly at its After, in one durable
	// transaction, in the order given, and says for each what became of it. A stream
	// appears once per call, but with Imported commits that continue one another. When it
	// returns an error no outcome is valid: after ErrNotCommitted nothing was written,
	// after any other error each commit may or may not have been. A commit of the catalogue
	// comes alone. A store that other processes use too may call again, if it is not nil,
	// for a stale commit; where it does not, the commit is Stale.
	Append(ctx context.Context, commits []Commit, again Again) ([]Outcome, error)
	// Outcomes finds out what became of commits whose Append had an unknown outcome:
	// Committed or Stale, which here says that it is not in the log. It waits for a
	// transaction that may still be writing one of them.
	Outcomes(ctx context.Context, commits []Commit) ([]Outcome, error)
}

// LogReader reads the streams.
type LogReader interface {
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
	CheckpointReader
	// Save replaces and adds the rows of cp in one transaction. It refuses, with
	// ErrSuperseded, a cp that is not ahead of the saved one or whose Base is not it; a
	// store that other processes use too refuses in the same way a cp whose Head is not in
	// the log, as when the log was restored to an earlier state.
	Save(ctx context.Context, cp *Checkpoint) error
}

// CheckpointReader reads checkpoints.
type CheckpointReader interface {
	// Load calls visit with the parts of the stream's checkpoint, the first of which
	// has Head, Due and Meta; never when there is none. Of holds it gives the OPEN
	// ones; of series none; of generations all, without blocks. All rows
	// that it gives are as of one moment. A row, here and in the listings, that is not what was
	// written is an error that wraps ErrDamaged and says where it is. visit must not keep the
	// lists of a part: rows of the next part may take their place.
	Load(ctx context.Context, stream string, visit func(*Checkpoint) error) error
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
	OutboxReader
	// AddMessage puts a message with its deliveries into the outbox outside of any
	// stream. Append does so for those of its commits, in the same transaction.
	AddMessage(ctx context.Context, m Message) error
	// SaveDeliveries replaces what deliveries with these IDs have as Status, Attempts,
	// ResponseStatus, Error and NextAttempt, durably; unknown IDs are ignored. One
	// that has SUCCEEDED changes only if it begins anew, PENDING with no Attempts: a process
	// that was paused does not undo what another one has sent meanwhile.
	SaveDeliveries(ctx context.Context, ds []Delivery) error
	// TrimOutbox deletes messages created before t that have no PENDING delivery, with
	// their deliveries.
	TrimOutbox(ctx context.Context, before bursar.Time) error
}

// OutboxReader reads messages and what became of them.
type OutboxReader interface {
	// DueDeliveries lists PENDING deliveries with NextAttempt ≤ before, endpoint by endpoint:
	// of each up to limit of its ID, the earliest first (then by ID); 0 = all, below = none.
	DueDeliveries(ctx context.Context, before bursar.Time, limit func(endpoint string) int) ([]DueDelivery, error)
	// Deliveries lists; Delivery reads one with its body, nil when there is none.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	Delivery(ctx context.Context, id string) (*DueDelivery, error)
	// PendingDeliveries counts the PENDING ones: for a scrape of metrics, which may not read
	// a hundred thousand of them as the others do.
	PendingDeliveries(ctx context.Context) (int, error)
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

// Denials keeps requests that were denied, for a time. They follow from no log: nothing makes them
// anew, no base or export has them, and a store may lose the last ones in a crash.
type Denials interface {
	// SaveDenials adds rows, but those that are there, and puts counts in the place of those with their
	// Key, unless those count more: who does not know what became of a call may repeat it. No two counts
	// of a call have one Key.
	SaveDenials(ctx context.Context, rows []DenialRow, counts []DenialCount) error
	// Denials lists.
	Denials(ctx context.Context, q DenialQuery) ([]DenialRow, error)
	// DenialCounts calls visit with the counts of a customer's hours that begin in [from, to), summed
	// over processes but for those with the keys except, in order of hours, until the end or an error,
	// which it returns.
	DenialCounts(ctx context.Context, customer string, from, to bursar.Time, except [][]byte, visit func(DenialCount) error) error
	// MostDenied lists the limits of all customers that denied most in hours that begin at from or
	// later, without Hour and Group, and without counts with the keys except.
	MostDenied(ctx context.Context, from bursar.Time, except [][]byte, limit int) ([]DenialCount, error)
	// TrimDenials deletes up to limit rows, and as many counts, that are older than before; 0 tells that
	// none is left.
	TrimDenials(ctx context.Context, before bursar.Time, limit int) (int, error)
}

// Moving is what an import or a repair needs beyond Append.
type Moving interface {
	BaseReader
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

// BaseReader reads what a trimmed log goes on from.
type BaseReader interface {
	// Base calls visit with the parts of a checkpoint that a stream's log goes on from, when
	// it does not begin with its first commit; never when it does. Unlike Load it gives all
	// rows: reservations that have ended, series, and generations with their blocks. It may
	// hold a transaction meanwhile.
	Base(ctx context.Context, stream string, visit func(*Checkpoint) error) error
}

// Indexed is a store that finds rows by what it has written beside them, which a Reader does not
// give out.
type Indexed interface {
	// CheckIndexes tells found of each difference between that and the rows of a stream.
	CheckIndexes(ctx context.Context, stream string, found func(difference string)) error
}

// UsesReader is a store that keeps what each stream uses, so that nobody archives it.
type UsesReader interface {
	// Uses are all of a stream, in any order.
	Uses(ctx context.Context, stream string) ([]Use, error)
}

// Reader is all that reads what was written of customers: who has no more of a store changes
// nothing in it.
type Reader interface {
	LogReader
	CheckpointReader
	Listings
	OutboxReader
	BaseReader
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
