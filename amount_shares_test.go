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
