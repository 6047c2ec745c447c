package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bursarhq/bursar"
)

// ExportOptions say what to export.
type ExportOptions struct {
	Customer string      // "" = the whole environment
	Version  string      // of the program
	Created  bursar.Time // when it is made
	Progress func(Transfer)
}

// ErrTrimmed says that a log does not reach back to where it is needed.
var ErrTrimmed = errors.New("its log was trimmed")

// ErrNoCustomer says that the store has no such customer.
var ErrNoCustomer = errors.New("the store has no such customer")

// Export writes an environment, or one customer with the environment's catalogue, as
// Import reads it. Of each log it writes what there is when it begins, whatever is
// appended meanwhile; the catalogue is not older than the customers. A log that was trimmed
// goes on from its checkpoint. One that is damaged is an error, and the export is then of
// no use.
func Export(ctx context.Context, s Store, to io.Writer, o ExportOptions) (Transfer, error) {
	e := &exporter{ctx: ctx, s: s, o: o, cuts: map[string]Head{}}
	e.w = exportWriter{to: to, section: newSum(), all: newSum(), t: &e.t}
	return e.t, e.run()
}

type exporter struct {
	ctx context.Context
	s   Store
	o   ExportOptions
	w   exportWriter
	t   Transfer

	customers []string
	cuts      map[string]Head // up to where each log is exported
	endpoints []string
}

func (e *exporter) run() error {
	if err := e.cut(); err != nil {
		return err
	}
	if err := e.w.sealed(headerLine{lineHeader, exportFormat, e.o.Version, e.o.Created, e.o.Customer}); err != nil {
		return err
	}
	e.w.all.Reset() // the header is not in the total's sum
	for _, name := range append([]string{CatalogueStream}, e.customers...) {
		if err := e.stream(name); err != nil {
			return fmt.Errorf("%s: %w", streamTitle(name), err)
		}
	}
	if err := e.messages(); err != nil {
		return fmt.Errorf("the outbox: %w", err)
	}
	total := totalLine{lineTotal, e.t.Streams, e.t.Commits, e.t.Messages, e.o.Customer, sumText(e.w.all)}
	if err := e.w.sealed(total); err != nil {
		return err
	}
	e.progress()
	return nil
}

func streamTitle(name string) string {
	if name == CatalogueStream {
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
	if err := e.heads([]string{CatalogueStream}); err != nil {
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
	if name == CatalogueStream {
		begin.Type = lineCatalogue
	}
	if err := e.w.sealed(begin); err != nil {
		return err
	}
	f := newRefold(name)
	if err := e.base(f); err != nil {
		return err
	}
	if err := readLogTo(e.ctx, e.s, name, f.head(), e.cuts[name], func(row *LogRow) error {
		if err := f.add(row); err != nil {
			return err
		}
		return e.commit(row)
	}); err != nil {
		return err
	}
	if f.cat != nil {
		e.endpoints = sortedKeys(f.cat.webhooks)
	}
	head := f.head()
	e.t.Streams++
	return e.w.sealed(endLine{lineEnd, head.Seq, fmt.Sprintf("%x", head.Hash), sumText(e.w.section), f.sums()})
}

func (e *exporter) commit(row *LogRow) error {
	if e.t.Seq = row.Head.Seq; row.Head.Seq%1024 == 0 {
		e.progress()
	}
	return e.w.commit(row)
}

// readLogTo visits a log's rows after a head up to another, at which it must arrive.
func readLogTo(ctx context.Context, s Store, name string, from, to Head, visit func(*LogRow) error) error {
	if to.Seq <= from.Seq {
		return nil
	}
	at := from
	err := s.ReadLog(ctx, name, from.Seq, int(to.Seq-from.Seq), func(row LogRow) error {
		if at == from && row.Head.Seq > from.Seq+1 {
			return fmt.Errorf("%w meanwhile: it begins with commit %d", ErrTrimmed, row.Head.Seq)
		}
		at = row.Head
		return visit(&row)
	})
	if err == nil && at != to {
		err = fmt.Errorf("the log ends at commit %d and not, as it should, at %d: it was restored or damaged", at.Seq, to.Seq)
	}
	return err
}
