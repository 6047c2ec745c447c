package bursar

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// Shares are compared as exact fractions, of amounts small and large.
func TestCompareShares(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	amount := func(least int64) Amount {
		a := AmountFromWords(int64(r.Uint64()>>(14+r.IntN(50))), r.Uint64()>>r.IntN(64))
		return MaxAmount(a, AmountFromNanos(least))
	}
	rat := func(a, of Amount) *big.Rat {
		whole := func(x Amount) *big.Int {
			hi, lo := x.Nanos()
			n := new(big.Int).Lsh(big.NewInt(hi), 64)
			return n.Add(n, new(big.Int).SetUint64(lo))
		}
		return new(big.Rat).SetFrac(whole(a), whole(of))
	}
	for range 20_000 {
		a, of, b, each := amount(0), amount(1), amount(0), amount(1)
		switch r.IntN(4) {
		case 0:
			b, each = a.Add(a), of.Add(of)
		case 1:
			b, each = a, of.Add(AmountFromNanos(1))
		}
		if got, want := CompareShares(a, of, b, each), rat(a, of).Cmp(rat(b, each)); got != want {
			t.Fatalf("%s of %s beside %s of %s: %d, not %d", a, of, b, each, got, want)
		}
	}
}

// TestWholePercent holds the percentage to exact arithmetic, also next to whole ones.
func TestWholePercent(t *testing.T) {
	whole := func(x Amount) *big.Int {
		hi, lo := x.Nanos()
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(hi), 64), new(big.Int).SetUint64(lo))
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		of := AmountFromNanos(1 + r.Int64N(1<<r.IntN(62)))
		used, _ := of.MulDiv(AmountFromInt(r.Int64N(300)), 100) // a whole percentage, but for rounding
		used = MaxAmount(Amount{}, used.Add(AmountFromNanos(r.Int64N(3)-1)))
		if r.IntN(4) == 0 {
			used = AmountFromNanos(r.Int64N(1 << 62))
		}
		want := new(big.Int).Quo(new(big.Int).Mul(whole(used), big.NewInt(100)), whole(of))
		if want.Cmp(big.NewInt(maxPercent)) > 0 {
			want.SetInt64(maxPercent)
		}
		if got := used.WholePercent(of); got != want.Int64() {
			t.Fatalf("%s of %s is %d %%, not %d", used, of, got, want)
		}
	}
	if got := AmountFromInt(5).WholePercent(Amount{}); got != 100 {
		t.Error("of 0", got)
	}
}
