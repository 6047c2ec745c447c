package sim

import (
	"math/big"

	"github.com/bursarhq/bursar"
)

// num is the model's amount: nano-units without a bound. It is a value, never changed
// in place; the zero num is 0.
type num struct{ b *big.Int }

var bigZero = new(big.Int)

func (a num) big() *big.Int {
	if a.b == nil {
		return bigZero
	}
	return a.b
}

func (a num) add(b num) num     { return num{new(big.Int).Add(a.big(), b.big())} }
func (a num) sub(b num) num     { return num{new(big.Int).Sub(a.big(), b.big())} }
func (a num) neg() num          { return num{new(big.Int).Neg(a.big())} }
func (a num) cmp(b num) int     { return a.big().Cmp(b.big()) }
func (a num) sign() int         { return a.big().Sign() }
func (a num) times(n int64) num { return num{new(big.Int).Mul(a.big(), big.NewInt(n))} }
func (a num) String() string    { return a.amount().String() }

func bigHalf(a num) *big.Int { return new(big.Int).Rsh(a.big(), 1) }

// ratio is a ÷ b to the nearest float64.
func (a num) ratio(b num) float64 {
	f, _ := new(big.Rat).SetFrac(a.big(), b.big()).Float64()
	return f
}

func numOf(a bursar.Amount) num {
	hi, lo := a.Nanos()
	b := big.NewInt(hi)
	b.Lsh(b, 64)
	return num{b.Add(b, new(big.Int).SetUint64(lo))}
}

func (a num) amount() bursar.Amount {
	lo := new(big.Int).And(a.big(), new(big.Int).SetUint64(1<<64-1))
	hi := new(big.Int).Rsh(a.big(), 64) // rounds down, as two's complement needs
	return bursar.AmountFromWords(hi.Int64(), lo.Uint64())
}

func (a num) ptr() *bursar.Amount {
	v := a.amount()
	return &v
}

// byRate is a × rate ÷ per, rounded half to even to whole nano-units.
func (a num) byRate(rate num, per int64) num {
	x := new(big.Int).Mul(a.big(), rate.big())
	by := new(big.Int).Mul(big.NewInt(per), big.NewInt(1e9))
	negative := x.Sign() < 0
	q, r := new(big.Int).QuoRem(x.Abs(x), by, new(big.Int))
	switch twice := r.Lsh(r, 1); {
	case twice.Cmp(by) > 0, twice.Cmp(by) == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	if negative {
		q.Neg(q)
	}
	return num{q}
}

func lesser(a, b num) num {
	if a.cmp(b) <= 0 {
		return a
	}
	return b
}

func (a num) abs() num { return num{new(big.Int).Abs(a.big())} }

func greater(a, b num) num {
	if a.cmp(b) >= 0 {
		return a
	}
	return b
}
