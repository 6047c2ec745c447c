package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// ExportOptions say what to export.
type ExportOptions struct {
	Customer string      // "" = the whole environment
	Version  string      // of the program
	Created  bursar.Time // when it is made
	Progress func(Transfer)
}

// ErrNoCustomer says that the store has no such customer.
var ErrNoCustomer = errors.New("the store has no such customer")

// Export writes an environment, or one customer with the environment's catalogue, as
// Import reads it. Of each log it writes what there is when it begins, whatever is
// appended meanwhile; the catalogue is not older than the customers. A log that was trimmed
// goes on from its checkpoint. One that is damaged is an error, and the export is then of
// no use.
func Export(ctx context.Context, s store.Reader, to io.Writer, o ExportOptions) (Transfer, error) {
	e := &exporter{ctx: ctx, s: s, o: o, cuts: map[string]store.Head{}}
	e.w = exportWriter{to: to, section: ledger.NewSum(), all: ledger.NewSum(), t: &e.t}
	return e.t, e.run()
}

type exporter struct {
	ctx context.Context
	s   store.Reader
	o   ExportOptions
	w   exportWriter
	t   Transfer

	customers []string
	cuts      map[string]store.Head // up to where each log is exported
	endpoints []string
	// recipients of the notifications of customers, as deliveries have them
	recipients []string
}

func (e *exporter) run() error {
	if err := e.cut(); err != nil {
		return err
	}
	if err := e.w.sealed(headerLine{lineHeader, exportFormat, e.o.Version, e.o.Created, e.o.Customer}); err != nil {
		return err
	}
	e.w.all.Reset() // the header is not in the total's sum
	for _, name := range append([]string{store.CatalogueStream}, e.customers...) {
		if err := e.stream(name); err != nil {
			return fmt.Errorf("%s: %w", streamTitle(name), err)
		}
	}
	if err := e.messages(); err != nil {
		return fmt.Errorf("the outbox: %w", err)
	}
	total := totalLine{lineTotal, e.t.Streams, e.t.Commits, e.t.Messages, e.o.Customer, ledger.SumText(e.w.all)}
	if err := e.w.sealed(total); err != nil {
		return err
	}
	e.progress()
	return nil
}

func streamTitle(name string) string {
	if name == store.CatalogueStream {
		return "the catalogue"
	}
	return fmt.Sprintf("customer %q", name)
}

func (e *exporter) progress() {
	if e.o.Progress != nil {
		e.o.Progress(e.t)
	}
}

// cut notes where each log ends now, the catalogue's last: what a customer uses is in a
// catalogue that is not older.
func (e *exporter) cut() error {
	if e.o.Customer != "" {
		e.customers = []string{e.o.Customer}
	} else if err := e.list(); err != nil {
		return err
	}
	const page = 1000
	for from := 0; from < len(e.customers); from += page {
		if err := e.heads(e.customers[from:min(from+page, len(e.customers))]); err != nil {
			return err
		}
	}
	if err := e.heads([]string{store.CatalogueStream}); err != nil {
		return err
	}
	if e.o.Customer != "" && e.cuts[e.o.Customer].Seq == 0 {
		return fmt.Errorf("%w: %q", ErrNoCustomer, e.o.Customer)
	}
	return nil
}

// list finds all customers, archived ones too. The logs are the truth of that: an export
// is what makes a listing again that is damaged.
func (e *exporter) list() error {
	for after := ""; ; {
		names, err := e.s.Streams(e.ctx, after, 1000)
		if err != nil || len(names) == 0 {
			return err
		}
		e.customers = append(e.customers, names...)
		after = names[len(names)-1]
	}
}

func (e *exporter) heads(names []string) error {
	heads, _, _, err := e.s.Heads(e.ctx, names, nil)
	for i := range heads {
		e.cuts[names[i]] = heads[i]
	}
	return err
}

// stream writes one log up to its cut.
func (e *exporter) stream(name string) error {
	e.w.section.Reset()
	e.t.Stream, e.t.Seq = name, 0
	begin := streamLine{lineCustomer, name}
	if name == store.CatalogueStream {
		begin.Type = lineCatalogue
	}
	if err := e.w.sealed(begin); err != nil {
		return err
	}
	f := ledger.NewRefold(name)
	if err := e.Base(f); err != nil {
		return err
	}
	if err := store.ReadLogTo(e.ctx, e.s, name, f.Head(), e.cuts[name], func(row *store.LogRow) error {
		if err := f.Add(row); err != nil {
			return err
		}
		return e.Commit(row)
	}); err != nil {
		return err
	}
	if f.Cat != nil {
		e.endpoints = record.SortedKeys(f.Cat.WebhookOf)
	} else {
		e.recipients = append(e.recipients, f.Recipients()...)
	}
	head := f.Head()
	e.t.Streams++
	return e.w.sealed(endLine{lineEnd, head.Seq, fmt.Sprintf("%x", head.Hash), ledger.SumText(e.w.section), f.Sums()})
}

func (e *exporter) Commit(row *store.LogRow) error {
	if e.t.Seq = row.Head.Seq; row.Head.Seq%1024 == 0 {
		e.progress()
	}
	return e.w.Commit(row)
}
