package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// ReportEvents turns events into usage by the meters of their names. It gives what each did
// and the versions of the customers. Pointers of errors begin with /events/i.
func (e *Engine) ReportEvents(ctx context.Context, c catalogue.Caller, in []bursar.EventInput) (results []bursar.EventResult, versions map[string]uint64, err error) {
	byCustomer := map[string]*ledger.ReportEvents{}
	for i := range in {
		it, err := e.eventItem(i, in[i])
		if err != nil {
			return nil, nil, err
		}
		r := byCustomer[it.In.CustomerID]
		if r == nil {
			r = &ledger.ReportEvents{}
			byCustomer[it.In.CustomerID] = r
		}
		r.Items = append(r.Items, it)
	}
	order := record.SortedKeys(byCustomer)
	if len(order) > 1 {
		if err := rehearseAll(ctx, e, &c, order, byCustomer); err != nil {
			return nil, nil, err
		}
	}
	results, versions = make([]bursar.EventResult, len(in)), make(map[string]uint64, len(order))
	var mu sync.Mutex
	err = e.writeAll(order, func(id string) error {
		reply, version, err := e.write(ctx, &c, id, byCustomer[id])
		if err != nil {
			return err
		}
		mu.Lock()
		versions[id] = version
		mu.Unlock()
		e.noteUnpriced(byCustomer[id].Unpriced)
		for i := range byCustomer[id].Items {
			e.noteUnread(byCustomer[id].Items[i].In.Unread)
		}
		e.unlinked.note(byCustomer[id].Items, reply.([]bursar.EventResult), e.now())
		for i, r := range reply.([]bursar.EventResult) {
			results[byCustomer[id].Items[i].Index] = r
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return results, versions, nil
}

// eventItem is event number i of a report.
func (e *Engine) eventItem(i int, in bursar.EventInput) (ledger.EventItem, error) {
	it := ledger.EventItem{Index: i, In: in, Call: ledger.CallOf(&e.secret, in.EventName, in.CallID)}
	it.In.Dimensions = record.SortDims(in.Dimensions)
	if in.ReservationID != "" {
		id, ok := store.ParseID(in.ReservationID)
		if !ok {
			return it, bursar.ErrorAt(fmt.Sprintf("/events/%d/reservationId", i), bursar.CodeReservationNotFound, "there is no reservation %.64q", in.ReservationID)
		}
		it.Reservation = &id
	}
	it.Key = ledger.KeyOf(&e.secret, ledger.EventTarget(in.EventName), in.IdempotencyKey, ledger.EventContent(&it.In))
	return it, nil
}

// ReportUsage records a report, whole or not at all for each customer, after all items
// of all customers were found good. It notes in the items what they did, and gives the
// versions of the customers.
func (e *Engine) ReportUsage(ctx context.Context, c catalogue.Caller, items []ledger.UsageItem) (versions map[string]uint64, err error) {
	return e.report(ctx, c, "/usages", record.OpUsage, items)
}

// ReportConsumption records that currencies were consumed, without a gate, as ReportUsage
// does for features. base is where in the request the items are: "/consumptions", or ""
// when the body is the only item. Items have CurrencyID in place of FeatureID.
func (e *Engine) ReportConsumption(ctx context.Context, c catalogue.Caller, base string, items []ledger.UsageItem) (versions map[string]uint64, err error) {
	return e.report(ctx, c, base, record.OpConsumption, items)
}

func (e *Engine) report(ctx context.Context, c catalogue.Caller, base string, o record.Operation, items []ledger.UsageItem) (versions map[string]uint64, err error) {
	byCustomer := map[string]*ledger.ReportUsage{}
	var order []string
	for i := range items {
		it := &items[i]
		it.Index = i
		it.In.Dimensions = record.SortDims(it.In.Dimensions)
		it.In.Behavior = cmp.Or(it.In.Behavior, bursar.Delta)
		if it.In.IdempotencyKey != "" {
			c := it.In.Capability()
			it.Key = ledger.KeyOf(&e.secret, ledger.TargetOf(c), it.In.IdempotencyKey, ledger.ContentOf(o, c, it.In.Value, it.In.Behavior == bursar.Set, it.In.Dimensions))
		}
		r := byCustomer[it.In.CustomerID]
		if r == nil {
			r = &ledger.ReportUsage{Base: base, Op: o}
			byCustomer[it.In.CustomerID] = r
			order = append(order, it.In.CustomerID)
		}
		r.Items = append(r.Items, it)
	}
	slices.Sort(order)
	if len(order) > 1 {
		if err := rehearseAll(ctx, e, &c, order, byCustomer); err != nil {
			return nil, err
		}
	}
	versions = make(map[string]uint64, len(order))
	var mu sync.Mutex
	err = e.writeAll(order, func(id string) error {
		_, version, err := e.write(ctx, &c, id, byCustomer[id])
		if err != nil {
			return err
		}
		mu.Lock()
		versions[id] = version
		mu.Unlock()
		e.noteUnpriced(byCustomer[id].Unpriced)
		return e.fillBefore(ctx, id, byCustomer[id].Items, version)
	})
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// writeAll writes a report's parts, one for each customer, at the same time, so that they
// share batches. If a customer refuses what was found good a moment ago, it has changed
// meanwhile, and the error asks the caller to send the report again. That is safe: what was
// recorded is recognised by its keys.
func (e *Engine) writeAll(order []string, write func(id string) error) error {
	errs := together(order, write)
	for i, err := range errs {
		if err != nil && len(order) > 1 && isRefusal(err) {
			err = e.unavailable(fmt.Errorf("customer %q changed after a report on several customers was checked: %w", order[i], err))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// together calls f for each id at once. A panic is the error of its id.
func together(ids []string, f func(id string) error) []error {
	errs := make([]error, len(ids))
	if len(ids) == 1 {
		errs[0] = f(ids[0])
		return errs
	}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			errs[i] = f(id)
		})
	}
	all.Wait()
	return errs
}

func isRefusal(err error) bool {
	var b *bursar.Error
	return errors.As(err, &b)
}

// rehearseAll gathers what is wrong with the items of all customers.
func rehearseAll[O ledger.Op](ctx context.Context, e *Engine, by *catalogue.Caller, order []string, reports map[string]O) error {
	var all bursar.Error
	for _, err := range together(order, func(id string) error { return e.rehearse(ctx, by, id, reports[id]) }) {
		var refused *bursar.Error
		switch {
		case err == nil:
		case errors.As(err, &refused) && len(refused.Fields) > 0:
			all.Fields = append(all.Fields, refused.Fields...)
		default:
			return err
		}
	}
	if len(all.Fields) == 0 {
		return nil
	}
	slices.SortStableFunc(all.Fields, func(a, b bursar.FieldError) int { return cmp.Compare(itemOf(a), itemOf(b)) })
	all.Code, all.Message = all.Fields[0].Code, all.Fields[0].Detail
	return &all
}

// itemOf is the index in a pointer such as /usages/12/value.
func itemOf(f bursar.FieldError) int {
	_, rest, _ := strings.Cut(f.Pointer[1:], "/")
	number, _, _ := strings.Cut(rest, "/")
	n, _ := strconv.Atoi(number)
	return n
}

// rehearse finds out what is wrong with a request, without recording it.
func (e *Engine) rehearse(ctx context.Context, by *catalogue.Caller, customer string, o ledger.Op) error {
	var f *ledger.Facts
	for {
		var err error
		_, rerr := e.read(ctx, ledger.ReadOptions{Enrols: by.Enroller()}, customer, func(v *ledger.View) error {
			d := &ledger.Decider{View: v, Cat: e.cat.Load(), Horizon: e.o.LateHorizon, Facts: f, Rehearsal: true}
			_, err = d.Attempt(o)
			return nil
		})
		if rerr != nil {
			return rerr
		}
		var n *ledger.Needs
		if !errors.As(err, &n) {
			return err
		}
		if f, err = e.fetch(ctx, customer, n, f); err != nil {
			return err
		}
	}
}

// fillBefore completes items that came again, of a report that was decided at a version: a
// commit that has several of their twins is read once, and all are completed as of one moment.
func (e *Engine) fillBefore(ctx context.Context, customer string, items []*ledger.UsageItem, version uint64) error {
	twins := map[int]*record.Placed{}
	var row *record.Row // the one read last: a report that is sent again is in one commit
	for i, it := range items {
		at := it.Before
		if at == nil {
			continue
		}
		if row == nil || row.Head.Seq != at.Seq {
			var err error
			if row, err = e.readRow(ctx, customer, at.Seq); err != nil {
				return err
			}
		}
		p, err := row.At(at)
		if err != nil {
			return err
		}
		twins[i] = &p
	}
	if len(twins) == 0 {
		return nil
	}
	_, err := e.read(ctx, asDecided(version), customer, func(v *ledger.View) error {
		cat := e.cat.Load()
		for i, p := range twins {
			if err := v.ReportedAgain(cat, p, &items[i].UsageResult); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
