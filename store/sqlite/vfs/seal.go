package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Condition is what a database has of checksums.
type Condition uint8

const (
	Missing  Condition = iota // there is no file, or an empty one
	Unmade                    // its pages have no room for them
	Unsealed                  // its pages have room; a copy that other programs make is so
	Sealed
)

// Inspect tells a database's condition by its first page. What had a checksum and is not
// what was written is a Damage.
func Inspect(path string) (Condition, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Missing, nil
	}
	if err != nil {
		return Missing, err
	}
	defer f.Close()
	page := make([]byte, PageSize)
	switch n, err := io.ReadFull(f, page); {
	case n == 0 && errors.Is(err, io.EOF):
		return Missing, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Unmade, nil // SQLite knows what that is
	case err != nil:
		return Missing, err
	}
	trailer := page[sumAt:]
	switch {
	case sealed(page) && checkPage(page, 1):
		return Sealed, nil
	case sealed(page) && empty(trailer):
		return Unsealed, nil
	case sealed(page):
		// A power cut may have torn it when it was copied from the write-ahead log, which has it.
		if _, pages, err := scan(path); pages[1] || err != nil {
			return Sealed, err
		}
		return Sealed, Damage{path, "page", 1}
	case string(trailer[:len(sealText)]) == sealText:
		return Sealed, Damage{path, "page", 1}
	}
	return Unmade, nil
}

// Seal writes the checksums of an Unsealed database that nobody has open, the first page's
// when all others are on the disk: what is interrupted is Unsealed, and goes on.
func Seal(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = sealAll(f, path)
	return errors.Join(err, f.Close())
}

func sealAll(f *os.File, path string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size()%PageSize != 0 {
		return fmt.Errorf("%s ends within a page: it was cut off", path)
	}
	page := make([]byte, PageSize)
	for n := st.Size() / PageSize; n >= 1; n-- {
		if n == lockPage {
			continue
		}
		if _, err := f.ReadAt(page, (n-1)*PageSize); err != nil {
			return err
		}
		if checkPage(page, n) {
			continue
		}
		if !empty(page[sumAt:]) {
			return Damage{path, "page", n}
		}
		if n == 1 {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		sealPage(page, n)
		if _, err := f.WriteAt(page, (n-1)*PageSize); err != nil {
			return err
		}
	}
	return f.Sync()
}

func empty(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// Check reads all pages of a sealed database that nobody has open, and calls found with
// each that is not what was written. Those that its write-ahead log has count there.
func Check(path string, found func(Damage)) error {
	_, newer, err := scan(path)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	page := make([]byte, PageSize)
	for n := int64(1); ; n++ {
		switch _, err := f.ReadAt(page, (n-1)*PageSize); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n != lockPage && !newer[uint32(n)] && !checkPage(page, n):
			found(Damage{path, "page", n})
		}
	}
}
