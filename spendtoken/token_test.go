package spendtoken

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

var secret = [32]byte{1, 2, 3}

func amount(n int64) bursar.Amount { return bursar.AmountFromInt(n) }

func feature(id string) bursar.Capability {
	return bursar.Capability{Kind: bursar.KindFeature, ID: id}
}

// family is a token, one made from it and one made from that.
func family(t testing.TB) (k *Key, all [3]*Token) {
	k = NewKey(secret)
	var err error
	all[0], err = k.Make(Block{Customer: "acme", Label: "agents", Expires: 2e18, Entities: []Pin{{"agentId", "agent-7"}}, Dims: []Pin{{"env", "prod"}},
		Models: []string{"gpt-5", "gpt-5-mini"}, Only: []Name{{Feature: "calls"}, {Event: "llm"}, {Currency: "usd"}}, Caps: []Cap{{feature("calls"), amount(100)}}})
	if err == nil {
		all[1], err = all[0].Narrow(Block{Expires: 15e17, Caps: []Cap{{feature("calls"), amount(10)}, {bursar.Capability{Kind: bursar.KindCurrency, ID: "usd"}, amount(5)}}})
	}
	if err == nil {
		all[2], err = all[1].Narrow(Block{Label: "run 3", Models: []string{"gpt-5-mini"}, Only: []Name{{Event: "llm"}}, Entities: []Pin{{"userId", "ann"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return k, all
}

// TestChain: what each token of a chain says holds for all that are made from it.
func TestChain(t *testing.T) {
	k, all := family(t)
	for i, one := range all {
		got := k.Open(one.String())
		if got == nil || len(got.Blocks) != i+1 || got.Customer() != "acme" || got.ID() != one.ID() || got.String() != one.String() {
			t.Fatalf("%d: %+v", i, got)
		}
		for j := range i + 1 { // the ids of those before are those that they had
			if before := k.Open(all[j].String()); got.IDs[j] != before.ID() {
				t.Errorf("%d: its id of %d is %s, not %s", i, j, got.IDs[j], before.ID())
			}
		}
	}
	last := k.Open(all[2].String())
	if last.Expires() != 15e17 || all[0].Expires() != 2e18 {
		t.Errorf("it ends at %v", last.Expires())
	}
	for model, want := range map[string]bool{"gpt-5-mini": true, "gpt-5": false, "": false, "o9": false} {
		if last.AllowsModel(model) != want {
			t.Errorf("%q: %v", model, !want)
		}
	}
	if !all[0].AllowsModel("gpt-5") || last.Allows(Name{Feature: "calls"}) || !last.Allows(Name{Event: "llm"}) || !all[1].Allows(Name{Feature: "calls"}) || last.Allows(Name{Feature: "llm"}) {
		t.Error("what it may be used for")
	}
	again, err := all[0].Narrow(Block{})
	other, err2 := all[0].Narrow(Block{})
	if err != nil || err2 != nil || again.String() == other.String() || k.Open(again.String()).ID() == k.Open(other.String()).ID() {
		t.Error("two narrower tokens are the same one")
	}
}

// TestNarrowRefuses: a narrower token cannot say what only the first block may, nor the
// opposite of what was said.
func TestNarrowRefuses(t *testing.T) {
	k, all := family(t)
	for what, b := range map[string]Block{
		"a customer":           {Customer: "rival"},
		"a plain dimension":    {Dims: []Pin{{"tokens.output", "0"}}},
		"another agent":        {Entities: []Pin{{"agentId", "agent-8"}}},
		"a dimension's value":  {Entities: []Pin{{"env", "test"}}},
		"a cap below 0":        {Caps: []Cap{{feature("calls"), amount(-1)}}},
		"two caps of one":      {Caps: []Cap{{feature("calls"), amount(1)}, {feature("calls"), amount(2)}}},
		"no name":              {Only: []Name{{}}},
		"two names in one":     {Only: []Name{{Feature: "a", Event: "a"}}},
		"a model without name": {Models: []string{""}},
		"too many models":      {Models: slices.Repeat([]string{"m"}, MaxList+1)},
		"too much":             {Models: slices.Repeat([]string{strings.Repeat("m", 250)}, 30)},
	} {
		if got, err := all[0].Narrow(b); err == nil {
			t.Errorf("%s: %v", what, got.Blocks)
		}
	}
	if _, err := k.Make(Block{}); err == nil {
		t.Error("a token of nobody")
	}
	deep := all[0]
	for i := range MaxBlocks {
		next, err := deep.Narrow(Block{})
		if (err != nil) != (i == MaxBlocks-1) {
			t.Fatalf("block %d: %v", i+2, err)
		}
		deep = next
	}
}

// unknown is a block that says something of a kind that there is not.
func (t *Token) unknown() *Token {
	var b Block
	raw, _ := encode(&b)
	raw = append(raw, caveat(nil, 'z', "later")...)
	raw[0] = byte(len(raw) - 1)
	return &Token{raw: append(slices.Clip(t.raw), raw...), seal: sealed(t.seal[:], raw)}
}

// TestUnknownCaveat: a token that was narrowed by what this version does not know is refused,
// though its chain is genuine.
func TestUnknownCaveat(t *testing.T) {
	k, all := family(t)
	text := all[0].unknown().String()
	if k.Open(text) != nil {
		t.Error("it is opened")
	}
	if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("%v", err)
	}
}

// forge makes a text from genuine ones that none of them is.
func forge(r *rand.Rand, all [3]*Token) string {
	one := all[r.IntN(len(all))]
	b, _ := base64.RawURLEncoding.DecodeString(one.String()[len(Prefix):])
	join := func(raw []byte, seal []byte) string {
		return Prefix + base64.RawURLEncoding.EncodeToString(append(slices.Clip(raw), seal...))
	}
	block := func(i int) []byte {
		from := 0
		if i > 0 {
			from = all[2].ends[i-1]
		}
		return all[2].raw[from:all[2].ends[i]]
	}
	switch r.IntN(10) {
	case 0: // a bit
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 1: // cut off
		b = b[:r.IntN(len(b))]
	case 2: // longer
		b = append(b, byte(r.Uint32()))
	case 3: // widened: blocks taken away, the seal of the longer one kept
		return join(all[2].raw[:all[2].ends[r.IntN(2)]], all[2].seal[:])
	case 4: // the seal of another
		return join(one.raw, all[(slices.Index(all[:], one)+1+r.IntN(2))%3].seal[:])
	case 5: // in another order
		p := r.Perm(3)
		if slices.IsSorted(p) {
			p[0], p[2] = p[2], p[0]
		}
		return join(slices.Concat(block(p[0]), block(p[1]), block(p[2])), all[2].seal[:])
	case 6: // a block twice or left out
		if r.IntN(2) == 0 {
			return join(slices.Concat(block(0), block(2)), all[2].seal[:])
		}
		return join(slices.Concat(block(0), block(1), block(1), block(2)), all[2].seal[:])
	case 7: // made with a key of one's own
		var key Key
		for i := range key {
			key[i] = byte(r.Uint32())
		}
		own, _ := key.Make(Block{Customer: "acme"})
		return own.String()
	case 8: // narrowed from what is public
		next := &Token{raw: one.raw}
		copy(next.seal[:], all[0].ID())
		wide, _ := next.Narrow(Block{})
		return wide.String()
	default: // the text itself, as an editor or a URL might have it
		text := one.String()
		i := len(Prefix) + r.IntN(len(text)-len(Prefix))
		return text[:i] + string("=+/ \n.A"[r.IntN(7)]) + text[i:]
	}
	return Prefix + base64.RawURLEncoding.EncodeToString(b)
}

// TestForged: nothing that was forged, widened, cut off or put in another order is opened.
func TestForged(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5000
	}
	k, all := family(t)
	genuine := map[string]bool{}
	for _, one := range all {
		genuine[one.String()] = true
	}
	r := rand.New(rand.NewPCG(14, 20))
	for i := range n {
		if text := forge(r, all); !genuine[text] && k.Open(text) != nil {
			t.Fatalf("forgery %d is opened: %s", i, text)
		}
	}
	other := NewKey([32]byte{9})
	for text := range genuine {
		if k.Open(text) == nil || other.Open(text) != nil {
			t.Error("the genuine ones")
		}
	}
}

func FuzzParse(f *testing.F) {
	_, all := family(f)
	for _, one := range all {
		f.Add(one.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := Parse(text); err == nil && got.String() != text {
			t.Errorf("%q is read as %q", text, got.String())
		}
	})
}

// BenchmarkOpen is what telling a genuine token costs: of one block, and of three.
func BenchmarkOpen(b *testing.B) {
	k, all := family(b)
	for i, name := range []string{"1block", "2blocks", "3blocks"} {
		text := all[i].String()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if k.Open(text) == nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkNarrow is what a holder's narrowing costs.
func BenchmarkNarrow(b *testing.B) {
	_, all := family(b)
	for b.Loop() {
		if _, err := all[0].Narrow(Block{Label: "run", Expires: 1e18}); err != nil {
			b.Fatal(err)
		}
	}
}
