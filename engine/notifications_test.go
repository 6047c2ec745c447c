package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
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

// TestMovedNotificationsTakeNoPlace: a notification whose entity was moved away from the root that it was made below is
// not seen there, and takes no place there.
func TestMovedNotificationsTakeNoPlace(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	_, _, err := r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "r", EntityTypeID: "user", ParentID: bursar.Some("o")}, {ID: "c", EntityTypeID: "user", ParentID: bursar.Some("r")}})
	r.must(err)
	by := tester
	by.Token = &bursar.AccessToken{CustomerID: "acme", RootEntityID: "r"}
	_, _, err = r.PutNotifications(t.Context(), by, "acme", someNotifications("c", bursar.MaxRootNotifications, "a@x.example", 1))
	r.must(err)
	_, _, err = r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "c", ParentID: bursar.Some("o")}})
	r.must(err)
	for _, most := range []int{bursar.MaxRootNotifications, 0} {
		_, _, err = r.PutNotifications(t.Context(), by, "acme", someNotifications("r", bursar.MaxRootNotifications-most+1, "a@x.example", 2))
		if most > 0 {
			r.must(err)
		} else if err == nil || !strings.Contains(err.Error(), "at most 10 notifications") {
			t.Errorf("one more than may be: %v", err)
		}
	}
}

// listeners makes users below o, each with a limit of 100 tokens a year, and who listens to them.
func (r *rig) listeners(users, listen int) {
	r.t.Helper()
	r.furnish("acme")
	var entities []bursar.EntityInput
	var limits []bursar.AssignmentInput
	for i := range users {
		id := fmt.Sprint("u", i)
		entities = append(entities, bursar.EntityInput{ID: id, EntityTypeID: "user", ParentID: bursar.Some("o")})
		limits = append(limits, bursar.AssignmentInput{EntityID: id, Capability: capability("tokens"), UsageLimit: bursar.Some(amount("100")), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})})
	}
	_, _, err := r.PutEntities(r.t.Context(), tester, "acme", entities)
	r.must(err)
	_, _, err = r.PutAssignments(r.t.Context(), tester, "acme", limits)
	r.must(err)
	r.listen(listen)
}

// listen makes notifications at 80 % of what is below o, of one address each.
func (r *rig) listen(n int) {
	r.t.Helper()
	in := someNotifications("o", n, "", 80)
	for i := range in {
		in[i].Emails = []string{fmt.Sprintf("a%d@x.example", i)}
	}
	_, _, err := r.PutNotifications(r.t.Context(), tester, "acme", in)
	r.must(err)
}

// eachUses reports usage of each user in one request.
func (r *rig) eachUses(users int, each string) (version uint64) {
	r.t.Helper()
	var in []bursar.UsageInput
	for i := range users {
		in = append(in, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: amount(each), Dimensions: dims("user", fmt.Sprint("u", i))})
	}
	_, versions, err := r.ReportUsage(r.t.Context(), tester, in)
	r.must(err)
	return versions["acme"]
}

// toldByLimit counts the messages to people by the limit, and by the commit they are of.
func (r *rig) toldByLimit() (byLimit map[string]int, byCommit map[string]int) {
	r.t.Helper()
	due, err := r.store.DueDeliveries(r.t.Context(), 1<<62, func(string) int { return 0 })
	r.must(err)
	byLimit, byCommit = map[string]int{}, map[string]int{}
	for _, d := range due {
		var m struct{ Data struct{ AssignmentID string } }
		r.must(json.Unmarshal(d.Body, &m))
		byLimit[m.Data.AssignmentID]++
		byCommit[d.MessageID[:len("01234567-89ab-7012")]]++
	}
	return byLimit, byCommit
}

