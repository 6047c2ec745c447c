package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// ImportOptions say how to import.
type ImportOptions struct {
	DryRun   bool // check everything that can be without writing
	Progress func(Transfer)
}

var (
	// ErrDiverges says that a log in the store is not the one in the file.
	ErrDiverges = errors.New("the store has another history")
	// ErrOtherEnvironment says that the store belongs to another environment.
	ErrOtherEnvironment = errors.New("the store has an environment of its own")
	// ErrMissing says that the environment lacks what the customer uses.
	ErrMissing = errors.New("the store's environment lacks what the customer uses")
	// ErrMismatch says that what was imported does not fold to what was exported.
	ErrMismatch = errors.New("what the store has now does not fold to the state that was exported")
)

// errNotFolds says that a file contradicts itself, so that nothing was written of it.
var errNotFolds = fmt.Errorf("%w: its log does not fold to the state that the file says", ErrExport)

// Import reads an export into a store, which no engine uses meanwhile: with ErrServed it
// refuses one that nodes use. What is there already is
// compared and skipped, so that an import that was interrupted can be run again; what
// is there and differs is refused.
//
// A whole environment goes into a store that has none, or a part of this one. One
// customer also goes into an environment with the same secret (by which idempotency
// keys are recognised) that has the entity types, features and currencies that the
// customer uses; its catalogue stays as it is.
//
// After each log it is read back and folded, and the sums of the states are compared.
// The Transfer is right after an error, too.
func Import(ctx context.Context, s store.Store, from io.Reader, o ImportOptions) (Transfer, error) {
	im := &importer{ctx: ctx, s: s, o: o}
	var err error
	if !o.DryRun {
		var release func()
		if im.s, release, err = store.TakeStore(ctx, s); err != nil {
			return im.t, err
		}
		defer release()
	}
	if err = readExport(from, &im.t, im); err == nil {
		err = im.flush()
	}
	if err == nil {
		im.t.Stream, im.t.Seq = "", 0
		im.progress()
		err = errors.Join(im.mismatches...)
	}
	return im.t, err
}

// importCheckpoint is how many records of a customer an import has in memory before it
// saves a checkpoint.
const importCheckpoint = 50_000

// importing is what an import writes with.
type importing interface {
	store.Log
	store.Checkpoints
	store.Moving
	store.Outbox
	Customers(ctx context.Context, q store.CustomerQuery) ([]bursar.Customer, error)
}

type importer struct {
	ctx      context.Context
	s        importing
	o        ImportOptions
	t        Transfer
	customer string               // "" = the whole environment
	cat      *catalogue.Catalogue // the file's
	home     *catalogue.Catalogue // the store's, when one customer comes into it
	// unfinished: that may be what an import that was interrupted wrote of the file's.
	unfinished bool
	in         *incoming
	batch      batch
	mismatches []error
}

func (im *importer) progress() {
	if im.o.Progress != nil {
		im.o.Progress(im.t)
	}
}

func (im *importer) header(h *headerLine) error {
	im.customer = h.Customer
	return nil
}

func (im *importer) Begin(stream string) error {
	if slices.ContainsFunc(im.batch.ended, func(in *incoming) bool { return in.name == stream }) {
		if err := im.flush(); err != nil { // the file has it twice
			return err
		}
	}
	heads, _, _, err := im.s.Heads(im.ctx, []string{stream}, nil)
	if err != nil {
		return err
	}
	im.in = &incoming{im: im, name: stream, had: heads[0], there: logPager{ctx: im.ctx, s: im.s, name: stream}}
	if im.o.DryRun {
		im.in.dry = ledger.NewRefold(stream)
	}
	if stream == store.CatalogueStream {
		im.cat = catalogue.NewCatalogue()
		if im.in.had.Seq > 0 && im.customer != "" {
			return im.atHome()
		}
		return nil
	}
	return im.in.open()
}

// atHome reads the environment that a customer comes into. One without customers may be an
// unfinished one.
func (im *importer) atHome() (err error) {
	if im.home, err = readCatalogue(im.ctx, im.s, im.in.had); err != nil {
		return err
	}
	first, err := im.s.Customers(im.ctx, store.CustomerQuery{IncludeArchived: true, Limit: 1})
	im.unfinished = len(first) == 0
	return err
}

// finishes tells whether a row of the catalogue is to be written into an environment that
// is unfinished, of which all rows so far are the file's.
func (im *importer) finishes(row *store.LogRow) (bool, error) {
	if im.unfinished && row.Head.Seq > im.in.had.Seq {
		im.home = nil
		return true, nil
	}
	if im.unfinished {
		err := im.in.compare(row)
		im.unfinished = err == nil
		if err != nil && !errors.Is(err, ErrOtherEnvironment) {
			return false, err
		}
	}
	return false, nil
}

// readCatalogue folds the store's catalogue.
func readCatalogue(ctx context.Context, s store.LogReader, to store.Head) (*catalogue.Catalogue, error) {
	c := catalogue.NewCatalogue()
	return c, store.ReadLogTo(ctx, s, store.CatalogueStream, store.Head{}, to, c.Fold)
}

func (im *importer) Commit(row *store.LogRow) (err error) {
	defer ledger.Recovered(im.in.name, row, &err)
	if im.in.name == store.CatalogueStream {
		if err := im.cat.Fold(row); err != nil {
			return err
		}
		if im.home != nil { // which stays as it is
			if finishes, err := im.finishes(row); err != nil || !finishes {
				return err
			}
		}
	}
	if row.Head.Seq%1024 == 0 {
		im.progress()
	}
	return im.in.add(row)
}

func (im *importer) end(head store.Head, exported ledger.Sums) error {
	if im.in.name == store.CatalogueStream && im.home != nil {
		if im.home.Secret != im.cat.Secret {
			return fmt.Errorf("%w, with another secret: keys that the customer's callers send again would not be recognised", ErrOtherEnvironment)
		}
		return nil
	}
	in := im.in
	switch {
	case in.unsure:
		return in.trimmed(im.t.Seq)
	case in.dry == nil:
		in.ends, in.exported = head, exported
		return im.ends(in)
	case in.dry.Sums().Differ(exported):
		return fmt.Errorf("%s: %w", streamTitle(in.name), errNotFolds)
	}
	return nil
}

// message adds a message unless it is there.
func (im *importer) message(m *store.Message) error {
	if im.customer != "" && m.CustomerID != im.customer {
		return fmt.Errorf("%w: message %s is of another customer", ErrExport, m.ID)
	}
	if im.home != nil {
		m.Deliveries = slices.DeleteFunc(m.Deliveries, func(d store.Delivery) bool {
			return im.home.WebhookOf[d.EndpointID] == nil && !catalogue.ToPeople(d.EndpointID)
		})
	}
	if len(m.Deliveries) == 0 {
		im.t.Dropped++
		return nil
	}
	if there, err := im.s.Delivery(im.ctx, m.Deliveries[0].ID); err != nil || there != nil || im.o.DryRun {
		return err
	}
	if err := im.flush(); err != nil { // it is of a log that is there
		return err
	}
	if err := im.s.AddMessage(im.ctx, *m); err != nil {
		return err
	}
	im.t.Added++
	return nil
}
