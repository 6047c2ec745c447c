package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// A type is in use while any customer has a live entity of it, in memory or not; a
// currency while any limit is about it.
func TestInUseAcrossCustomers(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ctx := context.Background()
		r := newRig(t, s, engine.Options{MemoryBudget: 1})
		defer func() { r.close() }()
		customers := names(3)
		r.furnish(customers...)
		r.furnish("other")
		gone := func() {
			eventually(t, "nobody is in memory", func() bool { return r.Stats().ResidentCustomers == 0 })
		}
		inUse := func(what string) {
			t.Helper()
			if err := r.ArchiveEntityTypes(ctx, tester, []string{"org", "user"}, true); codeOf(err) != bursar.CodeEntityTypeInUse {
				t.Errorf("%s: archiving types in use: %v", what, err)
			}
			if _, err := r.ArchiveCurrency(ctx, tester, "credits", true); codeOf(err) != bursar.CodeCurrencyInUse {
				t.Errorf("%s: archiving a currency in use: %v", what, err)
			}
			if r.Catalogue().EntityType("org").ArchivedAt != nil || r.Catalogue().Currency("credits").ArchivedAt != nil {
				t.Fatalf("%s: archived all the same", what)
			}
		}
		gone()
		inUse("out of memory")
		r.close()
		r.open()
		inUse("after a restart")
		users, err := r.CurrencyUsers(ctx, "credits")
		if err != nil || len(users) != 4 || users[0].Type != "Assignment" {
			t.Errorf("users of the currency: %+v, %v", users, err)
		}
		for i, c := range append(customers, "other") {
			inUse("by " + c)
			_, err := r.ArchiveEntities(ctx, tester, c, []string{"o", "u"}, true)
			r.must(err)
			_, _, err = r.DeleteAssignment(ctx, tester, c, users[i].ID)
			if codeOf(err) == bursar.CodeAssignmentNotFound { // users come in no order
				for _, u := range users {
					_, _, _ = r.DeleteAssignment(ctx, tester, c, u.ID)
				}
			}
			gone()
		}
		r.must(r.ArchiveEntityTypes(ctx, tester, []string{"org", "user"}, true))
		_, err = r.ArchiveCurrency(ctx, tester, "credits", true)
		r.must(err)
		if users, err := r.CurrencyUsers(ctx, "credits"); err != nil || len(users) != 0 {
			t.Errorf("users of an unused currency: %+v, %v", users, err)
		}
	})
}

// Using and archiving at once: one of them wins, and both agree who.
func TestUseRacesArchive(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	_, err := r.PutEntityTypes(ctx, tester, []catalogue.EntityTypeInput{{ID: "robot", DisplayName: "Robot", AttributionKeys: []string{"robot"}}})
	r.must(err)
	for range 100 {
		used := make(chan error, 1)
		go func() {
			_, _, err := r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "r2", EntityTypeID: "robot"}})
			used <- err
		}()
		archived := r.ArchiveEntityTypes(ctx, tester, []string{"robot"}, true)
		put := <-used
		if (archived == nil) == (put == nil) {
			t.Fatalf("archive: %v, put: %v", archived, put)
		}
		if archived == nil && codeOf(put) != bursar.CodeEntityTypeArchived || put == nil && codeOf(archived) != bursar.CodeEntityTypeInUse {
			t.Fatalf("archive: %v, put: %v", archived, put)
		}
		if put == nil {
			_, err := r.ArchiveEntities(ctx, tester, "acme", []string{"r2"}, true)
			r.must(err)
		} else {
			r.must(r.ArchiveEntityTypes(ctx, tester, []string{"robot"}, false))
		}
	}
}