// TestManyLimitsAtOnce: a request that takes very many limits over what is listened for makes a bounded number of messages.
// Those of the limits beyond follow by themselves, each commit again with a bounded number: also where the limits only deny
// from then on, and where the customer left memory meanwhile.
func TestManyLimitsAtOnce(t *testing.T) {
	const users, listen = 150, 20
	for name, meanwhile := range map[string]func(*rig){
		"nothing happens": func(*rig) {},
		"each is denied": func(r *rig) {
			for i := range 3 * users {
				_, _, err := r.Consume(t.Context(), tester, "acme", bursar.SpendInput{Capability: capability("tokens"), Amount: amount("1"), Dimensions: dims("user", fmt.Sprint("u", i%users)), IdempotencyKey: fmt.Sprint(i)})
				if err == nil {
					t.Error("what is used up was granted")
				}
			}
		},
		"the customer leaves memory": func(r *rig) {
			r.must(engine.Save(r.Engine, "acme"))
			r.Forget("acme")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mem.New(), engine.Options{})
			defer r.close()
			r.listeners(users, listen)
			r.eachUses(users, "45")
			if n, _ := r.toldByLimit(); len(n) != 0 {
				t.Fatalf("%d limits at 45 %% are told of", len(n))
			}
			r.eachUses(users, "55")
			r.must(r.VerifyAll(t.Context())) // with what is owed
			meanwhile(r)
			byLimit, byCommit := r.toldByLimit()
			for len(byLimit) < users || slices.Min(slices.Collect(maps.Values(byLimit))) < listen {
				_, _, err := r.Notifications(t.Context(), ledger.ReadOptions{}, "acme") // which opens the customer
				r.must(err)
				engine.Housekeep(r.Engine)
				byLimit, byCommit = r.toldByLimit()
			}
			for limit, n := range byLimit {
				if n != listen {
					t.Errorf("%d messages of the limit %s", n, limit)
				}
			}
			for at, n := range byCommit {
				if n > bursar.MaxToldAtOnce {
					t.Errorf("%d messages of the commit at %s", n, at)
				}
			}
			r.eachUses(users, "1")
			r.must(r.Tick("acme"))
			if again, _ := r.toldByLimit(); !maps.Equal(again, byLimit) {
				t.Error("limits are told of again")
			}
		})
	}
}

// TestReadsTellNobody: what people are owed is nothing that time has done, which is recorded before a backtest or a
// statement. So these do not wait until all is told.
func TestReadsTellNobody(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.listeners(150, 20)
	version := r.eachUses(150, "85")
	then := ledger.NewState() // as it was before anything else was told
	r.must(r.store.ReadLog(t.Context(), "acme", 0, int(version), func(row store.LogRow) error { return then.Fold("acme", &row) }))
	if then.Due() == 0 || then.Ends() != 0 {
		t.Errorf("a commit is due at %s, time ends something at %s", then.Due(), then.Ends())
	}
	for _, alone := range []bool{true, false} {
		d := &ledger.Decider{View: ledger.NewView(then, then.Head.Now), Cat: r.Catalogue()}
		if more, err := (ledger.TickOp{TimeAlone: alone}).Decide(d); err != nil || more == alone || (len(d.Recs) == 0) != alone {
			t.Errorf("time alone %v: %d records, more %v, %v", alone, len(d.Recs), more, err)
		}
	}
}

// TestManyLimitsRearm: what is not reached any more is told of again when it is, also where the commit that took the
// limit below tells of very much else.
func TestManyLimitsRearm(t *testing.T) {
	const listen = 20
	users := bursar.MaxToldAtOnce/listen + 1
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.listeners(users, listen)
	limits := func(those, last string) {
		var in []bursar.AssignmentInput
		for i := range users {
			most := those
			if i == users-1 {
				most = last
			}
			in = append(in, bursar.AssignmentInput{EntityID: fmt.Sprint("u", i), Capability: capability("tokens"), UsageLimit: bursar.Some(amount(most))})
		}
		_, _, err := r.PutAssignments(t.Context(), tester, "acme", in)
		r.must(err)
	}
	limits("1000", "100")
	r.eachUses(users, "90") // which only the last limit is told of
	limits("100", "1000")
	limits("100", "100")
	byLimit, _ := r.toldByLimit()
	twice := 0
	for _, n := range byLimit {
		if n == 2*listen { // the last one
			twice++
		}
	}
	if len(byLimit) != users || twice != 1 {
		t.Errorf("%d limits are told of, %d of them twice", len(byLimit), twice)
	}
}

// TestOwedEnds: what nobody is to hear of any more is owed no longer, so that no commit is made for it again and again.
func TestOwedEnds(t *testing.T) {
	const users, listen = 60, 20
	for name, meanwhile := range map[string]func(*rig) error{
		"nobody listens": func(r *rig) error {
			list, _, err := r.Notifications(t.Context(), ledger.ReadOptions{}, "acme")
			for _, n := range list {
				_, _, err = r.DeleteNotification(t.Context(), tester, "acme", n.ID)
			}
			return err
		},
		"no default limits": func(r *rig) error {
			list, _, err := r.Defaults(t.Context(), ledger.ReadOptions{}, "acme")
			if err == nil {
				_, _, err = r.DeleteDefault(t.Context(), tester, "acme", list[0].ID)
			}
			return err
		},
		"the window is over": func(r *rig) error {
			r.now.Add(int64(40 * 24 * time.Hour))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mem.New(), engine.Options{})
			defer r.close()
			r.crowd("acme", users, 1000)
			r.listen(listen)
			r.eachUses(users, "4") // of the default's 5
			r.must(meanwhile(r))
			r.must(r.Tick("acme"))
			ended := r.version("acme")
			r.must(r.Tick("acme"))
			if n := r.version("acme"); n != ended {
				t.Errorf("the version %d follows %d", n, ended)
			}
			r.must(engine.Save(r.Engine, "acme"))
			if due, err := r.store.Due(t.Context(), r.Now(), 10); err != nil || len(due) > 0 {
				t.Errorf("due are %v, %v", due, err)
			}
		})
	}
}

