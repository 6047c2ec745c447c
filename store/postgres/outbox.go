package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertMessages = `INSERT INTO messages (id, type, customer_id, created_at, body, sum, body_sum)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[]) ON CONFLICT DO NOTHING`
	insertDeliveries = `INSERT INTO deliveries (id, endpoint_id, message, status, attempts, response_status, error,
			created_at, next_attempt, made_sum, sum)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
			$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) ON CONFLICT DO NOTHING`
	// Rows are locked in order of id by all who change them.
	lockDeliveries = "SELECT id FROM deliveries WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
	saveDeliveries = `UPDATE deliveries d SET status = q.status, attempts = q.attempts, response_status = q.response_status,
			error = q.error, next_attempt = q.next_attempt, sum = q.sum
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])
			q (id, status, attempts, response_status, error, next_attempt, sum)
		WHERE d.id = q.id AND (d.status <> 'SUCCEEDED' OR q.status = 'SUCCEEDED' OR q.status = 'PENDING' AND q.attempts = 0)`

	deliveryColumns = `d.id, d.endpoint_id, m.id, m.type, m.customer_id, d.status, d.attempts, d.response_status, d.error,
		d.created_at, d.next_attempt, m.created_at, d.made_sum, d.sum, m.sum`
	fromDeliveries   = " FROM (%s) d LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = d.message OFFSET 0) m ON true ORDER BY "
	withBody         = "SELECT " + deliveryColumns + ", m.body, m.body_sum" + fromDeliveries
	withoutBody      = "SELECT " + deliveryColumns + fromDeliveries
	selectDeliveries = "SELECT * FROM deliveries"
	// The endpoints for which deliveries wait, whatever the number of these.
	waitingEndpoints = `WITH RECURSIVE e AS (
			(SELECT endpoint_id FROM deliveries WHERE status = 'PENDING' ORDER BY endpoint_id LIMIT 1)
			UNION ALL SELECT n.endpoint_id FROM e CROSS JOIN LATERAL (SELECT endpoint_id FROM deliveries
				WHERE status = 'PENDING' AND endpoint_id > e.endpoint_id ORDER BY endpoint_id LIMIT 1) n)
		SELECT endpoint_id FROM e`
	dueDeliveries = `SELECT due.* FROM unnest($2::text[], $3::bigint[]) q (endpoint, n) CROSS JOIN LATERAL (
			SELECT * FROM deliveries WHERE status = 'PENDING' AND endpoint_id = q.endpoint AND next_attempt <= $1
			ORDER BY next_attempt, id LIMIT q.n) due`
	oneDelivery  = selectDeliveries + " WHERE id = $1"
	countPending = "SELECT count(*) FROM deliveries WHERE status = 'PENDING'"

	// The next messages to trim, and their deliveries, which nobody changes then.
	lockTrim = `SELECT id, created_at FROM messages WHERE (created_at, id) > ($1, $2) AND created_at < $3
		ORDER BY created_at, id LIMIT $4 FOR UPDATE`
	lockTrimDeliveries = "SELECT message, status FROM deliveries WHERE message = ANY($1::text[]) ORDER BY id FOR UPDATE"
	trimDeliveries     = "DELETE FROM deliveries WHERE message = ANY($1::text[])"
	trimMessages       = "DELETE FROM messages WHERE id = ANY($1::text[])"
)

// trimBatch is how many messages one transaction of TrimOutbox looks at: senders wait for
// no more than that.
const trimBatch = 256

// outbox is messages with their deliveries, by column. What a delivery repeats of its
// message is the message's. IDs are unique: what is there already is what is added.
type outbox struct {
	ids, types, customers []string
	created               []int64
	bodies                [][]byte
	sums, bodySums        []int64
	deliveries            deliveries
}

func (o *outbox) add(m *store.Message) {
	o.ids, o.types, o.customers = append(o.ids, text(m.ID)), append(o.types, text(m.Type)), append(o.customers, text(m.CustomerID))
	o.created, o.bodies = append(o.created, int64(m.CreatedAt)), append(o.bodies, m.Body)
	o.sums, o.bodySums = append(o.sums, messageSum(m.ID, m.Type, m.CustomerID, m.CreatedAt)), append(o.bodySums, bodySum(m.ID, m.Body))
	for i := range m.Deliveries {
		o.deliveries.add(m.ID, &m.Deliveries[i])
	}
}

