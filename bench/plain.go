//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// plain is budgets kept the usual way: one transaction for each event, which notes its
// idempotency key and updates each counter of its path where the limit allows it.
type plain struct {
	pool   *pgxpool.Pool
	serial atomic.Int64
}

const plainSchema = `
CREATE SCHEMA plain;
CREATE TABLE plain.counters (customer int, level int, id int, used bigint NOT NULL DEFAULT 0, lim bigint,
	PRIMARY KEY (customer, level, id)) WITH (fillfactor = 50);
CREATE TABLE plain.events (customer int, key text, leaf int NOT NULL, amount bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (customer, key));
CREATE FUNCTION plain.event(c int, k text, leaf int, levels int, n bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE i int := leaf;
BEGIN
	INSERT INTO plain.events (customer, key, leaf, amount) VALUES (c, k, leaf, n) ON CONFLICT DO NOTHING;
	IF NOT found THEN RETURN true; END IF;
	FOR l IN 0..levels-1 LOOP
		IF l = levels-1 THEN i := 0; END IF;
		UPDATE plain.counters SET used = used + n WHERE customer = c AND level = l AND id = i AND (lim IS NULL OR used + n <= lim);
		IF NOT found THEN RAISE EXCEPTION 'over the limit at level %', l; END IF;
		i := i / 10;
	END LOOP;
	RETURN true;
END $$`

// Figures of plain that others are compared with: of the number of connections that
// suited it best in the round.
const (
	plainHot   = "one transaction per event, hot customer"
	plainCrowd = "one transaction per event, 1,000 customers"
)

var plainConns = []int{16, 32, 64}

func openPlain(ctx context.Context, url string) (*plain, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 64
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p := &plain{pool: pool}
	if _, err := pool.Exec(ctx, plainSchema); err != nil {
		return nil, err
	}
	rows := clusterLeaves // of each level of customer 0, the hot one
	for level := range clusterLevels {
		if level == clusterLevels-1 {
			rows = 1
		}
		if _, err := pool.Exec(ctx, `INSERT INTO plain.counters (customer, level, id, lim)
			SELECT 0, $1::int, g, 1000000000000 FROM generate_series(0, $2::int - 1) g`, level, rows); err != nil {
			return nil, err
		}
		rows = max(1, (rows+9)/10)
	}
	_, err = pool.Exec(ctx, `INSERT INTO plain.counters (customer, level, id, lim)
		SELECT c, l, 0, 1000000000000 FROM generate_series(1, $1::int) c, generate_series(0, $2::int - 1) l`, crowd, clusterLevels)
	if err == nil {
		_, err = pool.Exec(ctx, "VACUUM ANALYZE plain.counters")
	}
	return p, err
}

func (p *plain) close() { p.pool.Close() }

// run sends events over conns connections for d and gives how many a second were done.
func (p *plain) run(ctx context.Context, conns int, d time.Duration, hot bool) (perSec, p50, p99 float64, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	h, began := new(hist), time.Now()
	for range conns {
		all.Go(func() {
			mine := new(hist)
			for time.Since(began) < d {
				customer, leaf := 0, rand.IntN(clusterLeaves)
				if !hot {
					customer, leaf = 1+rand.IntN(crowd), 0
				}
				at := time.Now()
				_, e := p.pool.Exec(ctx, "SELECT plain.event($1, $2, $3, $4, 1)", customer, fmt.Sprintf("%016x", p.serial.Add(1)), leaf, clusterLevels)
				if e != nil {
					mu.Lock()
					err = e
					mu.Unlock()
					return
				}
				mine.add(int64(time.Since(at)))
			}
			mu.Lock()
			h.merge(mine)
			mu.Unlock()
		})
	}
	all.Wait()
	return float64(h.n) / time.Since(began).Seconds(), h.quantile(.5), h.quantile(.99), err
}

func (c *clusterBench) plainRound() error {
	for _, name := range []string{plainHot, plainCrowd} {
		if !c.cells.MatchString(name) {
			continue
		}
		best, late := 0.0, 0.0
		for _, conns := range plainConns {
			if _, _, _, err := c.plain.run(c.ctx, conns, c.warm, name == plainHot); err != nil {
				return err
			}
			perSec, p50, p99, err := c.plain.run(c.ctx, conns, c.cell, name == plainHot)
			if err != nil {
				return err
			}
			fmt.Printf("%-44s %9.0f/s  p50 %7.0f  p99 %7.0f µs  %d connections\n", name, perSec, p50, p99, conns)
			if perSec > best {
				best, late = perSec, p99
			}
		}
		c.report.add(name, "events/s", goal{}, best)
		c.report.add(name+": p99", "ms", goal{}, late/1e3)
	}
	return nil
}

// plainSelect is a read of one row by its key at the rate of the strong checks, each of
// which is such a read and more.
const plainSelect = "one SELECT by key at 1,000/s"

// selects reads a row of plain at a rate, each read whether or not earlier ones were
// answered, and measures from when it was begun.
func (c *clusterBench) selects() error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var err error
	h, began := new(hist), time.Now()
	tick := time.NewTicker(time.Second / clusterChecks)
	defer tick.Stop()
	for time.Since(began) < c.warm+c.cell {
		<-tick.C
		all.Go(func() {
			var used int64
			at := time.Now()
			e := c.plain.pool.QueryRow(c.ctx, "SELECT used FROM plain.counters WHERE customer = $1 AND level = 0 AND id = 0", 1+rand.IntN(crowd)).Scan(&used)
			took := time.Since(at)
			mu.Lock()
			defer mu.Unlock()
			if err = errors.Join(err, e); at.Sub(began) > c.warm {
				h.add(int64(took))
			}
		})
	}
	all.Wait()
	p50, p99 := h.quantile(.5), h.quantile(.99)
	fmt.Printf("%-44s %9.0f/s  p50 %7.0f  p99 %7.0f µs\n", plainSelect, float64(h.n)/c.cell.Seconds(), p50, p99)
	c.report.add(plainSelect+": p50", "µs", goal{}, p50)
	c.report.add(plainSelect+": p99", "µs", goal{}, p99)
	return err
}
