package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

func init() {
	operations["notify"], operations["unnotify"], operations["notifications"] = (*world).opNotify, (*world).opUnnotify, (*world).opNotifications
	operations["deny"], operations["test-notification"] = (*world).opDeny, (*world).opTestNotification
}

// hearerOf reads "ENTITY NAME"; "-" is the customer.
func hearerOf(it *item) (entity, name string) {
	if entity = it.word(0); entity == "-" {
		entity = ""
	}
	return entity, it.word(1)
}

// opNotify reads "ENTITY NAME [at=50,80] [denials] [requests] to=a@x,https://… ; …".
func (w *world) opNotify(o *op) error {
	var in []bursar.NotificationInput
	for _, it := range o.items {
		x := bursar.NotificationInput{Denials: it.flag("denials"), BoostRequests: it.flag("requests")}
		x.EntityID, x.Name = hearerOf(it)
		for to := range strings.SplitSeq(it.pairs["to"], ",") {
			if bursar.IsURL(to) {
				x.SlackURLs = append(x.SlackURLs, to)
			} else if to != "" {
				x.Emails = append(x.Emails, to)
			}
		}
		for text := range strings.SplitSeq(it.pairs["at"], ",") {
			if n, err := strconv.Atoi(text); err == nil {
				x.Thresholds = append(x.Thresholds, n)
			}
		}
		in = append(in, x)
	}
	_, _, err := w.engine.PutNotifications(w.t.Context(), tester, "acme", in)
	return err
}

func (w *world) opNotifications(*op) error {
	list, _, err := w.engine.Notifications(w.t.Context(), ledger.ReadOptions{}, "acme")
	for _, n := range list {
		of := "the customer"
		if n.EntityID != "" {
			of = n.EntityID
		}
		w.printf("%s of %s: at %v, denials %v, requests %v, to %v\n", n.Name, of, n.Thresholds, n.Denials, n.BoostRequests, slices.Concat(n.Emails, n.SlackURLs))
	}
	return err
}

func (w *world) hearerID(it *item) string {
	list, _, err := w.engine.Notifications(w.t.Context(), ledger.ReadOptions{}, "acme")
	w.must(err)
	entity, name := hearerOf(it)
	for _, n := range list {
		if n.EntityID == entity && n.Name == name {
			return n.ID
		}
	}
	return "none"
}

func (w *world) opUnnotify(o *op) error {
	_, _, err := w.engine.DeleteNotification(w.t.Context(), tester, "acme", w.hearerID(o.item()))
	return err
}

func (w *world) opTestNotification(o *op) error {
	_, _, err := w.engine.TestNotification(w.t.Context(), tester, "acme", w.hearerID(o.item()))
	return err
}

// opDeny is a check whose denial is noted, of which people are told before it ends.
func (w *world) opDeny(o *op) error {
	it := o.item()
	in := ledger.CheckInput{Capability: capability(it.word(0)), Requested: it.amount(1), Dimensions: it.dims()}
	d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{in})
	if err != nil || d[0].Granted {
		w.printf("granted\n")
		return err
	}
	w.engine.NoteDenial(&engine.Denial{CustomerID: "acme", Capability: in.Capability, Requested: in.Requested, Dimensions: in.Dimensions, Decision: d[0]})
	w.engine.TellDenials()
	return nil
}

// told shows what a person is told.
func told(d *store.DueDelivery) string {
	n, to := catalogue.Recipient(d.EndpointID, d.Body)
	var m struct {
		Data struct {
			catalogue.DenialData
			Request struct{ Status, Reason string } `json:"boostRequest"`
		}
	}
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%s by %s: %s", to, n.Name, d.EventType)
	switch x := &m.Data; d.EventType {
	case bursar.EventUsageExceeded:
		s += fmt.Sprintf(" %s %v, %s of %s", x.Entity.ID, x.Thresholds, x.CurrentUsage, x.UsageLimit)
	case bursar.EventDenied:
		s += fmt.Sprintf(" %v %s by %s, %s of %s", x.DeniedIDs, x.Requested, x.Entity.ID, x.CurrentUsage, x.UsageLimit)
	case bursar.EventTest:
	default:
		s += fmt.Sprintf(" %s %s", x.Entity.ID, x.Request.Status)
	}
	return s
}
