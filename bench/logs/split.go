//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	bolt "go.etcd.io/bbolt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/sqlite"
)

// writer makes a group of commits durable.
type writer interface {
	write(commits []store.Commit) error
	Close() error
}

// split is a store whose commits a writer makes durable before they are in memory, and whose
// checkpoints are in SQLite.
type split struct {
	*mem.Store
	saved *sqlite.Store
	log   writer
}

// open opens the store with a log of a name.
func open(name, dir string) (store.Store, error) {
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil || name == "sqlite" {
		return s, err
	}
	var w writer
	switch path := dir + "/other"; name {
	case "segment":
		w, err = openSegment(path)
	case "bolt":
		w, err = openBolt(path)
	case "pebble":
		w, err = openPebble(path)
	case "nothing":
		w = nothing{}
	default:
		err = errors.New("there is no such log")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &split{mem.New(), s, w}, nil
}

func (s *split) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	if err := s.log.write(commits); err != nil {
		return nil, err
	}
	return s.Store.Append(ctx, commits, again)
}

func (s *split) Save(ctx context.Context, cp *store.Checkpoint) error { return s.saved.Save(ctx, cp) }

func (s *split) Load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	return s.saved.Load(ctx, stream, visit)
}

func (s *split) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	return s.saved.Saved(ctx, streams)
}

func (s *split) Due(context.Context, bursar.Time, int) ([]string, error) { return nil, nil }

func (s *split) FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error) {
	return s.saved.FindKeys(ctx, stream, gen, hashes)
}

func (s *split) Close() error { return errors.Join(s.log.Close(), s.saved.Close(), s.Store.Close()) }

type nothing struct{}

func (nothing) write([]store.Commit) error { return nil }
func (nothing) Close() error               { return nil }

// framed appends a commit as a log has it: what finds it, and its payload.
func framed(b []byte, c *store.Commit) []byte {
	b = binary.AppendUvarint(b, c.After.Seq+1)
	b = binary.AppendUvarint(b, uint64(c.Now))
	b = append(append(b, c.ID[:]...), c.Hash[:]...)
	b = binary.AppendUvarint(b, uint64(len(c.Stream)))
	b = append(b, c.Stream...)
	b = binary.AppendUvarint(b, uint64(len(c.Payload)))
	return append(b, c.Payload...)
}

// segment is a file of zeros that is written over from its begin, and then again.
type segment struct {
	f   *os.File
	at  int64
	buf []byte
}

const segmentSize = 256 << 20

func openSegment(path string) (*segment, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < segmentSize && err == nil; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros, at)
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{f: f}, nil
}

func (s *segment) write(commits []store.Commit) error {
	s.buf = s.buf[:0]
	for i := range commits {
		s.buf = framed(s.buf, &commits[i])
	}
	if s.at+int64(len(s.buf)) > segmentSize {
		s.at = 0
	}
	if _, err := s.f.WriteAt(s.buf, s.at); err != nil {
		return err
	}
	s.at += int64(len(s.buf))
	return syscall.Fdatasync(int(s.f.Fd()))
}

func (s *segment) Close() error { return s.f.Close() }

// key is where a commit is: its stream, and its place there.
func key(c *store.Commit) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(c.Stream), 0), c.After.Seq+1)
}

type boltLog struct{ db *bolt.DB }

var bucket = []byte("log")

func openBolt(path string) (*boltLog, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	return &boltLog{db}, err
}

func (l *boltLog) write(commits []store.Commit) error {
	return l.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		for i := range commits {
			if err := b.Put(key(&commits[i]), framed(nil, &commits[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *boltLog) Close() error { return l.db.Close() }

type pebbleLog struct{ db *pebble.DB }

// quiet drops what pebble says of its files.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func openPebble(path string) (*pebbleLog, error) {
	db, err := pebble.Open(path, &pebble.Options{Logger: quiet{}, MemTableSize: 64 << 20})
	return &pebbleLog{db}, err
}

func (l *pebbleLog) write(commits []store.Commit) error {
	b := l.db.NewBatch()
	defer b.Close()
	for i := range commits {
		if err := b.Set(key(&commits[i]), framed(nil, &commits[i]), nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}

func (l *pebbleLog) Close() error { return l.db.Close() }
