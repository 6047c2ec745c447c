package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// Check reads all pages of the store in dir, which no process has open, and calls found
// with each place that is not what was written. It changes nothing.
func Check(dir string, found func(place string)) (err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	s := &Store{logPath: filepath.Join(dir, "log.db"), statePath: filepath.Join(dir, "state.db")}
	if err := s.present(); err != nil {
		found(err.Error())
		return nil
	}
	m, _, err := readMark(s.logPath)
	if errors.Is(err, errMark) {
		found(fmt.Sprintf("log.end: %v", err))
	} else if err != nil {
		return err
	}
	if err := s.whole(m); err != nil {
		found(err.Error())
	}
	if err := s.stateWhole(); err != nil {
		found(err.Error())
	}
	return errors.Join(checkPages(s.logPath, found), checkPages(s.statePath, found))
}

// checkPages finds each page of a database that is not what was written, if it has checksums.
func checkPages(path string, found func(place string)) error {
	condition, err := vfs.Inspect(path)
	if err != nil {
		found(err.Error())
	}
	if condition != vfs.Sealed {
		return nil // none, or an older one
	}
	if err := vfs.Check(path, func(d vfs.Damage) { found(d.Error()) }); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
