package sim

import (
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

// recentCall is an event that was reserved or consumed.
type recentCall struct {
	customer string
	in       bursar.SpendInput
}

// namedCall is the id of a call that came.
type namedCall struct{ customer, event, id string }

// callID is the id of a call of an event, often none: a new one, or one that came before and
// is remembered, among them keys of reservations.
func (g *gen) callID(customer, event string) string {
	if !chance(g.r, 3) {
		return ""
	}
	if c := g.m.customers[customer]; c != nil && len(g.named) > 0 && chance(g.r, 2) {
		for range 8 {
			x := pick(g.r, g.named)
			if x.customer == customer && x.event == event && g.remembered(c, keyID{"call " + event, x.id}) && g.remembered(c, keyID{"event " + event, x.id}) {
				return x.id
			}
		}
	}
	x := namedCall{customer, event, g.key()}
	g.named = append(g.named[max(0, len(g.named)-60):], x)
	return x.id
}

// remembered: what is known under a key is so in the engine, too.
func (g *gen) remembered(c *mCust, id keyID) bool {
	k, known := c.keys[id]
	return !known || g.time(c) < k.at+bursar.Time(23*time.Hour)
}

// properties are an event's: its labels, and how much it uses.
func (g *gen) properties(c *mCust) []bursar.Dimension {
	dims := slices.DeleteFunc(g.dims(c), func(d bursar.Dimension) bool { return d.Key == "tier" })
	if !chance(g.r, 60) {
		dims = append(dims, g.measure())
	}
	if !chance(g.r, 60) {
		dims = append(dims, bursar.Dimension{Key: "who", Value: pick(g.r, []string{"p1", "p2", "p3", "p4"})})
	}
	if !chance(g.r, 4) {
		dims = append(dims, g.output(), g.input(), g.thinking())
	}
	if chance(g.r, 10) {
		dims = append(dims, bursar.Dimension{Key: "tokens.odd", Value: pick(g.r, []string{"0", "1"}), Kind: bursar.DimNumber})
	}
	if key := pick(g.r, []string{"agentId", "userId", "teamId"}); chance(g.r, 25) && !slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return d.Key == key }) {
		dims = append(dims, bursar.Dimension{Key: key, Value: "7", Kind: bursar.DimNumber})
	}
	return append(dims, bursar.Dimension{Key: "status", Value: pick(g.r, []string{"ok", "ok", "bad", "/v1/x"})})
}

// output is how many tokens a call had, or may have.
func (g *gen) output() bursar.Dimension {
	return bursar.Dimension{Key: "tokens.output", Value: pick(g.r, []string{"0", "3", "17", "40.5", "170", "900"}), Kind: bursar.DimNumber}
}

// thinking is how many of them it thought, beside the output.
func (g *gen) thinking() bursar.Dimension {
	return bursar.Dimension{Key: "tokens.reasoning", Value: pick(g.r, []string{"0", "0", "8", "120.25", "700"}), Kind: bursar.DimNumber}
}

// input is how many tokens of input it had.
func (g *gen) input() bursar.Dimension {
	return bursar.Dimension{Key: "tokens.input", Value: pick(g.r, []string{"0", "5", "61.5", "300"}), Kind: bursar.DimNumber}
}

// measure is what the meters of sums read; at times it is below 0, or no number.
func (g *gen) measure() bursar.Dimension {
	if chance(g.r, 60) {
		return bursar.Dimension{Key: "n", Value: "many"}
	}
	n := parse(pick(g.r, []string{"0", "1", "2", "3", "7.5", "10", "100", "0.000000001"}))
	if chance(g.r, 60) {
		n = n.Neg()
	}
	return bursar.Dimension{Key: "n", Value: n.String(), Kind: bursar.DimNumber}
}

