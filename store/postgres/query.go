package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	ofStream   = "(SELECT id FROM streams WHERE name = $1)"
	selectHold = `SELECT h.id, h.kind, h.capability, h.status, h.created_at, h.expires_at, h.closed_at, h.amount,
		h.entities, h.detail FROM `
	selectOne    = selectHold + "holds h WHERE h.stream = " + ofStream + " AND h.id = $2"
	selectListed = selectHold + "(%s) e CROSS JOIN LATERAL (SELECT * FROM holds WHERE stream = e.stream AND id = e.id OFFSET 0) h"

	// The block in which each key is, if it is in any. Of several keys in one block the
	// first gets it.
	selectBlocks = `SELECT DISTINCT ON (b.first) b.first, b.data FROM unnest($3::bytea[]) k (hash)
		CROSS JOIN LATERAL (SELECT first, data FROM key_blocks WHERE stream = ` + ofStream + ` AND gen = $2 AND first <= k.hash
			ORDER BY first DESC LIMIT 1) b ORDER BY b.first`

	selectSaved = `SELECT q.n, p.seq FROM unnest($1::text[]) WITH ORDINALITY q (name, n)
		JOIN streams s ON s.name = q.name JOIN checkpoints p ON p.stream = s.id`
	// From each hour of the stream to the next: a row far away in time costs no more than
	// one nearby.
	seriesHours = `WITH RECURSIVE hours (hour) AS (
			SELECT min(hour) FROM usage_series WHERE stream = ` + ofStream + ` AND hour >= $2
			UNION ALL SELECT (SELECT min(hour) FROM usage_series WHERE stream = ` + ofStream + ` AND hour > hours.hour)
			FROM hours WHERE hour < $3) `
	seriesFrom = ` FROM hours CROSS JOIN LATERAL (SELECT * FROM usage_series WHERE stream = ` + ofStream + ` AND hour = hours.hour
			AND entity_ord = $4 AND bucket >= $5 AND bucket < $6 AND ($7 = '' OR kind = $7) AND ($8 = '' OR capability = $8)
			AND ($9::bigint[] IS NULL OR child_ord = ANY($9)) OFFSET 0) u`
	// Both in one statement, as of one moment.
	seriesSeq    = "(SELECT seq FROM checkpoints WHERE stream = " + ofStream + ")"
	selectSeries = seriesHours + "SELECT p.seq, u.bucket, u.kind, u.capability, u.child_ord, u.combo, u.amount FROM (SELECT " +
		seriesSeq + ") p (seq) LEFT JOIN (SELECT u.*" + seriesFrom + ") u ON true"
	sumSeries = seriesHours + "SELECT " + seriesSeq + ", coalesce(sum(u.amount), 0)" + seriesFrom
)

// FindKeys implements store.Store. It reads each block once.
func (s *Store) FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error) {
	keys := make([][]byte, len(hashes))
	for i := range hashes {
		keys[i] = hashes[i][:]
	}
	slices.SortFunc(keys, bytes.Compare)
	var firsts, blocks [][]byte // in order
	err := s.read(ctx, func(r row) error {
		firsts, blocks = append(firsts, r.blob(0)), append(blocks, r.blob(1))
		return nil
	}, selectBlocks, text(stream), gen, keys)
	if err != nil {
		return nil, err
	}
	found := make([][]byte, len(hashes))
	for i := range hashes {
		h := hashes[i][:]
		n := sort.Search(len(firsts), func(n int) bool { return bytes.Compare(firsts[n], h) > 0 })
		if n > 0 {
			found[i] = bytes.Clone(entry(blocks[n-1], h))
		}
	}
	return found, nil
}

// entry is the entry of h in a sorted run, nil if there is none.
func entry(block, h []byte) []byte {
	const size = store.KeyEntrySize
	n := len(block) / size
	i := sort.Search(n, func(i int) bool { return bytes.Compare(block[i*size:][:16], h) >= 0 })
	if i == n || !bytes.HasPrefix(block[i*size:], h) {
		return nil
	}
	return block[i*size:][:size]
}

