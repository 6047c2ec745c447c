package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// dirLock is what holds a directory: the directory itself, and the file lock in it. The
// file says who has it and keeps out programs that know of the file alone; the directory
// stays locked when somebody removes the file. The kernel lets go of both with the
// process, however that ends.
type dirLock struct{ dir, file *os.File }

// Close lets go of the directory.
func (l *dirLock) Close() error { return errors.Join(l.file.Close(), l.dir.Close()) }

// lockDir takes dir for this process.
func lockDir(dir string) (l *dirLock, err error) {
	l = new(dirLock)
	if l.file, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if l.dir, err = os.Open(dir); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	err = flock(l.dir)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EBADF) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system that locks files alone
	}
	if err == nil {
		err = flock(l.file)
	}
	if err != nil {
		holder, _ := io.ReadAll(io.LimitReader(l.file, 32))
		err = fmt.Errorf("%s is in use by another bursar (process %s): %w", dir, cmp.Or(strings.TrimSpace(string(holder)), "unknown"), err)
		return nil, errors.Join(err, l.Close())
	}
	// Over what is there, as long as any process's: on a full disk, too.
	if _, err := l.file.WriteAt(fmt.Appendf(nil, "%-20d\n", os.Getpid()), 0); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// syncDir makes the files of dir durable as entries of it.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