// The last full key that works cannot be revoked. A key that has expired does not work.
func TestLastFullKey(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	r := newRig(t, s, quiet)
	defer func() { r.close() }()
	make := func(scope bursar.KeyScope, expires *bursar.Time) string {
		t.Helper()
		k, text, err := r.CreateAPIKey(ctx, tester, "key", scope, expires)
		r.must(err)
		if text == "" || k.ID == "" || r.Catalogue().APIKey(k.ID) == nil {
			t.Fatalf("%+v, %q", k, text)
		}
		return k.ID
	}
	revoke := func(id string, want bursar.Code) {
		t.Helper()
		if _, err := r.RevokeAPIKey(ctx, tester, id); codeOf(err) != want {
			t.Errorf("revoke: %v, want %q", err, want)
		}
	}
	soon := r.Now() + bursar.Time(time.Hour)
	first, short, runtime := make(bursar.ScopeFull, nil), make(bursar.ScopeFull, &soon), make(bursar.ScopeRuntime, nil)
	revoke("nothing", bursar.CodeAPIKeyNotFound)
	revoke(runtime, "")
	r.advance(time.Hour - 1)
	if !r.Catalogue().APIKey(short).Live(r.Now()) {
		t.Error("expired too early")
	}
	r.advance(1) // now it has expired
	revoke(first, bursar.CodeLastFullKey)
	second := make(bursar.ScopeFull, nil)
	r.close()
	r.open()
	revoke(first, "")
	revoke(first, "") // again is no matter
	revoke(second, bursar.CodeLastFullKey)
	if r.Catalogue().APIKey(first).Live(r.Now()) || !r.Catalogue().APIKey(second).Live(r.Now()) {
		t.Error("the wrong ones live")
	}
	if _, _, err := r.CreateAPIKey(ctx, tester, "late", bursar.ScopeFull, &soon); codeOf(err) != bursar.CodeValidationFailed {
		t.Errorf("a key that expires now: %v", err)
	}
}

// The secret is random for each environment and stays.
func TestSecretIsStable(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		first := r.Secret()
		r.furnish("acme")
		r.close()
		r.open()
		defer r.close()
		if r.Secret() != first || first == ([32]byte{}) {
			t.Error("the secret changed, or there is none")
		}
		other := newRig(t, mem.New(), quiet)
		defer other.close()
		if other.Secret() == first {
			t.Error("two environments have one secret")
		}
	})
}

// A write of the catalogue with an Idempotency-Key is done once, also after a restart.
func TestCatalogueWriteWithKey(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer func() { r.close() }()
	caller := func(content byte) catalogue.Caller {
		c := tester
		c.Key = &catalogue.RequestKey{Key: "k", Content: [32]byte{content}, Render: func(any) (int, []byte) { return 201, []byte("made") }}
		return c
	}
	feature := bursar.Feature{ID: "f", DisplayName: "F"}
	_, err := r.CreateFeature(ctx, caller(1), feature)
	r.must(err)
	version := r.Catalogue().Version()
	for _, restart := range []bool{false, true} {
		if restart {
			r.close()
			r.open()
		}
		_, err = r.CreateFeature(ctx, caller(1), feature)
		if p, ok := err.(*ledger.Replay); !ok || p.Status != 201 || string(p.Body) != "made" {
			t.Errorf("repeated: %v", err)
		}
		if _, err = r.CreateFeature(ctx, caller(2), feature); codeOf(err) != bursar.CodeIdempotencyKeyReused {
			t.Errorf("other content: %v", err)
		}
	}
	if r.Catalogue().Version() != version {
		t.Error("a repeat wrote something")
	}
	r.advance(24*time.Hour + 1)
	if _, err = r.CreateFeature(ctx, caller(1), feature); codeOf(err) != bursar.CodeAlreadyExists {
		t.Errorf("after a day: %v", err)
	}
}

// A test message is sent once for each key, and a commit of nothing else is read again.
func TestWebhookTestWithKey(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer func() { r.close() }()
	h, err := r.CreateWebhook(t.Context(), tester, catalogue.WebhookInput{URL: "https://example.com"})
	r.must(err)
	keyed := tester
	keyed.Key = &catalogue.RequestKey{Key: "k", Render: func(any) (int, []byte) { return 201, []byte("sent") }}
	for _, c := range []catalogue.Caller{keyed, keyed, tester, tester} {
		_, err := r.TestWebhook(t.Context(), c, h.ID)
		var again *ledger.Replay
		if errors.As(err, &again) && string(again.Body) == "sent" {
			continue
		}
		r.must(err)
	}
	r.close()
	r.open()
	list, err := r.Deliveries(t.Context(), store.DeliveryQuery{EndpointID: h.ID, Limit: 10})
	r.must(err)
	if len(list.Items) != 3 {
		t.Errorf("%d messages were sent by four requests, two of them with one key", len(list.Items))
	}
}
