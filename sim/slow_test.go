package sim

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// slow is a request that, if it asks the store for a fact, gets it late: first other
// requests are answered, checkpoints saved, customers let go. What it is then decided on
// has changed, and to the model it comes after them.
type slow struct {
	Customer  string
	Late      action
	Meanwhile []action
}

func (a slow) run(w *world) (difference string) {
	all, asked := w.ctx, false
	w.ctx = context.WithValue(all, whileAsking{}, func() {
		if asked {
			return
		}
		asked = true
		late, node := w.ctx, w.engine
		w.ctx = all
		for i, x := range a.Meanwhile {
			w.engine = w.engines[i%len(w.engines)]
			if difference == "" {
				difference = w.perform(x)
			}
		}
		w.ctx, w.engine = late, node
	})
	late := a.Late.run(w)
	w.ctx = all
	if difference = first(difference, late); asked {
		return difference
	}
	for _, x := range a.Meanwhile {
		if difference == "" {
			difference = first(w.compareMessages(), w.perform(x))
		}
	}
	return difference
}

// save has what changed in a customer saved.
type save struct{ Customer string }

func (a save) run(w *world) string {
	for _, e := range w.engines {
		if err := e.Save(w.ctx, a.Customer); err != nil && !errors.Is(err, store.ErrSuperseded) {
			return "saving: " + err.Error()
		}
	}
	return ""
}

// unload has a customer leave memory.
type unload struct{ Customer string }

func (a unload) run(w *world) string {
	for _, e := range w.engines {
		if _, err := e.Unload(w.ctx, a.Customer); err != nil {
			return "unloading: " + err.Error()
		}
	}
	return ""
}

func genSave(g *gen) action   { return save{g.customer()} }
func genUnload(g *gen) action { return unload{g.customer()} }

// genSlow makes a request about something old, for which the store is asked: mostly the
// end of a reservation that has ended. It, or one like it, is often sent again meanwhile,
// saved and let go.
func genSlow(g *gen) action {
	id := g.customer()
	a := slow{Customer: id, Late: g.late(id)}
	for range 1 + g.r.IntN(3) {
		switch g.r.IntN(6) {
		case 0, 1:
			a.Meanwhile = append(a.Meanwhile, a.Late)
		case 2:
			a.Meanwhile = append(a.Meanwhile, g.late(id))
		case 3:
			a.Meanwhile = append(a.Meanwhile, g.simple())
		}
		if chance(g.r, 2) {
			a.Meanwhile = append(a.Meanwhile, save{id})
		} else if chance(g.r, 2) {
			a.Meanwhile = append(a.Meanwhile, unload{id})
		}
	}
	return a
}

// simple is any action that waits for nothing on purpose.
func (g *gen) simple() action {
	for {
		a := g.any()
		if _, waits := a.(slow); !waits {
			return a
		}
	}
}

func (g *gen) late(id string) action {
	ref, h := g.lapsedHold(id)
	switch n := g.r.IntN(20); {
	case n < 10 && h != nil && h.call != nil:
		return commitCall{id, ref, g.usedBy(h), "", chance(g.r, 8), nil}
	case n < 8:
		a := commitHold{id, ref, g.amount()}
		if h != nil && !chance(g.r, 4) {
			a.Amount = h.Amount
		}
		return a
	case n < 10:
		return releaseHold{id, ref}
	case n < 11:
		return extendHold{id, ref, 60}
	}
	if item := g.again(id); item != nil {
		switch {
		case item.usage != nil && item.usage.FeatureID != "":
			return reportUsage{[]bursar.UsageInput{*item.usage}}
		case item.consume != nil:
			return consume{id, *item.consume}
		}
	}
	return reportUsage{[]bursar.UsageInput{g.usageItem(id, nil)}}
}

// lapsedHold names a reservation that ended some time ago, if one is soon found.
func (g *gen) lapsedHold(id string) (holdRef, *mHold) {
	c := g.known(id)
	for range 8 {
		if len(c.holds) == 0 {
			break
		}
		if h := pick(g.r, c.holds[max(0, len(c.holds)-200):]); h.Status == bursar.HoldExpired {
			return h.ref, h
		}
	}
	return g.someHold(id)
}
