package sqlite

import (
	"cmp"
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectIndexed = "SELECT n, length, data, first, last, earliest, told FROM activity_blocks WHERE stream = ? ORDER BY n"
	selectEntity  = "SELECT 1 FROM activity_entities WHERE stream = ? AND entity_id = ? AND n = ?"
	countEntities = "SELECT count(*) FROM activity_entities WHERE stream = ?"
)

// CheckIndexes implements store.Indexed: blocks of the activity are found by what their entries say.
func (s *Store) CheckIndexes(ctx context.Context, stream string, found func(difference string)) error {
	return s.read(ctx, s.logReaders, func(c *conn) (err error) {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, c.exec("ROLLBACK")) }()
		id, _, err := head(ctx, c, stream)
		if err != nil || id == 0 {
			return err
		}
		return checkActivity(ctx, c, id, found)
	})
}

func checkActivity(ctx context.Context, c *conn, stream int64, found func(difference string)) error {
	here, rows := int64(0), int64(0) // of the blocks' entities, those that are in the table; and what it has
	err := c.query(ctx, func(r row) error {
		entries, err := readActivityBlock(r)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			found(fmt.Sprintf("block %d of the activity has no entry", r.int(0)))
			return nil
		}
		x := indexActivity(entries)
		told, _ := x.told.(string)
		if r.text(3) != x.first || r.text(4) != x.last || bursar.Time(r.int(5)) != x.earliest || r.null(6) != (x.told == nil) || r.text(6) != told {
			found(fmt.Sprintf("block %d of the activity is not where its entries belong, or does not say what they are", r.int(0)))
		}
		missing := 0
		for _, id := range x.entities {
			missing++
			err := c.query(ctx, func(row) error {
				missing--
				return nil
			}, selectEntity, stream, id, r.int(0))
			if err != nil {
				return err
			}
		}
		if here += int64(len(x.entities) - missing); missing > 0 {
			found(fmt.Sprintf("block %d of the activity is not to be found by %d of its entities", r.int(0), missing))
		}
		return nil
	}, selectIndexed, stream)
	if err != nil {
		return err
	}
	err = c.query(ctx, func(r row) error {
		rows = r.int(0)
		return nil
	}, countEntities, stream)
	if err == nil && rows > here {
		found(fmt.Sprintf("blocks of the activity are to be found by %d entities that they have no entry of", rows-here))
	}
	return err
}

const selectUses = "SELECT u.kind, u.id FROM uses u JOIN streams s ON s.id = u.stream WHERE s.name = ?"

// Uses implements store.UsesReader.
func (s *Store) Uses(ctx context.Context, stream string) (uses []store.Use, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			uses = append(uses, store.Use{Kind: r.text(0), ID: r.text(1)})
			return nil
		}, selectUses, stream)
	})
	return uses, err
}
