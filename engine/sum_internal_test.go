package engine

import (
	"context"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// pagedStore notes how many buckets a read gave at most, and calls between after the first.
type pagedStore struct {
	store.Store
	reads, most int
	between     func()
}

func (p *pagedStore) Series(ctx context.Context, stream string, q store.SeriesQuery) ([]store.SeriesRow, uint64, error) {
	rows, seq, err := p.Store.Series(ctx, stream, q)
	if p.reads, p.most = p.reads+1, max(p.most, len(rows)); p.between != nil && q.To < sumBuckets && q.From == 0 {
		p.between()
		p.between = nil
	}
	return rows, seq, err
}

const sumBuckets = 100

// A sum of more buckets than may be in memory is added up in pieces, all of one checkpoint.
func TestSavedSumInPieces(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	tokens := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	n := uint64(0)
	save := func() {
		n++
		after := store.Head{}
		if n > 1 {
			after = store.Head{Seq: n - 1, Hash: [16]byte{byte(n - 1)}, Now: 1}
		}
		c := store.Commit{Stream: "acme", After: after, Hash: [16]byte{byte(n)}, ID: [16]byte{byte(n)}, Now: 1}
		if out, err := s.Append(ctx, []store.Commit{c}, nil); err != nil || out[0] != store.Committed {
			t.Fatal(out, err)
		}
		cp := &store.Checkpoint{Stream: "acme", Head: c.Head(), Base: n - 1}
		for i := range uint32(3 * sumPage) {
			cp.Series = append(cp.Series, store.SeriesRow{SeriesKey: store.SeriesKey{Bucket: i % sumBuckets, Capability: tokens, Combo: i / sumBuckets}, Amount: bursar.AmountFromInt(1)})
		}
		if err := s.Save(ctx, cp); err != nil {
			t.Fatal(err)
		}
	}
	save()
	p := &pagedStore{Store: s}
	e := &Engine{store: p}
	q := store.SeriesQuery{Capability: tokens, To: sumBuckets}
	sum, seq, err := e.savedSum(ctx, "acme", q)
	if want := bursar.AmountFromInt(3 * sumPage); err != nil || sum != want || seq != 1 || p.most > sumPage+1 || p.reads < 4 {
		t.Errorf("%v at %d, %v; want %v; %d reads of up to %d", sum, seq, err, want, p.reads, p.most)
	}
	p.between = save
	sum, seq, err = e.savedSum(ctx, "acme", q)
	if want := bursar.AmountFromInt(6 * sumPage); err != nil || sum != want || seq != 2 {
		t.Errorf("with a checkpoint in between: %v at %d, %v; want %v", sum, seq, err, want)
	}
	if sum, _, err := e.savedSum(ctx, "acme", store.SeriesQuery{Capability: tokens, From: 9, To: 3}); err != nil || !sum.IsZero() {
		t.Errorf("of no time: %v, %v", sum, err)
	}
}
