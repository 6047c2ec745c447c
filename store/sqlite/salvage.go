package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// Salvage makes files of dir anew, which no process has open, where pages of them are not what was written: log.db of what
// can be read of it, and state.db by the next start. All of the logs must be whole; what else cannot be read is left
// out, and lost is told of it. A file that was damaged is kept, as log.db.damaged or state.db.damaged. After a new log.db only
// Options.Unfinished opens the store, until Finish: what is derived of the logs may be missing.
func Salvage(dir string, lost func(what string)) (err error) {
	if err := vfs.Register(); err != nil {
		return err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	s := &Store{logPath: filepath.Join(dir, "log.db"), statePath: filepath.Join(dir, "state.db")}
	if err := s.present(); err != nil {
		return err
	}
	m, _, err := readMark(s.logPath)
	if err != nil && !errors.Is(err, errMark) {
		return err
	}
	if err := s.whole(m); err != nil {
		return err
	}
	if torn, err := flawed(s.logPath); err != nil {
		return err
	} else if torn {
		if err := s.salvageLog(lost); err != nil {
			return err
		}
	}
	if torn, err := flawed(s.statePath); err != nil || !torn {
		return err
	}
	lost("state.db is put aside as state.db.damaged, and made anew from log.db at the next start")
	return errors.Join(os.Rename(s.statePath, s.statePath+".damaged"), removeDatabase(s.statePath), removeFile(markPath(s.statePath)), syncDir(dir))
}

// unfinished is a file of a directory whose log.db was made anew, and lacks what is derived of the logs.
const unfinished = "log.db.unfinished"

// Finish notes that what is derived of the logs is there again.
func Finish(dir string) error {
	return errors.Join(removeFile(filepath.Join(dir, unfinished)), syncDir(dir))
}

// finished refuses a directory that is not.
func (s *Store) finished(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, unfinished)); err == nil {
		return fmt.Errorf("%w: log.db was made anew, and not all that is derived of the logs; run bursar rebuild --write again", ErrLog)
	}
	return nil
}

// flawed tells whether the database at path has pages that are not what was written.
func flawed(path string) (torn bool, err error) {
	err = checkPages(path, func(string) { torn = true })
	return torn, err
}

func (s *Store) salvageLog(lost func(what string)) error {
	if err := begin(s.logPath); err != nil {
		return err
	}
	return s.replace(s.logPath, func(to string) error {
		if err := salvage(s.logPath, to, lost); err != nil {
			return err
		}
		if err := keepAside(s.logPath); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(filepath.Dir(to), unfinished))
		if err == nil {
			err = f.Close()
		}
		return errors.Join(err, syncDir(filepath.Dir(to)))
	})
}

// keepAside gives a file a second name, which it keeps when another takes its place.
func keepAside(path string) error {
	return errors.Join(removeFile(path+".damaged"), os.Link(path, path+".damaged"))
}

// Tables of log.db, by what becomes of them where they are damaged. There is nothing to make the logs of; what is derived of them
// is made anew by transfer.Rebuild; the others have what can be read.
var (
	logTables     = []string{"streams", "log", "bases", "base_parts"}
	derivedTables = [][]string{{"uses"}, {"customers"}, {"activity", "activity_blocks", "activity_entities"}}
	otherTables   = []keyed{{"messages", "n", 0, math.MaxInt64}, {"deliveries", "id", "", "\U0010FFFF"}, {"jobs", "rowid", 0, math.MaxInt64}, {"denials", "n", 0, math.MaxInt64}}
)

// keyed is a table with the column that its rows are in the order of, and what is below and above all that is in it.
type keyed struct {
	table, key   string
	below, above any
}

const (
	// deniedTags makes what denials are found by.
	deniedTags = "INSERT INTO denial_tags SELECT DISTINCT d.customer, t.value, d.at, d.id FROM denials d, json_each(d.tags) t WHERE t.value IS NOT NULL"
	// unqueued drops deliveries of messages that are lost.
	unqueued = "DELETE FROM deliveries WHERE message NOT IN (SELECT n FROM messages)"
)

// salvage copies the database at path into a new one.
func salvage(path, to string, lost func(what string)) error {
	if err := createSealed(to); err != nil {
		return err
	}
	c, err := openConn(to, allPragmas+"PRAGMA synchronous=OFF") // it is synced when it is done
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	if err := migrateLog(c); err != nil {
		return err
	}
	if err := c.exec("ATTACH ? AS old", path); err != nil {
		return err
	}
	if err := c.older(); err != nil {
		return err
	}
	if err := c.copyTables(lost); err != nil {
		return err
	}
	if _, left, err := walState(c, "TRUNCATE"); err != nil || left > 0 {
		return errors.Join(err, fmt.Errorf("%d pages of %s stay in its write-ahead log", left, filepath.Base(to)))
	}
	return syncFile(to)
}

