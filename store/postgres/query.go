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
		h.entities, h.detail, h.sum FROM `
	selectOne    = selectHold + "holds h WHERE h.stream = " + ofStream + " AND h.id = $2"
	selectListed = selectHold + "(%s) e CROSS JOIN LATERAL (SELECT * FROM holds WHERE stream = e.stream AND id = e.id OFFSET 0) h"

	// The block in which each key is, if it is in any. Of several keys in one block the
	// first gets it.
	selectBlocks = `SELECT DISTINCT ON (b.first) b.first, b.data, b.sum FROM unnest($3::bytea[]) k (hash)
		CROSS JOIN LATERAL (SELECT first, data, sum FROM key_blocks WHERE stream = ` + ofStream + ` AND gen = $2 AND first <= k.hash
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
	selectSeries = seriesHours + "SELECT p.seq, p.saved, u.bucket, u.kind, u.capability, u.child_ord, u.combo, u.amount, u.sum FROM (SELECT " +
		seriesSeq + ", (SELECT saved FROM streams WHERE name = $1)) p (seq, saved) LEFT JOIN (SELECT u.*" + seriesFrom + ") u ON true"
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
		b, err := readBlock(stream, gen, r)
		firsts, blocks = append(firsts, b.First[:]), append(blocks, b.Data)
		return err
	}, selectBlocks, text(stream), gen, keys)
	if err != nil {
		return nil, err
	}
	found := make([][]byte, len(hashes))
	for i := range hashes {
		h := hashes[i][:]
		n := sort.Search(len(firsts), func(n int) bool { return bytes.Compare(firsts[n], h) > 0 })
		if n > 0 {
			found[i] = bytes.Clone(store.KeyEntry(blocks[n-1], h))
		}
	}
	return found, nil
}

// Hold implements store.Store.
func (s *Store) Hold(ctx context.Context, stream, id string) (hold *store.HoldRow, err error) {
	err = s.read(ctx, func(r row) error {
		h, err := readHold(stream, r)
		hold = &h
		return err
	}, selectOne, text(stream), text(id))
	return hold, err
}

// Holds implements store.Store.
func (s *Store) Holds(ctx context.Context, stream string, q store.HoldQuery) (holds []store.HoldRow, err error) {
	var w where
	w.and("stream = (SELECT id FROM streams WHERE name = ?)", stream)
	w.and("entity_ord = ?", int64(q.EntityOrd))
	w.and("status = ?", string(q.Status))
	if q.After != "" {
		w.and("id > ?", q.After)
	}
	order := " ORDER BY id"
	if q.Before != "" {
		w.and("id < ?", q.Before)
		order = " ORDER BY id DESC"
	}
	listed, args := w.query("SELECT stream, id FROM holds_by_entity", order, q.Limit)
	err = s.read(ctx, func(r row) error {
		h, err := readHold(stream, r)
		holds = append(holds, h)
		return err
	}, fmt.Sprintf(selectListed, listed)+strings.Replace(order, " id", " e.id", 1), args...)
	if q.Before != "" {
		slices.Reverse(holds)
	}
	return holds, err
}

func readHold(stream string, r row) (store.HoldRow, error) {
	amount, err := r.amount(7)
	h := store.HoldRow{
		ID: r.text(0), Capability: r.capability(1, 2), Status: bursar.HoldStatus(r.text(3)),
		CreatedAt: r.time(4), ExpiresAt: r.time(5), ClosedAt: r.time(6),
		Amount: amount, Entities: ints[uint32](r[8]), Detail: r.blob(9),
	}
	return h, r.intact(10, stream, holdSum(savedIn(stream), &h), "reservation", h.ID, err)
}

func readBlock(stream string, gen int64, r row) (store.KeyBlock, error) {
	b := store.KeyBlock{First: r.id(0), Data: r.blob(1)}
	return b, r.intact(2, stream, blockSum(savedIn(stream), gen, r[0], b.Data), "block of keys since", gen)
}

// readSeriesRow reads bucket, kind, capability, child_ord, combo, amount, sum.
func readSeriesRow(stream string, r row, entity uint32) (store.SeriesRow, error) {
	amount, err := r.amount(5)
	s := store.SeriesRow{SeriesKey: store.SeriesKey{
		Bucket: r.ord(0), Capability: r.capability(1, 2), EntityOrd: entity, ChildOrd: r.ord(3), Combo: r.ord(4),
	}, Amount: amount}
	return s, r.intact(6, stream, seriesSum(savedIn(stream), &s.SeriesKey, amount), "usage in bucket", s.Bucket, err)
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
		var at, saved int64
		if !r.null(0) {
			at = r.int(0)
		}
		if !r.null(1) {
			saved = r.int(1)
		}
		if seq = uint64(at); at != saved || r.null(2) {
			return savedAt(stream, at, saved)
		}
		row, err := readSeriesRow(stream, r[2:], q.EntityOrd)
		rows = append(rows, row)
		return err
	}, sql, seriesArgs(stream, q)...)
	return rows, seq, err
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
