package bursar

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Amount is an exact signed count of nano-units (10^-9 of a unit) in 128 bits.
// The zero value is 0. Amounts are comparable: == is numeric equality, so they
// serve as map keys.
//
// There is no scale to configure and no float in any arithmetic: amounts that
// arrive on the wire are below 10^24 nano-units, so a counter takes at least
// 1.7×10^14 additions of the largest one before it can overflow.
type Amount struct {
	hi int64 // two's complement, with lo as the low word
	lo uint64
}

// ErrAmount is wrapped by every error of reading an Amount from text.
var ErrAmount = errors.New("invalid amount")

var (
	errAmountSyntax = fmt.Errorf("%w: not a JSON number", ErrAmount)
	errAmountRange  = fmt.Errorf("%w: must be below 10^15 in magnitude", ErrAmount)
	errAmountText   = fmt.Errorf("%w: not a plain number of at most 9 decimals and 128 bits", ErrAmount)
)

const (
	amountDecimals = 9
	nanosPerUnit   = 1_000_000_000

	// Wire amounts have a magnitude below 10^15 units = 10^24 nano-units.
	amountLimit   = 1_000_000_000_000_000_000_000_000
	amountLimitHi = amountLimit >> 64
	amountLimitLo = amountLimit & (1<<64 - 1)

	// 2^127 has 39 digits.
	amountDigitsMax = 39

	// amountTextMax is the length of the longest String, that of -2^127.
	amountTextMax = 41

	// amountBinaryMax is the longest binary form in bytes: 128 bits, 7 a byte.
	amountBinaryMax = 19

	amountOverflow = "bursar: Amount overflows 128 bits"
)

// AmountFromInt returns n whole units.
func AmountFromInt(n int64) Amount {
	hi, lo := bits.Mul64(uint64(n), nanosPerUnit)
	if n < 0 {
		hi -= nanosPerUnit // uint64(n) is n + 2^64
	}
	return Amount{int64(hi), lo}
}

// AmountFromNanos returns n nano-units.
func AmountFromNanos(n int64) Amount { return Amount{n >> 63, uint64(n)} }

// AmountFromWords is the inverse of [Amount.Nanos].
func AmountFromWords(hi int64, lo uint64) Amount { return Amount{hi, lo} }

// Nanos returns the count of nano-units, hi×2^64 + lo, as two words to store.
// Comparing (hi, lo) in order, lo unsigned, compares the amounts.
func (a Amount) Nanos() (hi int64, lo uint64) { return a.hi, a.lo }

// Add returns a + b. It panics on 128-bit overflow, which amounts in the wire
// range cannot cause in fewer than 1.7×10^14 additions: to wrap would turn a
// spent budget into a free one.
func (a Amount) Add(b Amount) Amount {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi := a.hi + b.hi + int64(carry)
	if (a.hi^hi)&(b.hi^hi) < 0 {
		panic(amountOverflow)
	}
	return Amount{hi, lo}
}

// Sub returns a - b. It panics on 128-bit overflow, as [Amount.Add] does.
func (a Amount) Sub(b Amount) Amount {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi := a.hi - b.hi - int64(borrow)
	if (a.hi^b.hi)&(a.hi^hi) < 0 {
		panic(amountOverflow)
	}
	return Amount{hi, lo}
}

// Neg returns -a. It panics for -2^127 nano-units, which has no negative.
func (a Amount) Neg() Amount { return Amount{}.Sub(a) }

// Cmp returns -1, 0 or +1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int {
	switch {
	case a == b:
		return 0
	case a.Less(b):
		return -1
	}
	return 1
}

// Less reports whether a < b.
func (a Amount) Less(b Amount) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

// Sign returns -1, 0 or +1 as a is negative, zero or positive.
func (a Amount) Sign() int {
	switch {
	case a.hi < 0:
		return -1
	case a.IsZero():
		return 0
	}
	return 1
}

// IsZero reports whether a is 0. It also serves the JSON option omitzero.
func (a Amount) IsZero() bool { return a == Amount{} }

// InRange reports whether |a| < 10^15 units, the bound on the wire.
func (a Amount) InRange() bool { return wordsInRange(a.magnitude()) }

// MinAmount returns the lesser of a and b.
func MinAmount(a, b Amount) Amount {
	if b.Less(a) {
		return b
	}
	return a
}

// MaxAmount returns the greater of a and b.
func MaxAmount(a, b Amount) Amount {
	if a.Less(b) {
		return b
	}
	return a
}

