package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// someNotifications are n of an entity, each to one address and at one percentage.
func someNotifications(entity string, n int, to string, at int) (in []bursar.NotificationInput) {
	for i := range n {
		in = append(in, bursar.NotificationInput{EntityID: entity, Name: fmt.Sprint("n", i), Emails: []string{to}, Thresholds: []int{at}})
	}
	return in
}

// TestNotificationsOfOthersTakeNoPlace: what access tokens make takes no place of what keys do, nor those
// without a root any of those with one; all with a root make a thousand.
func TestNotificationsOfOthersTakeNoPlace(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	put := func(token *bursar.AccessToken, in []bursar.NotificationInput) error {
		by := tester
		by.Token = token
		_, _, err := r.PutNotifications(t.Context(), by, "acme", in)
		return err
	}
	full := func(what string, err error, why string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", what, err)
		}
	}
	whole, rooted := &bursar.AccessToken{CustomerID: "acme"}, &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}
	r.must(put(whole, someNotifications("o", bursar.MaxNotifications, "a@x.example", 1)))
	r.must(put(nil, someNotifications("o", bursar.MaxNotifications, "b@x.example", 2)))
	r.must(put(rooted, someNotifications("o", bursar.MaxRootNotifications, "c@x.example", 3)))
	more := []bursar.NotificationInput{{EntityID: "o", Name: "more", Emails: []string{"a@x.example"}, Denials: true}}
	full("one more by keys", put(nil, more), "keys make at most 100 notifications")
	full("one more by tokens without a root", put(whole, more), "without a root make at most 100 notifications")
	full("one more by tokens with a root", put(rooted, more), "one root make at most 10 notifications")

	made := bursar.MaxRootNotifications
	for i := 0; made < bursar.MaxRootedNotifications; i++ {
		root := fmt.Sprint("u", i)
		_, _, err := r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: root, EntityTypeID: "user"}})
		r.must(err)
		r.must(put(&bursar.AccessToken{CustomerID: "acme", RootEntityID: root}, someNotifications(root, bursar.MaxRootNotifications, "d@x.example", 4)))
		made += bursar.MaxRootNotifications
	}
	more[0].EntityID = "u"
	full("one more of another root", put(&bursar.AccessToken{CustomerID: "acme", RootEntityID: "u"}, more), "make at most 1000 notifications")
}

// TestManyLimitsAtOnce: a request that takes very many limits over what is listened for makes a bounded number of messages,
// and the limits that they do not tell of are told of when they are used again.
func TestManyLimitsAtOnce(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	const users = 150
	var entities []bursar.EntityInput
	var limits []bursar.AssignmentInput
	for i := range users {
		id := fmt.Sprint("u", i)
		entities = append(entities, bursar.EntityInput{ID: id, EntityTypeID: "user", ParentID: bursar.Some("o")})
		limits = append(limits, bursar.AssignmentInput{EntityID: id, Capability: capability("tokens"), UsageLimit: bursar.Some(amount("100")), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})})
	}
	_, _, err := r.PutEntities(t.Context(), tester, "acme", entities)
	r.must(err)
	_, _, err = r.PutAssignments(t.Context(), tester, "acme", limits)
	r.must(err)
	const listen = 20
	_, _, err = r.PutNotifications(t.Context(), tester, "acme", someNotifications("o", listen, "a@x.example", 80))
	r.must(err)
	use := func(key string) {
		var in []bursar.UsageInput
		for i := range users {
			in = append(in, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: amount("45"), IdempotencyKey: fmt.Sprint(key, i), Dimensions: dims("user", fmt.Sprint("u", i))})
		}
		_, _, err := r.ReportUsage(t.Context(), tester, in)
		r.must(err)
	}
	told := func() (n int) {
		due, err := r.store.DueDeliveries(t.Context(), 1<<62, func(string) int { return 0 })
		r.must(err)
		return len(due)
	}
	use("a")
	if n := told(); n != 0 {
		t.Fatalf("%d messages of limits at 45 %%", n)
	}
	use("b")
	first := told()
	if first < bursar.MaxToldAtOnce || first > bursar.MaxToldAtOnce+listen {
		t.Errorf("%d messages of one request", first)
	}
	for i := range 4 {
		use(fmt.Sprint("c", i))
	}
	if n := told(); n != users*listen {
		t.Errorf("%d messages in all, not one by each of %d notifications for each of %d limits", n, listen, users)
	}
}

// TestTokensSendAgainWhatFailed: and nothing else, as that would be a message each time.
func TestTokensSendAgainWhatFailed(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	by := tester
	by.Token = &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}
	made, _, err := r.PutNotifications(t.Context(), by, "acme", someNotifications("o", 1, "a@x.example", 50))
	r.must(err)
	sent, _, err := r.TestNotification(t.Context(), by, "acme", made[0].ID)
	r.must(err)
	for _, status := range []store.DeliveryStatus{store.DeliveryPending, store.DeliveryFailed, store.DeliverySucceeded} {
		d := sent[0].Delivery
		d.Status = status
		r.must(r.store.SaveDeliveries(t.Context(), []store.Delivery{d}))
		if _, _, err := r.RedeliverNotification(t.Context(), by, "acme", made[0].ID, d.ID); (err == nil) != (status == store.DeliveryFailed) {
			t.Errorf("what is %s: %v", status, err)
		}
	}
}

// TestRevokingAgain: what a token wrote while it was revoked ends when it is revoked again.
func TestRevokingAgain(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	token, _, err := r.CreateAccessToken(t.Context(), tester, "acme", ledger.AccessTokenInput{Permissions: []bursar.Permission{bursar.PermissionRead, bursar.PermissionManage}, TTLSeconds: 600})
	r.must(err)
	revoke := func() uint64 {
		_, version, err := r.RevokeAccessToken(t.Context(), tester, "acme", token.ID)
		r.must(err)
		return version
	}
	revoke()
	by := tester
	by.Token = &token
	_, _, err = r.PutNotifications(t.Context(), by, "acme", someNotifications("o", 1, "a@x.example", 50))
	r.must(err)
	ended := revoke()
	if list, _, err := r.Notifications(t.Context(), ledger.ReadOptions{}, "acme"); err != nil || len(list) > 0 {
		t.Errorf("there are %v, %v", list, err)
	}
	if again := revoke(); again != ended {
		t.Errorf("revoking once more wrote version %d after %d", again, ended)
	}
}
