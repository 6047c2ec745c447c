package mem

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// outbox is the messages and their deliveries, both by ID.
type outbox struct {
	messages   map[string]store.Message // without Deliveries
	deliveries map[string]store.Delivery
}

func newOutbox() outbox {
	return outbox{map[string]store.Message{}, map[string]store.Delivery{}}
}

func (o outbox) clone() outbox {
	c := outbox{map[string]store.Message{}, maps.Clone(o.deliveries)}
	for id, m := range o.messages {
		c.messages[id] = cloneMessage(m)
	}
	return c
}

// cloneMessage is m without its deliveries, which are kept apart.
func cloneMessage(m store.Message) store.Message {
	m.Body, m.Deliveries = bytes.Clone(m.Body), nil
	return m
}

// add puts m with its deliveries in. What a delivery repeats of its message is m's.
func (o outbox) add(m store.Message) {
	o.messages[m.ID] = cloneMessage(m)
	for _, d := range m.Deliveries {
		d.MessageID, d.EventType, d.CustomerID = m.ID, m.Type, m.CustomerID
		o.deliveries[d.ID] = d
	}
}

func (o outbox) due(d store.Delivery) store.DueDelivery {
	return store.DueDelivery{Delivery: d, Body: bytes.Clone(o.messages[d.MessageID].Body)}
}

// trim deletes as TrimOutbox says.
func (o outbox) trim(before bursar.Time) {
	keep := map[string]bool{}
	for id, m := range o.messages {
		keep[id] = m.CreatedAt >= before
	}
	for _, d := range o.deliveries {
		if d.Status == store.DeliveryPending {
			keep[d.MessageID] = true
		}
	}
	maps.DeleteFunc(o.messages, func(id string, _ store.Message) bool { return !keep[id] })
	maps.DeleteFunc(o.deliveries, func(_ string, d store.Delivery) bool { return !keep[d.MessageID] })
}

// change runs f as the write op on the outbox.
func (s *Store) change(ctx context.Context, op string, f func(outbox)) error {
	if err := s.beginWrite(ctx, op); err != nil {
		return err
	}
	f(s.outbox)
	s.mu.Unlock()
	return s.fail(op + ".after")
}

// AddMessage implements store.Store.
func (s *Store) AddMessage(ctx context.Context, m store.Message) error {
	return s.change(ctx, "addmessage", func(o outbox) { o.add(m) })
}

// SaveDeliveries implements store.Store.
func (s *Store) SaveDeliveries(ctx context.Context, ds []store.Delivery) error {
	return s.change(ctx, "savedeliveries", func(o outbox) {
		for _, d := range ds {
			saved, ok := o.deliveries[d.ID]
			anew := d.Status == store.DeliverySucceeded || d.Status == store.DeliveryPending && d.Attempts == 0
			if !ok || saved.Status == store.DeliverySucceeded && !anew {
				continue
			}
			saved.Status, saved.Attempts, saved.NextAttempt = d.Status, d.Attempts, d.NextAttempt
			saved.ResponseStatus, saved.Error = d.ResponseStatus, d.Error
			o.deliveries[d.ID] = saved
		}
	})
}

// TrimOutbox implements store.Store.
func (s *Store) TrimOutbox(ctx context.Context, before bursar.Time) error {
	return s.change(ctx, "trimoutbox", func(o outbox) { o.trim(before) })
}

// DueDeliveries implements store.Store.
func (s *Store) DueDeliveries(ctx context.Context, before bursar.Time, limit func(string) int) ([]store.DueDelivery, error) {
	if err := s.begin(ctx, "duedeliveries"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	due := map[string][]store.DueDelivery{}
	for _, d := range s.outbox.deliveries {
		if d.Status == store.DeliveryPending && d.NextAttempt <= before {
			due[d.EndpointID] = append(due[d.EndpointID], s.outbox.due(d))
		}
	}
	var rows []store.DueDelivery
	for _, endpoint := range slices.Sorted(maps.Keys(due)) {
		its := due[endpoint]
		slices.SortFunc(its, func(a, b store.DueDelivery) int {
			return cmp.Or(cmp.Compare(a.NextAttempt, b.NextAttempt), strings.Compare(a.ID, b.ID))
		})
		if n := limit(endpoint); n >= 0 {
			rows = append(rows, page(its, n)...)
		}
	}
	return rows, nil
}

// Deliveries implements store.Store.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) ([]store.Delivery, error) {
	if err := s.begin(ctx, "deliveries"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var rows []store.Delivery
	for _, d := range values(s.outbox.deliveries, same) {
		if d.EndpointID == q.EndpointID && (q.Status == "" || d.Status == q.Status) &&
			(q.Below == "" || d.ID < q.Below) && d.ID > q.Above {
			rows = append(rows, d)
		}
	}
	rows = pageOf(rows, q.Limit, q.Above == "")
	slices.Reverse(rows)
	return rows, nil
}

// Delivery implements store.Store.
func (s *Store) Delivery(ctx context.Context, id string) (*store.DueDelivery, error) {
	if err := s.begin(ctx, "delivery"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	d, ok := s.outbox.deliveries[id]
	if !ok {
		return nil, nil
	}
	due := s.outbox.due(d)
	return &due, nil
}

// PendingDeliveries implements store.Store.
func (s *Store) PendingDeliveries(ctx context.Context) (int, error) {
	if err := s.begin(ctx, "pendingdeliveries"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	for _, d := range s.outbox.deliveries {
		if d.Status == store.DeliveryPending {
			n++
		}
	}
	return n, nil
}