// MulDiv returns a × price ÷ per, which is what a units cost when each per units cost
// price. The result is rounded half-even once, to the nano-unit. It works for every a
// and price; ok is false, and the Amount 0, when the result is 10^15 units or more in
// magnitude.
// It panics unless 1 <= per <= 10^9.
func (a Amount) MulDiv(price Amount, per int64) (cost Amount, ok bool) {
	if per < 1 || per > 1_000_000_000 {
		panic("bursar: MulDiv: per is not in 1..10^9")
	}
	// Both operands count nano-units, so one factor 10^9 is divided out.
	divisor := nanosPerUnit * uint64(per) // <= 10^18, so twice a remainder fits
	ah, al := a.magnitude()
	ph, pl := price.magnitude()
	w3, w2, w1, w0 := mulWords(ah, al, ph, pl)
	if w3 != 0 || w2 >= 1<<12 {
		// The product is 2^140 or more, and the largest in range, 10^24 × divisor,
		// is less than that. Smaller products have a quotient below 2^111, which
		// rounds up without a wrap.
		return Amount{}, false
	}
	hi, rest := bits.Div64(w2, w1, divisor)
	lo, rest := bits.Div64(rest, w0, divisor)
	if 2*rest > divisor || 2*rest == divisor && lo&1 == 1 {
		hi, lo, _ = mulAddWords(hi, lo, 1, 1)
	}
	if !wordsInRange(hi, lo) {
		return Amount{}, false
	}
	return signAmount(a.hi^price.hi < 0, hi, lo), true
}

// Float64 returns a in units with a relative error below 2^-51, for display and
// sorting. It must not enter a decision.
func (a Amount) Float64() float64 { return a.floatNanos() / nanosPerUnit }

// Ratio returns a ÷ b, rounded from a quotient with a relative error below 2^-60, for
// display and sorting: ratios that a float64 can tell apart keep their order. It must
// not enter a decision. b must not be 0: the result would be an infinity or NaN.
func (a Amount) Ratio(b Amount) float64 {
	if a.IsZero() || b.IsZero() {
		return a.floatNanos() / b.floatNanos()
	}
	x, xs := a.leading()
	y, ys := b.leading()
	q, rest := bits.Div64(x>>1, x<<63, y)
	if rest != 0 {
		q |= 1
	}
	f := math.Ldexp(float64(q), ys-xs-63)
	if a.hi^b.hi < 0 {
		return -f
	}
	return f
}

// CompareShares compares a/of with b/each. No amount is negative; of and each are above 0.
func CompareShares(a, of, b, each Amount) int {
	l3, l2, l1, l0 := mulWords(uint64(a.hi), a.lo, uint64(each.hi), each.lo)
	r3, r2, r1, r0 := mulWords(uint64(b.hi), b.lo, uint64(of.hi), of.lo)
	return cmp.Or(cmp.Compare(l3, r3), cmp.Compare(l2, r2), cmp.Compare(l1, r1), cmp.Compare(l0, r0))
}

// leading returns the 64 bits of |a| from its highest set one on, and how many zeros are
// before them in 128 bits. a must not be 0.
func (a Amount) leading() (top uint64, zeros int) {
	hi, lo := a.magnitude()
	if hi == 0 {
		n := bits.LeadingZeros64(lo)
		return lo << n, 64 + n
	}
	n := bits.LeadingZeros64(hi)
	return hi<<n | lo>>(64-n), n
}

func (a Amount) floatNanos() float64 {
	// Summing the two's complement words would lose a small negative amount.
	hi, lo := a.magnitude()
	f := float64(hi)*(1<<64) + float64(lo)
	if a.hi < 0 {
		return -f
	}
	return f
}

// magnitude returns |a| in nano-units, at most 2^127.
func (a Amount) magnitude() (hi, lo uint64) {
	sign := uint64(a.hi >> 63)
	lo, borrow := bits.Sub64(a.lo^sign, sign, 0)
	hi, _ = bits.Sub64(uint64(a.hi)^sign, sign, borrow)
	return hi, lo
}