func (g *gen) call(id string) bursar.SpendInput {
	if chance(g.r, 8) {
		if in := g.againCall(id); in != nil {
			return *in
		}
	}
	in := bursar.SpendInput{EventName: pick(g.r, eventNames), Dimensions: g.properties(g.known(id)), IdempotencyKey: g.key(), Strict: chance(g.r, 15)}
	if chance(g.r, 100) {
		in.EventName = "unheard"
	}
	in.CallID = g.callID(id, in.EventName)
	g.calls = append(g.calls[max(0, len(g.calls)-100):], recentCall{id, in})
	return in
}

// againCall is an event that comes again, perhaps with other content, or to be done
// otherwise than before.
func (g *gen) againCall(id string) *bursar.SpendInput {
	c := g.m.customers[id]
	for range 5 {
		if len(g.calls) == 0 || c == nil {
			return nil
		}
		x := pick(g.r, g.calls)
		old, stored := c.keys[keyID{"event " + x.in.EventName, x.in.IdempotencyKey}]
		if x.customer != id || !stored || g.time(c) >= old.at+bursar.Time(23*time.Hour) {
			continue
		}
		in := x.in
		in.Dimensions = slices.Clone(in.Dimensions)
		slices.Reverse(in.Dimensions)
		if chance(g.r, 6) {
			in.Dimensions = append(in.Dimensions, bursar.Dimension{Key: "more", Value: "1"})
		}
		return &in
	}
	return nil
}

func genReserveCall(g *gen) action {
	id := g.customer()
	in := g.call(id)
	g.named = append(g.named[max(0, len(g.named)-60):], namedCall{id, in.EventName, in.IdempotencyKey})
	if last := &g.calls[len(g.calls)-1]; chance(g.r, 3) && last.in.IdempotencyKey == in.IdempotencyKey && in.Percentile == 0 && in.EventName != "ask" {
		in.Dimensions = slices.DeleteFunc(slices.Clone(in.Dimensions), func(d bursar.Dimension) bool { return d.Key == "tokens.output" || d.Key == "tokens.reasoning" })
		if in.Percentile = 50 + g.r.IntN(50); !chance(g.r, 4) {
			in.MostSaid = true
			in.Dimensions = append(in.Dimensions, g.output())
		}
		last.in = in
	}
	if chance(g.r, 3) {
		in.Bounded = []string{"tokens.reasoning"}
		in.Dimensions = slices.DeleteFunc(slices.Clone(in.Dimensions), func(d bursar.Dimension) bool {
			return slices.Contains(in.Bounded, d.Key) && chance(g.r, 2)
		})
	}
	in.SaidInput, in.SaidOutput = chance(g.r, 3), chance(g.r, 3)
	a := reserveCall{id, in, pick(g.r, ttls), pick(g.r, []bursar.OnExpire{bursar.ExpireRelease, bursar.ExpireSettle})}
	if chance(g.r, 150) {
		a.TTL = pick(g.r, badTTLs)
	}
	return a
}

func genConsumeCall(g *gen) action {
	id := g.customer()
	a := consumeCall{id, g.call(id)}
	if chance(g.r, 8) {
		a.In.Dimensions, a.In.Unread = g.smell(a.In.Dimensions)
	}
	return a
}

// usedBy is what the event of a reservation was: as before, or something else.
func (g *gen) usedBy(h *mHold) []bursar.Dimension {
	var dims []bursar.Dimension
	switch {
	case h.Event.Used != nil && !h.Event.Estimated && !chance(g.r, 4):
		dims = slices.Clone(h.Event.Properties) // as it was committed
	case chance(g.r, 4):
		dims = slices.Clone(h.call.props) // just what was expected
	case chance(g.r, 10):
		dims = g.properties(g.known(h.CustomerID)) // for somebody else
	default:
		dims = []bursar.Dimension{g.measure()}
		if !chance(g.r, 3) {
			dims = append(dims, g.output(), g.input(), g.thinking())
		}
		if chance(g.r, 3) {
			dims = append(dims, bursar.Dimension{Key: "who", Value: "p9"})
		}
		if chance(g.r, 4) {
			dims = append(dims, bursar.Dimension{Key: "model", Value: pick(g.r, plainDims["model"])})
		}
	}
	return dims
}

