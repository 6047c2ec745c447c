package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
)

// writer is the only connection that writes to its file. Who holds its turn uses it.
type writer struct {
	*conn
	turn chan struct{}
}

// openWriter opens a database; upgrade brings its schema up to date.
func openWriter(path, pragmas string, upgrade func(*conn) error) (*writer, error) {
	name := filepath.Base(path)
	c, err := openConn(path, pragmas)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := upgrade(c); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), c.close())
	}
	// The write-ahead log stays on close: it was paid for, see keeper.
	if _, err := c.c.(sqlite.FileControl).FileControlPersistWAL("main", 1); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &writer{conn: c, turn: make(chan struct{}, 1)}, nil
}

func (w *writer) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) give() { <-w.turn }

// pool hands a fixed number of connections to one user each.
type pool[T interface{ close() error }] struct {
	free   chan T
	closed chan struct{}
}

func newPool[T interface{ close() error }](n int, open func() (T, error)) (*pool[T], error) {
	p := &pool[T]{free: make(chan T, n), closed: make(chan struct{})}
	for range n {
		c, err := open()
		if err != nil {
			for range len(p.free) {
				err = errors.Join(err, (<-p.free).close())
			}
			return nil, err
		}
		p.free <- c
	}
	return p, nil
}

func (p *pool[T]) take(ctx context.Context) (c T, err error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	select {
	case c = <-p.free:
		return c, nil
	case <-p.closed:
		return c, errClosed
	case <-ctx.Done():
		return c, ctx.Err()
	}
}

func (p *pool[T]) give(c T) { p.free <- c }

// close waits until all connections are back, and closes them.
func (p *pool[T]) close() error {
	if p == nil {
		return nil
	}
	close(p.closed)
	var errs []error
	for range cap(p.free) {
		errs = append(errs, (<-p.free).close())
	}
	return errors.Join(errs...)
}
