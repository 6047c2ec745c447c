package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// incoming is a log that is being imported.
type incoming struct {
	im    *importer
	name  string
	had   store.Head     // of the store's log at the beginning
	there logPager       // the store's rows, for comparison
	st    *ledger.State  // of a customer; nil in a dry run
	dry   *ledger.Refold // what the file's log folds to; nil unless in a dry run
	saves bool           // checkpoints are still ours to save
	// unsure: the last row was trimmed from the store's log. Its hash is in that of the
	// next one, which is still there unless the file ends first.
	unsure bool
	// Once the file has all of it: where it ends, and what it folds to.
	ends     store.Head
	exported ledger.Sums
}

// open reads the customer's state as the store has it, to the end of its log.
func (in *incoming) open() error {
	if in.im.o.DryRun {
		return nil
	}
	in.st, in.saves = ledger.NewState(), true
	in.st.Keys.Limit = ledger.DefaultKeysInMemory
	if err := in.im.s.Load(in.im.ctx, in.name, in.st.Restore); err != nil {
		return err
	}
	if err := in.st.Restored(); err != nil {
		return fmt.Errorf("%w: the checkpoint of %s: %w", store.ErrDamaged, streamTitle(in.name), err)
	}
	return store.ReadLogTo(in.im.ctx, in.im.s, in.name, in.st.Head, in.had, func(row *store.LogRow) error {
		if err := in.apply(row, nil); err != nil || in.st.Dirty.Records < importCheckpoint {
			return err
		}
		return in.save()
	})
}

func (in *incoming) add(row *store.LogRow) (err error) {
	if in.dry != nil {
		if err := in.fold(row); err != nil {
			return err
		}
	}
	if row.Head.Seq <= in.had.Seq {
		return in.present(row)
	}
	if in.unsure {
		return in.trimmed(row.Head.Seq - 1)
	}
	c := store.Commit{Stream: in.name, ID: row.ID, Now: row.Head.Now, Hash: row.Head.Hash, Payload: row.Payload, Imported: true}
	switch {
	case in.dry != nil:
		in.im.t.Written++
		return nil
	case in.st == nil: // the catalogue, whose commits come alone
		c.After = in.had
		if err := in.im.put(in, c); err != nil {
			return err
		}
		return in.im.flush()
	}
	c.After = in.st.Head
	if err := in.apply(row, &c); err != nil {
		return err
	}
	if err := in.im.put(in, c); err != nil || in.st.Dirty.Records < importCheckpoint {
		return err
	}
	if err := in.im.flush(); err != nil {
		return err
	}
	return in.save()
}

// present compares a row that the store has.
func (in *incoming) present(row *store.LogRow) error {
	if err := in.compare(row); err != nil {
		return err
	}
	in.im.t.Seq = row.Head.Seq
	in.im.t.Present++
	return nil
}

// compare tells whether a row is the store's, too.
func (in *incoming) compare(row *store.LogRow) error {
	mine, err := in.there.at(row.Head.Seq)
	if err != nil {
		return err
	}
	if in.unsure = mine == nil; in.unsure {
		return nil
	}
	switch {
	case mine.Head == row.Head && mine.ID == row.ID:
		return nil
	case in.name == store.CatalogueStream:
		return fmt.Errorf("%w: its catalogue differs from commit %d on; a whole environment goes into a store that no server was started on", ErrOtherEnvironment, row.Head.Seq)
	}
	return fmt.Errorf("%w of customer %q: commit %d, of %s, is another one than the file's, of %s", ErrDiverges, in.name, row.Head.Seq, mine.Head.Now, row.Head.Now)
}

func (in *incoming) trimmed(seq uint64) error {
	return fmt.Errorf("%s cannot be compared at commit %d, where the file's ends: in the store %w", streamTitle(in.name), seq, store.ErrTrimmed)
}

// apply folds a row and makes c, if it is given, write what the row's commit wrote.
func (in *incoming) apply(row *store.LogRow, c *store.Commit) (err error) {
	defer ledger.Recovered(in.name, row, &err)
	v, recs, err := in.st.ApplyCommit(in.name, row)
	if err != nil {
		return err
	}
	if err := in.lacks(recs); err != nil {
		return err
	}
	if c != nil {
		v.Effects(c, recs)
	}
	v.Merge(row.Head)
	return nil
}

// fold folds a row of the file when nothing is written, so that it is known to be right.
func (in *incoming) fold(row *store.LogRow) error {
	if err := in.dry.Add(row); err != nil || in.name == store.CatalogueStream {
		return err
	}
	recs, err := record.DecodePayload(row.Payload)
	if err != nil {
		return err
	}
	return in.lacks(recs)
}

// lacks tells what records begin to use that the store's environment does not have.
func (in *incoming) lacks(recs []record.Record) error {
	if in.im.home == nil {
		return nil
	}
	var types []string
	var caps []bursar.Capability
	for _, r := range recs {
		switch r := r.(type) {
		case *record.TypeName:
			types = append(types, r.ID)
		case *record.CapabilityName:
			caps = append(caps, r.Capability)
		}
	}
	return in.lacksAny(types, caps)
}

func (in *incoming) lacksAny(types []string, caps []bursar.Capability) error {
	home := in.im.home
	if home == nil {
		return nil
	}
	for _, id := range types {
		if home.TypeOf[id] == nil {
			return fmt.Errorf("%w: the entity type %q", ErrMissing, id)
		}
	}
	for _, cap := range caps {
		feature := cap.Kind == bursar.KindFeature
		if feature && home.FeatureOf[cap.ID] == nil || !feature && home.CurrencyOf[cap.ID] == nil {
			return fmt.Errorf("%w: the %s", ErrMissing, cap)
		}
	}
	return nil
}

// save saves a checkpoint, so that memory does not grow with the log and the customer
// opens quickly. No key is forgotten that the longest horizon would still ask for.
func (in *incoming) save() error {
	if in.st.Dirty.Records == 0 {
		return nil
	}
	k, fill := in.st.Capture(in.name, ledger.MaxLateHorizon)
	fill()
	if in.saves {
		err := in.im.s.Save(in.im.ctx, &k.Cp)
		if in.saves = err == nil; err != nil && !errors.Is(err, store.ErrSuperseded) {
			return fmt.Errorf("saving a checkpoint of %s: %w", streamTitle(in.name), err)
		}
	}
	in.st.Saved(k)
	return nil
}

// logPager reads a log a page at a time.
type logPager struct {
	ctx  context.Context
	s    store.LogReader
	name string
	seq  uint64 // of the last row read
	rows []store.LogRow
}

// at is the row with seq, or nil when the log begins after it. It is called in order.
func (p *logPager) at(seq uint64) (*store.LogRow, error) {
	for len(p.rows) > 0 && p.rows[0].Head.Seq < seq {
		p.rows = p.rows[1:]
	}
	if len(p.rows) == 0 {
		p.seq = max(p.seq, seq-1)
		err := p.s.ReadLog(p.ctx, p.name, p.seq, ledger.ScanChunk, func(row store.LogRow) error {
			p.rows = append(p.rows, row)
			return nil
		})
		if err != nil || len(p.rows) == 0 {
			return nil, err
		}
		p.seq = p.rows[len(p.rows)-1].Head.Seq
	}
	if p.rows[0].Head.Seq > seq {
		return nil, nil
	}
	return &p.rows[0], nil
}