// TestListeningCostsUsageLittle: usage that nobody is told of, as it reaches nothing or nothing that is new, looks at no notification.
func TestListeningCostsUsageLittle(t *testing.T) {
	const users = 100
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.listeners(users, bursar.MaxNotifications)
	by := tester
	by.Token = &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}
	_, _, err := r.PutNotifications(t.Context(), by, "acme", someNotifications("o", bursar.MaxRootNotifications, "b@x.example", 85))
	r.must(err)
	for _, c := range []struct{ what, first, then string }{{"below all percentages", "0", "50"}, {"above one of which people were told", "32", "1"}} {
		if c.first != "0" {
			r.eachUses(users, c.first)
			for range users * bursar.MaxNotifications / bursar.MaxToldAtOnce {
				r.must(r.Tick("acme"))
			}
		}
		engine.ForgetVisits(r.Engine)
		r.eachUses(users, c.then)
		if _, visits, _ := engine.MostVisited(r.Engine); visits > 2*users*(bursar.MaxRootNotifications+5) { // of the user and the org
			t.Errorf("%s, %d usages look at %d things", c.what, users, visits)
		}
	}
}

// TestWhoTellsAnAddress: that access tokens name an address, however near a limit, takes nothing from what those tell who may more; and
// what those with a root are told says nothing of who else hears.
func TestWhoTellsAnAddress(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.listeners(1, 1)
	var made []string // by who may least, first
	for _, c := range []struct {
		of    string
		token *bursar.AccessToken
	}{{"u0", &bursar.AccessToken{CustomerID: "acme", RootEntityID: "u0"}}, {"u0", &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}}, {"o", &bursar.AccessToken{CustomerID: "acme"}}, {"", nil}} {
		by := tester
		by.Token = c.token
		list, _, err := r.PutNotifications(t.Context(), by, "acme", someNotifications(c.of, 1, "a@x.example", 90))
		r.must(err)
		made = append(made, list[0].ID)
	}
	last := len(made) - 1
	r.eachUses(1, "95")
	for ; last >= 0; last-- {
		due, err := r.store.DueDeliveries(t.Context(), 1<<62, func(string) int { return 0 })
		r.must(err)
		tells := map[string]int{}
		for _, d := range due {
			if by, to := catalogue.Recipient(d.EndpointID, d.Body); to == "mailto:a@x.example" {
				tells[by.ID]++
			}
		}
		for i, id := range made {
			if rooted := i < 2; (tells[id] > 0) != (rooted || i >= last) {
				t.Errorf("with %d of 4 notifications, number %d made %d messages", last+1, i+1, tells[id])
			}
		}
		_, _, err = r.DeleteNotification(t.Context(), tester, "acme", made[last])
		r.must(err)
		for _, limit := range []int64{1000, 100} { // so that it is told of again
			_, _, err = r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u0", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(limit))}})
			r.must(err)
		}
	}
}

// TestSlackURLsInOtherCapitals: URLs of Slack that differ in capitals are others, also for who names new ones.
func TestSlackURLsInOtherCapitals(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	by := tester
	by.Token = &bursar.AccessToken{CustomerID: "acme"}
	for i := range bursar.MaxNewRecipients + 1 {
		path := []byte("abcde")
		for bit := range path {
			if i>>bit&1 == 1 {
				path[bit] -= 'a' - 'A'
			}
		}
		in := []bursar.NotificationInput{{EntityID: "o", Name: fmt.Sprint(i), SlackURLs: []string{"https://hooks.slack.com/services/" + string(path)}, Denials: true}}
		if _, _, err := r.PutNotifications(t.Context(), by, "acme", in); (err == nil) != (i < bursar.MaxNewRecipients) {
			t.Errorf("the URL %d: %v", i+1, err)
		}
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
