package sqlite

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Usage series are saved in blocks: a checkpoint of many buckets costs a statement for each
// block that changed, and not one for each bucket.

const (
	putSeriesBlock = `INSERT OR REPLACE INTO series_blocks (stream, hour, entities, kind, capability, bucket, children, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	selectSeriesBlock = `SELECT data FROM series_blocks WHERE stream = ? AND hour = ? AND entities = ? AND kind = ?
		AND capability = ? AND bucket = ? AND children = ?`
	// From each hour of the stream to the next: a block far away in time costs no more
	// than one nearby.
	selectSeries = `WITH RECURSIVE hours (hour) AS (
			SELECT min(hour) FROM series_blocks WHERE stream = ?1 AND hour >= ?2
			UNION ALL SELECT (SELECT min(hour) FROM series_blocks WHERE stream = ?1 AND hour > hours.hour)
			FROM hours WHERE hour < ?3)
		SELECT b.bucket, b.kind, b.capability, b.children, b.data
		FROM hours CROSS JOIN series_blocks b
		WHERE b.stream = ?1 AND b.hour = hours.hour AND b.entities = ?4 AND b.bucket >= ?5 AND b.bucket < ?6`
)

const (
	bucketsPerHour = 4   // relates a bucket to the hour that it is stored under
	blockEntities  = 64  // neighbouring entities in a block
	blockChildren  = 256 // numbers of children in a block
)

// seriesBlock names a block: the buckets of 15 minutes and a capability, of blockEntities
// entities, that came through blockChildren children.
type seriesBlock struct {
	bucket, entities uint32
	cap              bursar.Capability
	children         uint32
}

func blockOf(k *store.SeriesKey) seriesBlock {
	return seriesBlock{k.Bucket, k.EntityOrd / blockEntities, k.Capability, k.ChildOrd / blockChildren}
}

// compare orders blocks as their table does.
func (b seriesBlock) compare(c seriesBlock) int {
	return cmp.Or(cmp.Compare(b.bucket/bucketsPerHour, c.bucket/bucketsPerHour), cmp.Compare(b.entities, c.entities),
		cmp.Compare(kindNames[b.cap.Kind], kindNames[c.cap.Kind]), cmp.Compare(b.cap.ID, c.cap.ID),
		cmp.Compare(b.bucket, c.bucket), cmp.Compare(b.children, c.children))
}

func (b seriesBlock) key(id int64) []any {
	return []any{id, b.bucket / bucketsPerHour, b.entities, b.cap.Kind, b.cap.ID, b.bucket, b.children}
}

// amountIn is an amount of a block; entity and child are counted from the block's first.
type amountIn struct {
	entity, child uint8
	combo         uint32
	amount        bursar.Amount
}

func (a *amountIn) place() uint64 {
	return uint64(a.entity)<<48 | uint64(a.child)<<40 | uint64(a.combo)
}

func saveSeries(c *conn, id int64, cp *store.Checkpoint) error {
	changed := map[seriesBlock][]amountIn{}
	for i := range cp.Series {
		r := &cp.Series[i]
		b := blockOf(&r.SeriesKey)
		changed[b] = append(changed[b], amountIn{uint8(r.EntityOrd % blockEntities), uint8(r.ChildOrd % blockChildren), r.Combo, r.Amount})
	}
	for _, b := range slices.SortedFunc(maps.Keys(changed), seriesBlock.compare) {
		key := b.key(id)
		var saved []amountIn
		err := c.query(context.Background(), func(r row) (err error) {
			saved, err = decodeSeries(r.blob(0))
			return err
		}, selectSeriesBlock, key...)
		if err != nil {
			return err
		}
		sum, err := addSeries(append(saved, changed[b]...))
		if err != nil {
			return err
		}
		if err := c.exec(putSeriesBlock, append(key, encodeSeries(sum))...); err != nil {
			return err
		}
	}
	return nil
}

// addSeries orders amounts and adds up those of one place.
func addSeries(as []amountIn) (sums []amountIn, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("usage series: a sum exceeds 128 bits")
		}
	}()
	slices.SortStableFunc(as, func(a, b amountIn) int { return cmp.Compare(a.place(), b.place()) })
	sums = as[:0]
	for _, a := range as {
		if n := len(sums); n > 0 && sums[n-1].place() == a.place() {
			sums[n-1].amount = sums[n-1].amount.Add(a.amount)
		} else {
			sums = append(sums, a)
		}
	}
	return sums, nil
}

func encodeSeries(as []amountIn) []byte {
	b := make([]byte, 0, 10*len(as))
	for i := range as {
		a := &as[i]
		b = append(b, a.entity, a.child)
		b = binary.AppendUvarint(b, uint64(a.combo))
		b = a.amount.AppendBinary(b)
	}
	return b
}

func decodeSeries(b []byte) (as []amountIn, err error) {
	as = make([]amountIn, 0, len(b)/6)
	d := blockDecoder{b: b}
	for len(d.b) > 0 {
		as = append(as, amountIn{d.byte(), d.byte(), d.number(), d.amount()})
	}
	if d.err != nil {
		return nil, fmt.Errorf("usage series: %w", d.err)
	}
	return as, nil
}

// Series implements store.Store. It reads in one transaction: as of one moment.
func (s *Store) Series(ctx context.Context, stream string, q store.SeriesQuery) (rows []store.SeriesRow, seq uint64, err error) {
	err = s.read(ctx, s.stateReaders, func(c *conn) (err error) {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, c.exec("ROLLBACK")) }()
		id, head, err := savedHead(ctx, c, stream)
		if seq = head.Seq; err != nil || q.From >= q.To {
			return err
		}
		sql, args := seriesOf(&q, id)
		return c.query(ctx, func(r row) error {
			as, err := decodeSeries(r.blob(4))
			if err != nil {
				return fmt.Errorf("stream %q, bucket %d: %w", stream, r.int(0), err)
			}
			key := store.SeriesKey{Bucket: uint32(r.int(0)), Capability: capability(r.text(1), r.text(2)), EntityOrd: q.EntityOrd}
			first := uint32(r.int(3)) * blockChildren
			for i := range as {
				a := &as[i]
				key.ChildOrd, key.Combo = first+uint32(a.child), a.combo
				if uint32(a.entity) != q.EntityOrd%blockEntities || !has(q.Children, key.ChildOrd) {
					continue
				}
				rows = append(rows, store.SeriesRow{SeriesKey: key, Amount: a.amount})
				if len(rows) == q.Limit {
					return errStop
				}
			}
			return nil
		}, sql, args...)
	})
	return rows, seq, err
}

// has tells whether a child is among those asked for.
func has(children []uint32, child uint32) bool {
	_, ok := slices.BinarySearch(children, child)
	return ok || children == nil
}

// seriesOf selects the blocks that have what q asks for.
func seriesOf(q *store.SeriesQuery, id int64) (sql string, args []any) {
	sql = selectSeries
	args = []any{id, q.From / bucketsPerHour, (q.To - 1) / bucketsPerHour, q.EntityOrd / blockEntities, q.From, q.To}
	and := func(condition string, arg any) {
		args = append(args, arg)
		sql += fmt.Sprintf(" AND "+condition, len(args))
	}
	if q.Capability.Kind != 0 {
		and("b.kind = ?%d", q.Capability.Kind)
	}
	if q.Capability.ID != "" {
		and("b.capability = ?%d", q.Capability.ID)
	}
	if q.Children != nil {
		parts := make([]uint32, len(q.Children))
		for i, child := range q.Children {
			parts[i] = child / blockChildren
		}
		list, _ := json.Marshal(slices.Compact(parts)) // numbers cannot fail
		and("b.children IN (SELECT value FROM json_each(?%d))", string(list))
	}
	return sql, args
}
