package sqlite

import (
	"context"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertMessage = "INSERT INTO messages (id, type, customer_id, created_at, body) VALUES (?, ?, ?, ?, ?)"
	putDelivery   = `INSERT OR REPLACE INTO deliveries (id, endpoint_id, message, status, attempts, response_status, error,
		created_at, next_attempt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	saveDelivery = `UPDATE deliveries SET status = ?1, attempts = ?2, response_status = ?3, error = ?4, next_attempt = ?5
		WHERE id = ?6 AND (status <> 'SUCCEEDED' OR ?1 = 'SUCCEEDED' OR ?1 = 'PENDING' AND ?2 = 0)`
	deliveryColumns = `d.id, d.endpoint_id, m.id, m.type, m.customer_id, d.status, d.attempts, d.response_status, d.error,
		d.created_at, d.next_attempt`
	fromDeliveries = " FROM deliveries d CROSS JOIN messages m ON m.n = d.message" // in this order
	selectDue      = "SELECT " + deliveryColumns + ", m.body" + fromDeliveries +
		" WHERE d.status = 'PENDING' AND d.endpoint_id = ? AND d.next_attempt <= ? ORDER BY d.next_attempt, d.id LIMIT ?"
	// The next endpoint for which deliveries wait, whatever their number.
	selectWaiting    = "SELECT endpoint_id FROM deliveries WHERE status = 'PENDING' AND endpoint_id > ? ORDER BY endpoint_id LIMIT 1"
	selectDelivery   = "SELECT " + deliveryColumns + ", m.body" + fromDeliveries + " WHERE d.id = ?"
	selectDeliveries = "SELECT " + deliveryColumns + fromDeliveries
	countPending     = "SELECT count(*) FROM deliveries WHERE status = 'PENDING'"

	// The next messages to trim, and whether each must stay.
	selectTrim = `SELECT n, created_at, EXISTS (SELECT 1 FROM deliveries WHERE message = n AND status = 'PENDING')
		FROM messages WHERE (created_at, n) > (?, ?) AND created_at < ? ORDER BY created_at, n LIMIT ?`
	trimDeliveries = "DELETE FROM deliveries WHERE message = ?"
	trimMessage    = "DELETE FROM messages WHERE n = ?"
)

// trimBatch is how many messages one transaction of TrimOutbox looks at: Appends wait
// for no more than that.
const trimBatch = 64

// addMessage writes m in the transaction that c is in. What a delivery repeats of its
// message is m's.
func addMessage(c *conn, m *store.Message) error {
	st, err := c.prepare(insertMessage)
	if err != nil {
		return err
	}
	n, err := st.insert(m.ID, m.Type, m.CustomerID, m.CreatedAt, m.Body)
	if err != nil {
		return err
	}
	return each(c, putDelivery, m.Deliveries, func(d *store.Delivery) []any {
		return []any{d.ID, d.EndpointID, n, string(d.Status), d.Attempts, d.ResponseStatus, d.Error, d.CreatedAt, d.NextAttempt}
	})
}

// messageWork is about how much of the write-ahead log m takes.
func messageWork(m *store.Message) int { return len(m.Body) + (2+4*len(m.Deliveries))*pageSize }

// AddMessage implements store.Store.
func (s *Store) AddMessage(ctx context.Context, m store.Message) error {
	return s.writeOutbox(ctx, messageWork(&m), func(c *conn) error { return addMessage(c, &m) })
}

// SaveDeliveries implements store.Store.
func (s *Store) SaveDeliveries(ctx context.Context, ds []store.Delivery) error {
	return s.writeOutbox(ctx, 2*len(ds)*pageSize, func(c *conn) error {
		return each(c, saveDelivery, ds, func(d *store.Delivery) []any {
			return []any{string(d.Status), d.Attempts, d.ResponseStatus, d.Error, d.NextAttempt, d.ID}
		})
	})
}

// writeOutbox runs f in a transaction of log.db that writes about work bytes.
func (s *Store) writeOutbox(ctx context.Context, work int, f func(*conn) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	return s.write(ctx, s.log, func() error { return f(s.log.conn) }, func() { s.keeper.written(work) })
}

// TrimOutbox implements store.Store, in several transactions: an error may come when a
// part is trimmed.
func (s *Store) TrimOutbox(ctx context.Context, before bursar.Time) error {
	t := trim{before: before, at: math.MinInt64}
	for more := true; more; {
		err := s.writeOutbox(ctx, trimBatch*8*pageSize, func(c *conn) (err error) {
			more, err = t.batch(c)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim is a TrimOutbox that has come to a message.
type trim struct {
	before bursar.Time
	at, n  int64 // created_at and n of the last message looked at
}

// batch looks at the next messages; more tells that there may be more.
func (t *trim) batch(c *conn) (more bool, err error) {
	var ended []int64
	looked := 0
	err = c.query(context.Background(), func(r row) error {
		if looked++; r.int(2) == 0 {
			ended = append(ended, r.int(0))
		}
		t.n, t.at = r.int(0), r.int(1)
		return nil
	}, selectTrim, t.at, t.n, t.before, trimBatch)
	if err != nil {
		return false, err
	}
	for _, sql := range []string{trimDeliveries, trimMessage} {
		if err := each(c, sql, ended, func(n *int64) []any { return []any{*n} }); err != nil {
			return false, err
		}
	}
	return looked == trimBatch, nil
}

// DueDeliveries implements store.Store.
func (s *Store) DueDeliveries(ctx context.Context, before bursar.Time, limit func(string) int) (rows []store.DueDelivery, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		for endpoint := ""; ; {
			found := false
			err := c.query(ctx, func(r row) error {
				endpoint, found = r.text(0), true
				return nil
			}, selectWaiting, endpoint)
			if err != nil || !found {
				return err
			}
			n := limit(endpoint)
			if n < 0 {
				continue
			}
			err = c.query(ctx, func(r row) error {
				rows = append(rows, store.DueDelivery{Delivery: readDelivery(r), Body: r.blob(11)})
				return nil
			}, selectDue, endpoint, before, rowLimit(n))
			if err != nil {
				return err
			}
		}
	})
	return rows, err
}

// Delivery implements store.Store.
func (s *Store) Delivery(ctx context.Context, id string) (d *store.DueDelivery, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			d = &store.DueDelivery{Delivery: readDelivery(r), Body: r.blob(11)}
			return nil
		}, selectDelivery, id)
	})
	return d, err
}

// Deliveries implements store.Store.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) (rows []store.Delivery, err error) {
	sql, args := deliveriesSQL(q)
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			rows = append(rows, readDelivery(r))
			return nil
		}, sql, args...)
	})
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

func deliveriesSQL(q store.DeliveryQuery) (sql string, args []any) {
	var w where
	w.and("d.endpoint_id = ?", q.EndpointID)
	switch q.Status {
	case "":
	case store.DeliveryFailed:
		w.and("d.status = 'FAILED'") // spelled out for the partial index
	default:
		w.and("d.status = ?", string(q.Status))
	}
	if q.Below != "" {
		w.and("d.id < ?", q.Below)
	}
	order := " ORDER BY d.id DESC LIMIT ?"
	if q.Above != "" {
		w.and("d.id > ?", q.Above)
		order = " ORDER BY d.id LIMIT ?"
	}
	return selectDeliveries + w.text() + order, append(w.args, rowLimit(q.Limit))
}

func readDelivery(r row) store.Delivery {
	return store.Delivery{
		ID: r.text(0), EndpointID: r.text(1), MessageID: r.text(2), EventType: r.text(3), CustomerID: r.text(4),
		Status: store.DeliveryStatus(r.text(5)), Attempts: int(r.int(6)), ResponseStatus: int(r.int(7)), Error: r.text(8),
		CreatedAt: bursar.Time(r.int(9)), NextAttempt: bursar.Time(r.int(10)),
	}
}

// PendingDeliveries implements store.Store.
func (s *Store) PendingDeliveries(ctx context.Context) (n int, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			n = int(r.int(0))
			return nil
		}, countPending)
	})
	return n, err
}
