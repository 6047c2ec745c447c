package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// meddled is a store in which something happens between the deciding of a customer's commit
// and its being written, once.
type meddled struct {
	store.Store
	before  atomic.Pointer[func()]
	appends atomic.Int64 // of the customer "acme"
	refused atomic.Int64 // of these, as decided with an old catalogue
}

func (s *meddled) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	if commits[0].Stream != "acme" {
		return s.Store.Append(ctx, commits, again)
	}
	if f := s.before.Swap(nil); f != nil {
		(*f)()
	}
	out, err := s.Store.Append(ctx, commits, again)
	s.appends.Add(1)
	for _, o := range out {
		if o == store.OldCatalogue {
			s.refused.Add(1)
		}
	}
	return out, err
}

// A revoked token and a reply that is kept are nothing that customers' writes wait for or are
// decided again for: not on one node, nor on several. A change of the catalogue is.
func TestWritesGoOnBesideRevocations(t *testing.T) {
	for name, open := range map[string]func() store.Store{"one node": func() store.Store { return sqliteIn(t) }, "several": func() store.Store { return shared() }} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := &meddled{Store: open()}
			r := newRig(t, s, quiet)
			defer r.close()
			other := r
			if name == "several" {
				other = newRig(t, s.Store, quiet)
				defer other.close()
			}
			r.furnish("acme", "globex")
			token, _, err := r.CreateAccessToken(ctx, tester, "globex", ledger.AccessTokenInput{Permissions: []bursar.Permission{bursar.PermissionRead}, TTLSeconds: 600})
			r.must(err)
			revoked := make(chan error, 1)
			f := func() {
				go func() { // it is audited in the customer, which may wait for the write that it is in the way of
					_, _, err := other.RevokeAccessToken(ctx, tester, "globex", token.ID)
					revoked <- err
				}()
				eventually(t, "the token is revoked", func() bool { return other.Catalogue().TokenRevoked(token.ID) })
			}
			s.before.Store(&f)
			s.appends.Store(0)
			res, err := r.consume("acme", 1, "beside") // the first, with which the feature is in use
			r.must(err)
			if n, refused := s.appends.Load(), s.refused.Load(); n != 1 || refused != 0 || res.Duplicate {
				t.Errorf("the write was decided %d times, %d times with an old catalogue: %+v", n, refused, res)
			}
			r.must(<-revoked)
			r.must(r.Newest(ctx))
			if !r.Catalogue().TokenRevoked(token.ID) {
				t.Error("the token works")
			}
			if name == "several" {
				g := func() {
					_, err := other.CreateFeature(ctx, tester, bursar.Feature{ID: "new", DisplayName: "New"})
					other.must(err)
				}
				s.before.Store(&g)
				_, err = r.consume("acme", 1, "changed")
				r.must(err)
				if s.refused.Load() != 1 {
					t.Errorf("%d writes were decided again for a catalogue that changed", s.refused.Load())
				}
			}
		})
	}
}

// A start reads each revocation once, however many there are, and those that have ended leave
// memory. How long a start takes is printed.
func TestRevocationsAreReadOnceAndEnd(t *testing.T) {
	const many = 20_000
	r := newRig(t, sqliteIn(t), engine.Options{})
	defer func() { r.close() }()
	revoke := func(n int) {
		t.Helper()
		now := bursar.Time(r.now.Load())
		r.close()
		r.must(engine.Revoke(t.Context(), r.store, n, now, now+bursar.Time(time.Hour)))
		began := time.Now()
		r.open()
		t.Logf("%d revocations more: a start takes %v; %d are known, and to be rid of ended ones %d were looked at",
			n, time.Since(began), engine.RevokedCount(r.Engine), engine.RevokedLooks(r.Engine))
	}
	revoke(many / 10)
	revoke(many - many/10)
	if n, looked := engine.RevokedCount(r.Engine), engine.RevokedLooks(r.Engine); n != many || looked > 2*many {
		t.Errorf("%d are known, and %d were looked at", n, looked)
	}
	r.advance(24 * time.Hour)
	revoke(many + many/2)
	if n := engine.RevokedCount(r.Engine); n > many+many/2 {
		t.Errorf("%d that have ended are still there", n-many-many/2)
	}
}
