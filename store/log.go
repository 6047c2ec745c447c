package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxClockStep is how far the system's clock may be from where it would be had nobody set
// it since the process started. Beyond, nothing is decided: a customer's now never goes
// back, so one commit under a wrong clock would stay.
const MaxClockStep = 5 * time.Second

// CatalogueStream is the name of the environment's own log. Every other stream is
// named by a customer's id, which is never empty.
const CatalogueStream = ""

// ErrTrimmed says that a log does not reach back to where it is needed.
var ErrTrimmed = errors.New("its log was trimmed")

// Bounds of a page of a log: what a store has ready at once.
const (
	LogPageRows   = 256
	LogPageLength = 1 << 20 // bytes of payloads, above which a page ends
)

// ReadPages is a store's ReadLog by pages, so that a slow visit holds nothing of the store.
// page reads the next rows after seq, up to want, and tells whether there may be more.
func ReadPages(after uint64, limit int, page func(after uint64, want int) (rows []LogRow, more bool, err error), visit func(LogRow) error) error {
	for left := limit; limit <= 0 || left > 0; {
		want := LogPageRows
		if limit > 0 {
			want = min(left, want)
		}
		rows, more, err := page(after, want)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := visit(r); err != nil {
				return err
			}
			after = r.Head.Seq
		}
		if !more {
			return nil
		}
		left -= len(rows)
	}
	return nil
}

// ReadLogTo visits a log's rows after a head up to another, at which it must arrive.
func ReadLogTo(ctx context.Context, s LogReader, name string, from, to Head, visit func(*LogRow) error) error {
	if to.Seq <= from.Seq {
		return nil
	}
	at := from
	err := s.ReadLog(ctx, name, from.Seq, int(to.Seq-from.Seq), func(row LogRow) error {
		if at == from && row.Head.Seq > from.Seq+1 {
			return fmt.Errorf("%w meanwhile: it begins with commit %d", ErrTrimmed, row.Head.Seq)
		}
		at = row.Head
		return visit(&row)
	})
	if err == nil && at != to {
		err = fmt.Errorf("the log ends at commit %d and not, as it should, at %d: it was restored or damaged", at.Seq, to.Seq)
	}
	return err
}
