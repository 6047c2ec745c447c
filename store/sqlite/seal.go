package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// seal gives the database at path checksums, made as needed. One that was written without
// room for them is written anew, as large as it is beside the old one until it takes its
// place; where there is no room for that it stays as it is.
func (s *Store) seal(path string) error {
	condition, err := vfs.Inspect(path)
	if err != nil {
		return err
	}
	switch condition {
	case vfs.Missing:
		return s.replace(path, createSealed)
	case vfs.Unmade:
		s.out.Info("the database is written anew, with checksums", "file", filepath.Base(path))
		err := s.replace(path, func(to string) error { return copySealed(path, to) })
		if err != nil && noRoom(err) {
			s.out.Warn("the database stays without checksums: there is no room to write it anew; the next start tries again",
				"file", filepath.Base(path), "error", err)
			return nil
		}
		return err
	case vfs.Unsealed:
		return vfs.Seal(path)
	}
	return nil
}

func noRoom(err error) bool {
	return resultCode(err)&0xff == sqlite3.SQLITE_FULL || resultCode(err)&0xff == sqlite3.SQLITE_IOERR
}

// replace has a file made beside path, which takes its place once it is on the disk.
func (s *Store) replace(path string, build func(to string) error) error {
	to := path + ".new"
	if err := removeDatabase(to); err != nil {
		return err
	}
	if err := build(to); err != nil {
		return errors.Join(err, removeDatabase(to))
	}
	for _, part := range []string{"-wal", "-shm", "-journal"} { // none of them is the new file's
		if err := removeFile(path + part); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(to, path), syncDir(filepath.Dir(path)))
}

// createSealed makes an empty database with room for checksums.
func createSealed(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600) // SQLite's files take its mode
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	b, err := openBulk(path, allPragmas)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.reserve(); err != nil {
		return err
	}
	if err := b.exec("PRAGMA synchronous=FULL; PRAGMA page_size=4096; VACUUM; PRAGMA journal_mode=WAL"); err != nil {
		return err
	}
	b.close()
	return syncFile(path)
}

// copySealed copies a database, with room for checksums, and writes them.
func copySealed(from, to string) error {
	c, err := openConn(from, allPragmas) // reads what the write-ahead log has, too
	if err != nil {
		return err
	}
	_, left, err := walState(c, "TRUNCATE")
	if err == nil && left > 0 {
		err = fmt.Errorf("%s is in use", filepath.Base(from))
	}
	if err = errors.Join(err, c.close()); err != nil {
		return err
	}
	b, err := openBulk(from, allPragmas)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.reserve(); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := b.exec("VACUUM INTO '" + quoted(to) + "'"); err != nil {
		return err
	}
	b.close()
	return vfs.Seal(to)
}

// quoted is text within quotes of SQL.
func quoted(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if text[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, text[i])
	}
	return string(out)
}

// removeDatabase removes a database with what SQLite keeps beside it.
func removeDatabase(path string) error {
	var errs []error
	for _, part := range []string{"", "-wal", "-shm", "-journal"} {
		errs = append(errs, removeFile(path+part))
	}
	return errors.Join(errs...)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// lastRow is how many rows were ever put into the log.
func lastRow(c *conn) (id int64, err error) {
	err = c.query(context.Background(), func(r row) error {
		id = r.int(0)
		return nil
	}, "SELECT coalesce(max(id), 0) FROM log")
	return id, err
}