// Hold implements store.Store.
func (s *Store) Hold(ctx context.Context, stream, id string) (hold *store.HoldRow, err error) {
	err = s.read(ctx, func(r row) error {
		h, err := readHold(r)
		hold = &h
		return err
	}, selectOne, text(stream), text(id))
	return hold, err
}

// Holds implements store.Store.
func (s *Store) Holds(ctx context.Context, stream string, q store.HoldQuery) (holds []store.HoldRow, err error) {
	var w where
	w.and("stream = (SELECT id FROM streams WHERE name = ?)", text(stream))
	w.and("entity_ord = ?", int64(q.EntityOrd))
	w.and("status = ?", string(q.Status))
	if q.After != "" {
		w.and("id > ?", text(q.After))
	}
	order := " ORDER BY id"
	if q.Before != "" {
		w.and("id < ?", text(q.Before))
		order = " ORDER BY id DESC"
	}
	listed, args := w.query("SELECT stream, id FROM holds_by_entity", order, q.Limit)
	err = s.read(ctx, func(r row) error {
		h, err := readHold(r)
		holds = append(holds, h)
		return err
	}, fmt.Sprintf(selectListed, listed)+strings.Replace(order, " id", " e.id", 1), args...)
	if q.Before != "" {
		slices.Reverse(holds)
	}
	return holds, err
}

func readHold(r row) (store.HoldRow, error) {
	amount, err := r.amount(7)
	return store.HoldRow{
		ID: r.text(0), Capability: r.capability(1, 2), Status: bursar.HoldStatus(r.text(3)),
		CreatedAt: r.time(4), ExpiresAt: r.time(5), ClosedAt: r.time(6),
		Amount: amount, Entities: ints[uint32](r[8]), Detail: r.blob(9),
	}, err
}

// Saved implements store.Store.
func (s *Store) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	out := make([]uint64, len(streams))
	err := s.read(ctx, func(r row) error {
		out[r.int(0)-1] = uint64(r.int(1))
		return nil
	}, selectSaved, texts(streams))
	return out, err
}

// Series implements store.Store.
func (s *Store) Series(ctx context.Context, stream string, q store.SeriesQuery) (rows []store.SeriesRow, seq uint64, err error) {
	sql := selectSeries
	if q.Limit > 0 {
		sql += fmt.Sprint(" LIMIT ", q.Limit)
	}
	err = s.read(ctx, func(r row) error {
		if !r.null(0) {
			seq = uint64(r.int(0))
		}
		if r.null(1) {
			return nil
		}
		amount, err := r.amount(6)
		rows = append(rows, store.SeriesRow{SeriesKey: store.SeriesKey{
			Bucket: uint32(r.int(1)), Capability: r.capability(2, 3), EntityOrd: q.EntityOrd,
			ChildOrd: uint32(r.int(4)), Combo: uint32(r.int(5)),
		}, Amount: amount})
		return err
	}, sql, seriesArgs(stream, q)...)
	return rows, seq, err
}

// SeriesSum implements store.Store.
func (s *Store) SeriesSum(ctx context.Context, stream string, q store.SeriesQuery) (sum bursar.Amount, seq uint64, err error) {
	err = s.read(ctx, func(r row) (err error) {
		if !r.null(0) {
			seq = uint64(r.int(0))
		}
		sum, err = r.amount(1)
		return err
	}, sumSeries, seriesArgs(stream, q)...)
	return sum, seq, err
}

func seriesArgs(stream string, q store.SeriesQuery) []any {
	from, to := int64(q.From), int64(q.To)
	var children []int64
	for _, c := range q.Children {
		children = append(children, int64(c))
	}
	if q.Children != nil && children == nil {
		children = []int64{}
	}
	return []any{text(stream), from / bucketsPerHour, (to - 1) / bucketsPerHour, int64(q.EntityOrd), from, to,
		kindNames[q.Capability.Kind], text(q.Capability.ID), children}
}