func (c *conn) copyTables(lost func(what string)) error {
	for _, table := range logTables {
		copied := c.copyWhole
		if table == "log" {
			copied = c.copyPieces
		}
		if err := copied(table); unreadable(err) {
			return fmt.Errorf("%w: the table %s: %w; restore log.db from a backup", ErrLog, table, err)
		} else if err != nil {
			return err
		}
	}
	for _, tables := range derivedTables {
		if err := c.copyTogether(tables, lost); err != nil {
			return err
		}
	}
	for _, t := range otherTables {
		if err := c.copyRows(t, lost); err != nil {
			return err
		}
	}
	for _, sql := range []string{deniedTags, unqueued} {
		if err := c.exec(sql); err != nil {
			return err
		}
	}
	err := c.copyWhole("denial_counts")
	if unreadable(err) {
		lost("the counts of denials cannot be read, and are lost")
		return nil
	}
	return err
}

// copyPieces copies a table whose rows have ids in pieces, so that the write-ahead log of the new file stays short.
func (c *conn) copyPieces(table string) error {
	const piece = 5_000
	last := int64(0)
	err := c.query(context.Background(), func(r row) error {
		if !r.null(0) {
			last = r.int(0)
		}
		return nil
	}, "SELECT max(id) FROM old."+table)
	for from := int64(0); from < last && err == nil; from += piece {
		err = c.exec("INSERT INTO main."+table+" SELECT * FROM old."+table+" NOT INDEXED WHERE id > ? AND id <= ?", from, from+piece)
	}
	return err
}

// copyTogether copies tables that say something only together: all, or none.
func (c *conn) copyTogether(tables []string, lost func(what string)) error {
	for _, table := range tables {
		err := c.copyWhole(table)
		if err == nil {
			continue
		}
		if !unreadable(err) {
			return err
		}
		lost(table + " cannot be read, and is made anew from where each log begins")
		for _, table := range tables {
			if err := c.exec("DELETE FROM main." + table); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// unreadable tells that a page is not what was written, or that pages do not fit together.
func unreadable(err error) bool { return changed(err) || corrupt(err) }

// older refuses a database of another schema: the version before must have written what is copied.
func (c *conn) older() error {
	var version int64
	err := c.query(context.Background(), func(r row) error { version = r.int(0); return nil }, "PRAGMA old.user_version")
	if err == nil && version != int64(len(logSchema)) {
		err = fmt.Errorf("log.db has schema %d, not %d: start this version of bursar with it once, stop it, and run this again", version, len(logSchema))
	}
	return err
}

// copyWhole reads the rows alone: a damaged index does no harm, as the new table makes its own.
func (c *conn) copyWhole(table string) error {
	return c.script("INSERT INTO main." + table + " SELECT * FROM old." + table + " NOT INDEXED WHERE true")
}

// copyRows copies a table: where it is damaged, from its beginning as far as it can be read, and from its end back.
func (c *conn) copyRows(t keyed, lost func(what string)) error {
	err := c.copyWhole(t.table)
	if !unreadable(err) {
		return err
	}
	lost("of " + t.table + " rows cannot be read, and are lost")
	for _, way := range []struct {
		order string
		from  any
	}{{"> ? ORDER BY %s", t.below}, {"< ? ORDER BY %s DESC", t.above}} {
		from, more := way.from, true
		for most := salvaged; most > 0 && more; {
			var last any
			last, more, err = c.copySome(t, fmt.Sprintf(way.order, t.key), from, most)
			switch {
			case unreadable(err) && last != nil: // the one row of this step is known to be there
				from, most = last, salvaged
				more = true
			case unreadable(err):
				most /= 4
				more = true
			case err != nil:
				return err
			default:
				from = last
			}
		}
	}
	return nil
}

// salvaged is how many rows are copied at once.
const salvaged = 256

// copySome copies the next rows behind from; more is false behind the last one. It returns the key of the last one, nil
// where that cannot be read, or where there were several and one of them cannot be read.
func (c *conn) copySome(t keyed, order string, from any, most int) (last any, more bool, err error) {
	var first any
	err = c.query(context.Background(), func(r row) error {
		first, last, more = cmp.Or(first, r[0]), r[0], true
		return nil
	}, fmt.Sprintf("SELECT %s FROM old.%s NOT INDEXED WHERE %s %s LIMIT %d", t.key, t.table, t.key, order, most), from)
	if err != nil || !more {
		return nil, false, err
	}
	err = c.exec(fmt.Sprintf("INSERT OR IGNORE INTO main.%[1]s SELECT * FROM old.%[1]s NOT INDEXED WHERE %[2]s BETWEEN min(?1, ?2) AND max(?1, ?2)", t.table, t.key), first, last)
	if unreadable(err) && most > 1 {
		return nil, true, err
	}
	return last, true, err
}