func (o *outbox) put(b *batch) {
	if len(o.ids) == 0 {
		return
	}
	b.exec(insertMessages, o.ids, o.types, o.customers, o.created, o.bodies, o.sums, o.bodySums)
	if d := &o.deliveries; len(d.ids) > 0 {
		b.exec(insertDeliveries, d.ids, d.endpoints, d.messages, d.statuses, d.attempts, d.responses, d.errors, d.created, d.next, d.made, d.sums)
	}
}

// deliveries are rows of deliveries, by column.
type deliveries struct {
	ids, endpoints, messages, statuses, errors []string
	attempts, responses, created, next         []int64
	made, sums                                 []int64
}

func (l *deliveries) add(message string, d *store.Delivery) {
	l.ids, l.endpoints, l.messages = append(l.ids, text(d.ID)), append(l.endpoints, text(d.EndpointID)), append(l.messages, text(message))
	l.statuses, l.errors = append(l.statuses, string(d.Status)), append(l.errors, text(d.Error))
	l.attempts, l.responses = append(l.attempts, int64(d.Attempts)), append(l.responses, int64(d.ResponseStatus))
	l.created, l.next = append(l.created, int64(d.CreatedAt)), append(l.next, int64(d.NextAttempt))
	made, stands := deliverySums(message, d)
	l.made, l.sums = append(l.made, made), append(l.sums, stands)
}

// transact runs the statements of f in a transaction of their own.
func (s *Store) transact(ctx context.Context, f func(ctx context.Context, c *conn, last *batch) error) error {
	return s.write(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error {
		if _, err := c.Exec(ctx, "BEGIN"); err != nil {
			return lost(err)
		}
		var last batch
		if err := f(ctx, c, &last); err != nil {
			return err
		}
		return c.commit(ctx, &last)
	})
}

// AddMessage implements store.Store.
func (s *Store) AddMessage(ctx context.Context, m store.Message) error {
	return s.transact(ctx, func(_ context.Context, _ *conn, b *batch) error {
		var o outbox
		o.add(&m)
		o.put(b)
		return nil
	})
}

// SaveDeliveries implements store.Store.
func (s *Store) SaveDeliveries(ctx context.Context, ds []store.Delivery) error {
	var l deliveries
	for i := range ds {
		l.add("", &ds[i])
	}
	return s.transact(ctx, func(_ context.Context, _ *conn, b *batch) error {
		b.exec(lockDeliveries, l.ids)
		b.exec(saveDeliveries, l.ids, l.statuses, l.attempts, l.responses, l.errors, l.next, l.sums)
		return nil
	})
}

// TrimOutbox implements store.Store, in several transactions: an error may come when a
// part is trimmed.
func (s *Store) TrimOutbox(ctx context.Context, before bursar.Time) error {
	at, id := int64(math.MinInt64), ""
	for {
		var ids []string
		err := s.transact(ctx, func(ctx context.Context, c *conn, last *batch) error {
			err := c.query(ctx, func(r row) error {
				ids = append(ids, string(r[0]))
				at = r.int(1)
				return nil
			}, lockTrim, at, id, int64(before), int64(trimBatch))
			if err != nil || len(ids) == 0 {
				return err
			}
			pending := map[string]bool{}
			err = c.query(ctx, func(r row) error {
				if string(r[1]) == string(store.DeliveryPending) {
					pending[string(r[0])] = true
				}
				return nil
			}, lockTrimDeliveries, ids)
			gone := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return pending[id] })
			last.exec(trimDeliveries, gone)
			last.exec(trimMessages, gone)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		id = ids[len(ids)-1]
	}
}

// DueDeliveries implements store.Store. What is damaged is logged and left out; where others
// wait behind it they are asked for, so that an endpoint gets as many as there are.
func (s *Store) DueDeliveries(ctx context.Context, before bursar.Time, limit func(string) int) (rows []store.DueDelivery, err error) {
	var all []*dueOf
	err = s.read(ctx, func(r row) error {
		if n := limit(r.text(0)); n >= 0 {
			all = append(all, &dueOf{endpoint: string(r[0]), limit: n, ask: n})
		}
		return nil
	}, waitingEndpoints)
	for asks := all; err == nil && len(asks) > 0; {
		err = s.askDue(ctx, before, asks)
		asks = slices.DeleteFunc(slices.Clone(asks), func(d *dueOf) bool { return !d.more() })
	}
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		rows = append(rows, d.rows...)
	}
	return rows, nil
}

