package engine

import (
	"context"
	"time"

	"github.com/bursarhq/bursar/store"
)

// Names of claims. Those of customers' checkpoints are claimOfCustomer and the id.
const (
	claimSweep      = "sweep"
	claimWebhooks   = "webhooks"
	claimOfCustomer = "customer/"
)

// claims tells for each name whether this process has the claim to it, which it renews
// or takes. Where the store is this process's alone it has all.
func (e *Engine) claims(names ...string) []bool {
	mine := make([]bool, len(names))
	if e.nodes == nil {
		for i := range mine {
			mine[i] = true
		}
		return mine
	}
	now := time.Since(e.nodes.began)
	got, err := e.store.Claim(context.Background(), names, e.nodes.holder, e.o.ClaimFor)
	if err != nil {
		e.o.Log.Warn("claiming failed", "err", err)
		return mine
	}
	for i, name := range names {
		if mine[i] = got[i]; mine[i] {
			e.nodes.claimed.Store(name, now+e.o.ClaimFor)
		} else {
			e.nodes.claimed.Delete(name)
		}
	}
	return mine
}

// has tells whether this process has the claim. It asks the store, which renews or takes the
// claim, unless the claim is good for more than half of ClaimFor.
func (e *Engine) has(name string) bool {
	if e.nodes == nil {
		return true
	}
	if until, ok := e.nodes.claimed.Load(name); ok && until.(time.Duration)-time.Since(e.nodes.began) > e.o.ClaimFor/2 {
		return true
	}
	return e.claims(name)[0]
}

// releaseClaims lets other processes take over at once.
func (e *Engine) releaseClaims(ctx context.Context) {
	if e.nodes == nil {
		return
	}
	var names []string
	e.nodes.claimed.Range(func(name, _ any) bool {
		names = append(names, name.(string))
		return true
	})
	if _, err := e.store.Claim(ctx, names, e.nodes.holder, 0); err != nil {
		e.o.Log.Warn("giving up claims failed; others take over when they end", "err", err)
	}
}

// giveUp lets another process have a claim at once.
func (e *Engine) giveUp(name string) {
	if e.nodes == nil {
		return
	}
	e.nodes.claimed.Delete(name)
	if _, err := e.store.Claim(context.Background(), []string{name}, e.nodes.holder, 0); err != nil {
		e.o.Log.Warn("giving up a claim failed; others take over when it ends", "err", err)
	}
}

// saves tells whether this node saves c's checkpoints.
func (e *Engine) saves(c *customer) bool {
	if e.nodes == nil {
		return true
	}
	until, ok := e.nodes.claimed.Load(claimOfCustomer + c.id)
	return ok && until.(time.Duration) > time.Since(e.nodes.began)
}

// joinWriters makes this process one of the store's nodes.
func (e *Engine) joinWriters(ctx context.Context) (*store.Writers, error) {
	w := store.NewWriters(e.store, store.HolderNodes)
	if e.nodes == nil {
		return w, nil
	}
	e.store = store.NewClaimedStore(e.store, w)
	return w, w.May(ctx)
}
