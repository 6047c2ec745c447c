package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/transfer"
)

// A world that is exported and imported again and again, from one kind of store to the
// other, goes on as if nothing had been.
func TestEngineAgreesWithModelAcrossMoves(t *testing.T) {
	runWorlds(t, *sqliteFlag, func() (backing, error) { return newMover(t) })
}

// mover is a backing that, when it is closed in order, moves to a store of another kind.
type mover struct {
	backing
	t     *testing.T
	moves int
}

func newMover(t *testing.T) (backing, error) {
	b, err := newSQLiteBacking(t.TempDir())
	return &mover{backing: b, t: t}, err
}

func (m *mover) reopen(how ending) error {
	if how != closed {
		return m.backing.reopen(how)
	}
	var next backing = newMemBacking()
	if _, ok := m.backing.(*memBacking); ok {
		b, err := newSQLiteBacking(m.t.TempDir())
		if err != nil {
			return err
		}
		next = b
	}
	if err := move(m.backing.store(), next.store()); err != nil {
		return errors.Join(err, next.close())
	}
	err := m.backing.close()
	m.backing, m.moves = next, m.moves+1
	return err
}

// move exports and imports, and compares everything that can be read of both.
func move(from, to store.Store) error {
	ctx := context.Background()
	var file, again bytes.Buffer
	sent, err := transfer.Export(ctx, from, &file, transfer.ExportOptions{Version: "from", Created: 1})
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	got, err := transfer.Import(ctx, to, bytes.NewReader(file.Bytes()), transfer.ImportOptions{})
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	if got.Written != sent.Commits || got.Added != sent.Messages || got.Dropped != 0 {
		return fmt.Errorf("of %+v there came %+v", sent, got)
	}
	if _, err := transfer.Export(ctx, to, &again, transfer.ExportOptions{Version: "to", Created: 2}); err != nil {
		return fmt.Errorf("exporting again: %w", err)
	}
	if !bytes.Equal(afterHeader(file.Bytes()), afterHeader(again.Bytes())) {
		return errors.New("the export of the import is another one")
	}
	return sameListings(ctx, from, to)
}

func afterHeader(file []byte) []byte {
	_, rest, _ := bytes.Cut(file, []byte{'\n'})
	return rest
}

// sameListings compares what commits write besides the log.
func sameListings(ctx context.Context, a, b store.Store) error {
	q := store.CustomerQuery{IncludeArchived: true, Limit: 10_000}
	customers, err := a.Customers(ctx, q)
	others, errB := b.Customers(ctx, q)
	if err := errors.Join(err, errB); err != nil {
		return err
	}
	if !reflect.DeepEqual(customers, others) {
		return errors.New("the listings of customers differ")
	}
	uses := map[store.Use]bool{}
	for _, kind := range []string{"entityType", "currency"} {
		for _, list := range [][]string{typeNames, currencyNames} {
			for _, id := range list {
				uses[store.Use{Kind: kind, ID: id}] = true
			}
		}
	}
	for i := range customers {
		q := store.ActivityQuery{Limit: 1 << 20}
		x, err := a.Activity(ctx, customers[i].ID, q)
		y, errB := b.Activity(ctx, customers[i].ID, q)
		if err := errors.Join(err, errB); err != nil {
			return err
		}
		if !reflect.DeepEqual(x, y) {
			return fmt.Errorf("the activity of %s differs", customers[i].ID)
		}
		for _, e := range x {
			if e.TargetType == "grant" {
				uses[store.Use{Kind: "grant", ID: e.TargetID}] = true
			}
		}
	}
	for u := range uses {
		x, err := a.Users(ctx, u, 10_000)
		y, errB := b.Users(ctx, u, 10_000)
		if err := errors.Join(err, errB); err != nil {
			return err
		}
		slices.Sort(x) // their order is any store's own
		slices.Sort(y)
		if !slices.Equal(x, y) {
			return fmt.Errorf("users of %v: %v and %v", u, x, y)
		}
	}
	return nil
}