// dueOf are the deliveries to an endpoint that are due: of the first ask ones (0 = all) those
// that are whole, up to limit.
type dueOf struct {
	endpoint   string
	limit, ask int
	rows       []store.DueDelivery
	damaged    int
}

// more tells that damaged ones took the place of others, and has more asked for then.
func (d *dueOf) more() bool {
	whole := len(d.rows)
	if d.limit > 0 && whole > d.limit {
		d.rows = d.rows[:d.limit]
	}
	if d.limit <= 0 || whole >= d.limit || whole+d.damaged < d.ask || d.damaged >= maxTold {
		return false
	}
	d.ask = d.limit + 2*d.damaged
	d.rows, d.damaged = nil, 0
	return true
}

func (s *Store) askDue(ctx context.Context, before bursar.Time, asks []*dueOf) error {
	of := make(map[string]*dueOf, len(asks))
	endpoints, limits := make([]string, len(asks)), make([]*int64, len(asks))
	for i, d := range asks {
		of[d.endpoint], endpoints[i], limits[i] = d, d.endpoint, rowLimit(d.ask)
	}
	return s.read(ctx, func(r row) error {
		d := of[string(r[1])]
		due, err := readDueDelivery(r)
		if err != nil {
			d.damaged++
			s.damaged.tell(s.opts.Log, err)
			return nil
		}
		d.rows = append(d.rows, due)
		return nil
	}, fmt.Sprintf(withBody, dueDeliveries)+"d.endpoint_id, d.next_attempt, d.id", int64(before), endpoints, limits)
}

// Delivery implements store.Store.
func (s *Store) Delivery(ctx context.Context, id string) (d *store.DueDelivery, err error) {
	err = s.read(ctx, func(r row) error {
		due, err := readDueDelivery(r)
		d = &due
		return err
	}, fmt.Sprintf(withBody, oneDelivery)+"d.id", text(id))
	return d, err
}

// Deliveries implements store.Store.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) (rows []store.Delivery, err error) {
	sql, args := deliveriesSQL(q)
	err = s.read(ctx, func(r row) error {
		d, err := readDelivery(r)
		rows = append(rows, d)
		return err
	}, sql, args...)
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

func deliveriesSQL(q store.DeliveryQuery) (sql string, args []any) {
	var w where
	w.and("endpoint_id = ?", q.EndpointID)
	switch q.Status {
	case "":
	case store.DeliveryFailed:
		w.and("status = 'FAILED'") // spelled out for the partial index
	default:
		w.and("status = ?", string(q.Status))
	}
	if q.Below != "" {
		w.and("id < ?", q.Below)
	}
	order := "id DESC"
	if q.Above != "" {
		w.and("id > ?", q.Above)
		order = "id"
	}
	page, args := w.query(selectDeliveries, " ORDER BY "+order, q.Limit)
	return fmt.Sprintf(withoutBody, page) + "d." + order, args
}

func readDelivery(r row) (store.Delivery, error) {
	if r.null(2) {
		return store.Delivery{}, &store.Damage{Place: "the message of delivery " + r.text(0), Why: errors.New("it is missing")}
	}
	d := store.Delivery{
		ID: r.text(0), EndpointID: r.text(1), MessageID: r.text(2), EventType: r.text(3), CustomerID: r.text(4),
		Status: store.DeliveryStatus(r.text(5)), Attempts: int(r.int(6)), ResponseStatus: int(r.int(7)), Error: r.text(8),
		CreatedAt: r.time(9), NextAttempt: r.time(10),
	}
	made, stands := deliverySums(d.MessageID, &d)
	if err := r.intact(12, "", made, "delivery", d.ID); err != nil {
		return d, err
	}
	if err := r.intact(13, "", stands, "delivery", d.ID); err != nil {
		return d, err
	}
	return d, r.intact(14, "", messageSum(d.MessageID, d.EventType, d.CustomerID, r.time(11)), "message", d.MessageID)
}

func readDueDelivery(r row) (store.DueDelivery, error) {
	d, err := readDelivery(r)
	if err != nil {
		return store.DueDelivery{}, err
	}
	due := store.DueDelivery{Delivery: d, Body: r.blob(15)}
	return due, r.intact(16, "", bodySum(d.MessageID, due.Body), "the body of message", d.MessageID)
}

// PendingDeliveries implements store.Store.
func (s *Store) PendingDeliveries(ctx context.Context) (n int, err error) {
	err = s.read(ctx, func(r row) error {
		n = int(r.int(0))
		return nil
	}, countPending)
	return n, err
}
