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
// out, and lost is told of it. A file that was damaged is kept, as log.db.damaged or state.db.damaged.
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
	return errors.Join(keepAside(s.statePath), removeDatabase(s.statePath), removeFile(markPath(s.statePath)), syncDir(dir))
}

// flawed tells whether the database at path has pages that are not what was written.
func flawed(path string) (torn bool, err error) {
	err = vfs.Check(path, func(vfs.Damage) { torn = true })
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
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
		return keepAside(s.logPath)
	})
}

// keepAside gives a file a second name, which it keeps when another takes its place.
func keepAside(path string) error {
	return errors.Join(removeFile(path+".damaged"), os.Link(path, path+".damaged"))
}

// Tables of log.db, by what becomes of them where they are damaged.
var (
	logTables     = []string{"streams", "log", "bases", "base_parts"}                                 // the logs: there is nothing to make them of
	derivedTables = []string{"uses", "customers", "activity", "activity_blocks", "activity_entities"} // are made of the logs: transfer.Rebuild
	otherTables   = []string{"messages", "deliveries", "jobs", "denials"}                             // have what can be read
)

// deniedTags makes what denials are found by.
const deniedTags = "INSERT INTO denial_tags SELECT DISTINCT d.customer, t.value, d.at, d.id FROM denials d, json_each(d.tags) t"

// unqueued drops deliveries of messages that are lost.
const unqueued = "DELETE FROM deliveries WHERE message NOT IN (SELECT n FROM messages)"

// salvage copies the database at path into a new one.
func salvage(path, to string, lost func(what string)) error {
	if err := createSealed(to); err != nil {
		return err
	}
	c, err := openConn(to, allPragmas)
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
	for _, table := range logTables {
		if err := c.copyWhole(table); err != nil {
			return fmt.Errorf("%s of %s: %w", table, filepath.Base(path), err)
		}
	}
	for _, table := range derivedTables {
		if err := c.copyWhole(table); damaged(err) {
			lost(fmt.Sprintf("%s cannot be read, and is made anew from the logs", table))
		} else if err != nil {
			return err
		}
	}
	for _, table := range otherTables {
		if err := c.copyRows(table, lost); err != nil {
			return err
		}
	}
	for _, sql := range []string{deniedTags, unqueued} {
		if err := c.exec(sql); err != nil {
			return err
		}
	}
	if err := c.copyWhole("denial_counts"); damaged(err) {
		lost("the counts of denials cannot be read")
	} else if err != nil {
		return err
	}
	if _, left, err := walState(c, "TRUNCATE"); err != nil || left > 0 {
		return errors.Join(err, fmt.Errorf("%d pages of %s stay in its write-ahead log", left, filepath.Base(to)))
	}
	return syncFile(to)
}

// older refuses a database of another schema: the version before must have written what is copied.
func (c *conn) older() error {
	var version int64
	err := c.query(context.Background(), func(r row) error { version = r.int(0); return nil }, "PRAGMA old.user_version")
	if err == nil && version != int64(len(logSchema)) {
		err = fmt.Errorf("log.db has schema %d, not %d: only a store that this version of bursar has opened can be made anew", version, len(logSchema))
	}
	return err
}

func (c *conn) copyWhole(table string) error {
	return c.script("INSERT INTO main." + table + " SELECT * FROM old." + table)
}

// copyRows copies a table, whose rows have numbers: where it is damaged, from its beginning as far as it can be read, and
// from its end back.
func (c *conn) copyRows(table string, lost func(what string)) error {
	err := c.copyWhole(table)
	if !damaged(err) {
		return err
	}
	lost("of " + table + " rows are missing that cannot be read")
	for _, way := range []string{"> ? ORDER BY rowid", "< ? ORDER BY rowid DESC"} {
		from := int64(0)
		if way[0] == '<' {
			from = math.MaxInt64
		}
		for most := salvaged; most > 0; {
			from, err = c.copySome(table, way, from, most)
			switch {
			case damaged(err):
				most /= 4
			case err != nil:
				return err
			case from == 0:
				most = 0
			}
		}
	}
	return nil
}

// salvaged is how many rows are copied at once.
const salvaged = 256

// copySome copies the next rows, behind from, and returns the number of the last one; 0 = there is none. A row that is known to be
// there and cannot be read is left out.
func (c *conn) copySome(table, way string, from int64, most int) (int64, error) {
	first, last := int64(0), int64(0)
	err := c.query(context.Background(), func(r row) error {
		first, last = cmp.Or(first, r.int(0)), r.int(0)
		return nil
	}, fmt.Sprintf("SELECT rowid FROM old.%s WHERE rowid %s LIMIT %d", table, way, most), from)
	if err != nil {
		return from, err
	}
	if last == 0 {
		return 0, nil
	}
	err = c.exec("INSERT OR IGNORE INTO main."+table+" SELECT * FROM old."+table+" WHERE rowid BETWEEN ? AND ?", min(first, last), max(first, last))
	if damaged(err) && most > 1 {
		return from, err
	}
	if damaged(err) {
		err = nil
	}
	return last, err
}