// someCall names a reservation of an event, if one is soon found.
func (g *gen) someCall(id string) (holdRef, *mHold) {
	for range 8 {
		if ref, h := g.someHold(id); h != nil && h.call != nil {
			return ref, h
		}
	}
	return g.someHold(id)
}

func genCommitCall(g *gen) action {
	if again := g.illegible; again != nil && chance(g.r, 6) && g.now < g.illegibleAt+bursar.Time(20*time.Hour) {
		return *again
	}
	id := g.customer()
	ref, h := g.someCall(id)
	if h == nil || h.call == nil {
		return commitCall{id, ref, []bursar.Dimension{g.measure()}, "", chance(g.r, 8), nil}
	}
	a := commitCall{id, ref, g.usedBy(h), g.callID(id, h.Event.Name), chance(g.r, 6), nil}
	if a.Illegible {
		if a.Dims, a.Unread = g.smell(g.unread(a.Dims)); g.keptLong(h) {
			a.Unread = nil
		}
		g.illegible, g.illegibleAt = &a, g.now
	}
	return a
}

// unread is what is left of dims where next to nothing could be read.
func (g *gen) unread(dims []bursar.Dimension) []bursar.Dimension {
	out := slices.Clone(dims)
	for i := range out {
		if out[i].Kind == bursar.DimNumber && !chance(g.r, 12) {
			out[i].Value = "0"
		}
	}
	return out
}

func genRaiseCall(g *gen) action {
	id := g.customer()
	ref, h := g.someCall(id)
	n := pick(g.r, []string{"1", "2", "7.5", "10", "100", "0.000000001"})
	a := raiseCall{id, ref, []bursar.Dimension{{Key: "n", Value: n, Kind: bursar.DimNumber}}, 0}
	if h != nil && h.call != nil && h.Event.Name == "ask" {
		a.More = []bursar.Dimension{{Key: pick(g.r, []string{"tokens.output", "tokens.reasoning"}), Value: n, Kind: bursar.DimNumber}}
	}
	if chance(g.r, 4) {
		a.More = append(a.More, bursar.Dimension{Key: "tokens.odd", Value: "2", Kind: bursar.DimNumber})
	}
	if chance(g.r, 4) && (h == nil || g.now < h.CreatedAt+holdLife-bursar.Time(24*time.Hour)) {
		a.TTL = pick(g.r, ttls)
	}
	return a
}

// endByEvent makes event number i of a report one that ends a reservation: by its name, or
// with its key.
func (g *gen) endByEvent(a *reportEvents, i int) {
	x := &a.In[i]
	ref, h := g.someCall(x.CustomerID)
	if h == nil {
		return
	}
	if h.call != nil && !chance(g.r, 20) {
		x.EventName, x.Dimensions, x.CallID = h.Event.Name, g.usedBy(h), g.callID(x.CustomerID, h.Event.Name)
	}
	if x.Illegible = chance(g.r, 6); x.Illegible {
		if x.Dimensions, x.Unread = g.smell(g.unread(x.Dimensions)); h.call != nil && g.keptLong(h) {
			x.Unread = nil
		}
	} else {
		x.Unread = nil
	}
	if x.Derived, x.Unruled = nil, nil; !x.Illegible && chance(g.r, 4) {
		g.byRule(x)
	}
	c := g.known(x.CustomerID)
	if h.call != nil && chance(g.r, 3) && g.time(c) < h.CreatedAt+bursar.Time(23*time.Hour) {
		if x.EventName != h.Event.Name {
			x.CallID = ""
		}
		x.EventName, x.IdempotencyKey = h.Event.Name, h.ref.Key
		if chance(g.r, 2) {
			return
		}
	}
	if a.Of == nil {
		a.Of = map[int]holdRef{}
	}
	a.Of[i] = ref
}