// signAmount returns the magnitude hi:lo with a sign. The magnitude must be below
// 2^127, or 2^127 with neg.
func signAmount(neg bool, hi, lo uint64) Amount {
	if neg {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return Amount{int64(hi), lo}
}

// wordsInRange reports whether the magnitude hi:lo is below 10^15 units.
func wordsInRange(hi, lo uint64) bool {
	return hi < amountLimitHi || hi == amountLimitHi && lo < amountLimitLo
}

// mulWords returns ah:al × bh:bl as four words, most significant first.
func mulWords(ah, al, bh, bl uint64) (w3, w2, w1, w0 uint64) {
	llh, w0 := bits.Mul64(al, bl)
	lhh, lhl := bits.Mul64(al, bh)
	hlh, hll := bits.Mul64(ah, bl)
	hhh, hhl := bits.Mul64(ah, bh)

	w1, c1 := bits.Add64(llh, lhl, 0)
	w2, c2 := bits.Add64(lhh, hhl, c1)
	w3 = hhh + c2
	w1, c1 = bits.Add64(w1, hll, 0)
	w2, c2 = bits.Add64(w2, hlh, c1)
	return w3 + c2, w2, w1, w0
}

// mulAddWords returns hi:lo × mul + add; ok is false when that exceeds 128 bits.
func mulAddWords(hi, lo, mul, add uint64) (_, _ uint64, ok bool) {
	carry, lo := bits.Mul64(lo, mul)
	lo, c := bits.Add64(lo, add, 0)
	over, hi := bits.Mul64(hi, mul)
	hi, c = bits.Add64(hi, carry, c)
	return hi, lo, over|c == 0
}

// AppendBinary appends the log form of a: its zigzag code (0, -1, 1, -2, … map to
// 0, 1, 2, 3, …) in groups of 7 bits, least significant first, the high bit set on
// all but the last byte. It is 1 to 19 bytes; codes below 2^64 match
// binary.AppendUvarint.
func (a Amount) AppendBinary(b []byte) []byte {
	sign := uint64(a.hi >> 63)
	hi := (uint64(a.hi)<<1 | a.lo>>63) ^ sign
	lo := a.lo<<1 ^ sign
	for hi != 0 {
		b = append(b, byte(lo)|0x80)
		lo = lo>>7 | hi<<57
		hi >>= 7
	}
	for lo >= 0x80 {
		b = append(b, byte(lo)|0x80)
		lo >>= 7
	}
	return append(b, byte(lo))
}

// DecodeAmount reads the amount that [Amount.AppendBinary] wrote at the start of b
// and returns it with its length in bytes. The length is 0 when b is cut short, or has
// another form than the one that AppendBinary writes: equal amounts have equal bytes.
func DecodeAmount(b []byte) (Amount, int) {
	var hi, lo uint64
	for i := 0; i < len(b) && i < amountBinaryMax; i++ {
		group := uint64(b[i] & 0x7f)
		if shift := uint(7 * i); shift < 64 {
			lo |= group << shift
			hi |= group >> (64 - shift) // 0 until the group crosses the words
		} else {
			hi |= group << (shift - 64)
		}
		if b[i] >= 0x80 {
			continue
		}
		if b[i] == 0 && i > 0 || i == amountBinaryMax-1 && b[i] > 3 {
			return Amount{}, 0 // padded, or more than 128 bits
		}
		sign := -(lo & 1)
		return Amount{int64(hi>>1 ^ sign), (lo>>1 | hi<<63) ^ sign}, i + 1
	}
	return Amount{}, 0
}

// AtLeastPercent reports whether a ≥ percent % of b, exactly. Both must be 0 or more, and
// percent 0 to 10^9.
func (a Amount) AtLeastPercent(percent int64, b Amount) bool {
	return a.comparePercent(percent, b) >= 0
}

// EqualsPercent reports whether a is percent % of b, exactly; see [Amount.AtLeastPercent].
func (a Amount) EqualsPercent(percent int64, b Amount) bool { return a.comparePercent(percent, b) == 0 }

func (a Amount) comparePercent(percent int64, b Amount) int {
	_, x2, x1, x0 := mulWords(uint64(a.hi), a.lo, 0, 100)
	_, y2, y1, y0 := mulWords(uint64(b.hi), b.lo, 0, uint64(percent))
	for _, w := range [3][2]uint64{{x2, y2}, {x1, y1}, {x0, y0}} {
		if w[0] != w[1] {
			if w[0] < w[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// PercentOf is a ÷ b in percent as text, with at most 2 decimals, for display. b must be
// above 0.
func (a Amount) PercentOf(b Amount) string {
	return strconv.FormatFloat(math.Round(a.Ratio(b)*1e4)/1e2, 'f', -1, 64)
}

// maxPercent bounds WholePercent.
const maxPercent = 1_000_000

// WholePercent is a ÷ b in percent, exactly rounded down: of b 0 it is 100, and it is at most a
// million. Both must be 0 or more.
func (a Amount) WholePercent(b Amount) int64 {
	if b.IsZero() {
		return 100
	}
	p := int64(min(a.Ratio(b)*100, maxPercent))
	for p > 0 && !a.AtLeastPercent(p, b) {
		p--
	}
	for p < maxPercent && a.AtLeastPercent(p+1, b) {
		p++
	}
	return p
}
