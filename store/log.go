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

// ReadLogTo visits a log's rows after a head up to another, at which it must arrive.
func ReadLogTo(ctx context.Context, s Store, name string, from, to Head, visit func(*LogRow) error) error {
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
