package sim

import (
	"context"
	"slices"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// spy is a store that notes what it commits. An engine commits on its own, too, when
// time has come for a hold or a grant; what is told then depends on when that was. It can
// also be slow to hand over what a decision asked it for.
type spy struct {
	store.Store
	mu   sync.Mutex
	list []heard

	clock sync.RWMutex // the clocks move
}

// heard is what one commit told.
type heard struct {
	stream string
	now    bursar.Time
	got    []store.Message
	want   []message
}

func (s *spy) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	s.mu.Lock() // commits of a stream are noted in their order
	defer s.mu.Unlock()
	written := slices.Clone(commits)
	outcomes, err := s.Store.Append(ctx, commits, func(i int, tail []store.LogRow) *store.Commit {
		c := again(i, tail)
		if c != nil {
			written[i] = *c
		}
		return c
	})
	if err != nil {
		return outcomes, err
	}
	for i, c := range written {
		if outcomes[i] == store.Committed {
			s.list = append(s.list, heard{stream: c.Stream, now: c.Now, got: c.Messages})
		}
	}
	return outcomes, nil
}

// Hold implements store.Store.
func (s *spy) Hold(ctx context.Context, stream, id string) (*store.HoldRow, error) {
	row, err := s.Store.Hold(ctx, stream, id)
	pause(ctx)
	return row, err
}

// FindKeys implements store.Store.
func (s *spy) FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error) {
	rows, err := s.Store.FindKeys(ctx, stream, gen, hashes)
	pause(ctx)
	return rows, err
}

// whileAsking is the key of what happens while a request with this context waits for a
// fact that it asked the store for.
type whileAsking struct{}

func pause(ctx context.Context) {
	if f, ok := ctx.Value(whileAsking{}).(func()); ok {
		f()
	}
}

// Heads implements store.Store.
func (s *spy) Heads(ctx context.Context, streams []string, after []uint64) ([]store.Head, [][]store.LogRow, bursar.Time, error) {
	s.clock.RLock()
	defer s.clock.RUnlock()
	return s.Store.Heads(ctx, streams, after)
}

// take gives what was committed since the last time.
func (s *spy) take() []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}
