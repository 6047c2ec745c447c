package bursar

import (
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

// MulDiv returns the cost of a units at price per so many units, a × price ÷ per,
// rounded half-even once, to the nano-unit. It works for every a and price; ok is
// false, and the Amount 0, when the result is 10^15 units or more in magnitude.
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
		// 2^140 or more, where 10^24 × divisor is less. What is left has a
		// quotient below 2^111, which rounds up without a wrap.
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

// ParseAmount reads a JSON number literal (RFC 8259; all of b, no white space) as
// an exact decimal. More than 9 decimals round half-even to 9. The error wraps
// ErrAmount: b is no such literal, or 10^15 units or more in magnitude after
// rounding. Time is linear in len(b) whatever the exponent; nothing is allocated.
func ParseAmount(b []byte) (Amount, error) {
	n, ok := scanAmount(b)
	if !ok {
		return Amount{}, errAmountSyntax
	}
	hi, lo, ok := n.nanos()
	if !ok || !wordsInRange(hi, lo) {
		return Amount{}, errAmountRange
	}
	return signAmount(n.neg, hi, lo), nil
}

// AmountFromString reads what [Amount.String] writes, for every 128-bit value. It
// also takes trailing zeros up to 9 decimals, as SQL numerics print them, but no
// exponent, and it never rounds. The error wraps ErrAmount.
func AmountFromString(s string) (Amount, error) {
	var buf [amountTextMax]byte
	if len(s) > len(buf) {
		return Amount{}, errAmountText
	}
	n, ok := scanAmount(buf[:copy(buf[:], s)])
	if !ok || n.exponent || n.count-n.ints > amountDecimals {
		return Amount{}, errAmountText
	}
	hi, lo, ok := n.nanos()
	if !ok || hi > 1<<63 || hi == 1<<63 && (lo != 0 || !n.neg) {
		return Amount{}, errAmountText
	}
	return signAmount(n.neg, hi, lo), nil
}

// String returns a in units as AppendTo writes it.
func (a Amount) String() string {
	var buf [amountTextMax]byte
	return string(a.AppendTo(buf[:0]))
}

// AppendTo appends a in units as a plain decimal, which is also a JSON number: no
// exponent, no trailing zeros after a point, no "-0". At most 41 bytes.
func (a Amount) AppendTo(b []byte) []byte {
	hi, lo := a.magnitude()
	if a.hi < 0 {
		b = append(b, '-')
	}
	var frac uint64
	if hi == 0 {
		lo, frac = lo/nanosPerUnit, lo%nanosPerUnit
	} else {
		hi, frac = hi/nanosPerUnit, hi%nanosPerUnit
		lo, frac = bits.Div64(frac, lo, nanosPerUnit)
	}
	if hi == 0 {
		b = strconv.AppendUint(b, lo, 10)
	} else {
		const low = 10_000_000_000_000_000_000 // 10^19; at most 30 digits in all
		hi, lo = bits.Div64(hi, lo, low)
		b = strconv.AppendUint(b, hi, 10)
		b = appendDigits(b, lo, 19)
	}
	if frac == 0 {
		return b
	}
	width := amountDecimals
	for frac%10 == 0 {
		frac /= 10
		width--
	}
	return appendDigits(append(b, '.'), frac, width)
}

// MarshalJSON returns a as a JSON number, see [Amount.AppendTo].
func (a Amount) MarshalJSON() ([]byte, error) {
	return a.AppendTo(make([]byte, 0, amountTextMax)), nil
}

// UnmarshalJSON sets a to what [ParseAmount] reads from b, so null and strings are
// errors, but without the bound of the wire: it reads back all that [Amount.MarshalJSON]
// writes, and sums may be larger than what may be asked for. On an error a keeps its
// value.
func (a *Amount) UnmarshalJSON(b []byte) error {
	v, err := ParseAmount(b)
	if err != nil {
		sum, serr := AmountFromString(string(b))
		if serr != nil {
			return err
		}
		v = sum
	}
	*a = v
	return nil
}

// appendDigits appends x, of at most width digits, padded to width <= 19 digits.
func appendDigits(b []byte, x uint64, width int) []byte {
	b = append(b, "0000000000000000000"[:width]...)
	for i := len(b) - 1; x != 0; i-- {
		b[i] = byte('0' + x%10)
		x /= 10
	}
	return b
}

// amountLiteral is a JSON number taken apart. Its digits, count of them, are
// numbered from 0 with the point left out.
type amountLiteral struct {
	text     []byte // the digits, with the point if there is one
	ints     int64  // digits before the point, >= 1
	count    int64
	mantissa uint64 // all digits as one integer, modulo 2^64
	exp      int64  // within ±amountExpMax
	neg      bool
	exponent bool // there is an exponent part
}

// amountExpMax exceeds the length of any literal, so clamping an exponent to it
// changes no result.
const amountExpMax = 1 << 50

// scanAmount takes b apart; ok is false unless all of b is a JSON number. It returns
// the literal, not filling one in, so that b may stay on the caller's stack.
func scanAmount(b []byte) (n amountLiteral, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		n.neg = true
		b = b[1:]
	}
	ints, mantissa := scanDigits(b, 0)
	if ints == 0 || ints > 1 && b[0] == '0' {
		return n, false
	}
	end, fracs := ints, 0
	if end < len(b) && b[end] == '.' {
		fracs, mantissa = scanDigits(b[end+1:], mantissa)
		if fracs == 0 {
			return n, false
		}
		end += 1 + fracs
	}
	n.text, n.ints, n.count, n.mantissa = b[:end], int64(ints), int64(ints+fracs), mantissa
	if end == len(b) {
		return n, true
	}
	n.exponent = true
	n.exp, ok = scanExponent(b[end:])
	return n, ok
}

// scanDigits appends the decimal digits that b starts with to mantissa, modulo 2^64,
// and returns how many they are.
func scanDigits(b []byte, mantissa uint64) (int, uint64) {
	for i, c := range b {
		if c -= '0'; c > 9 {
			return i, mantissa
		}
		mantissa = mantissa*10 + uint64(c)
	}
	return len(b), mantissa
}

// scanExponent returns the exponent, clamped to ±amountExpMax; ok is false unless
// all of b, which is not empty, is an exponent part.
func scanExponent(b []byte) (exp int64, ok bool) {
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	neg := len(b) > 0 && b[0] == '-'
	if neg || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		exp = min(exp*10+int64(c), amountExpMax)
	}
	if neg {
		exp = -exp
	}
	return exp, len(b) > 0
}

// nanos returns the magnitude in nano-units, rounded half-even; ok is false when
// it does not fit 128 bits.
func (n *amountLiteral) nanos() (hi, lo uint64, ok bool) {
	scale := n.ints - n.count + n.exp + amountDecimals // nanos = digits × 10^scale
	if n.count < int64(len(amountPow10)) && scale >= 0 && scale < int64(len(amountPow10)) {
		hi, lo = bits.Mul64(n.mantissa, amountPow10[scale])
		return hi, lo, true
	}
	// Digits [first, last) are whole nano-units, those from last on a fraction.
	first, last := int64(0), n.count+scale
	for first < n.count && n.digit(first) == 0 {
		first++
	}
	if first == n.count || last < first {
		return 0, 0, true // zero, or below 0.1 nano-units
	}
	if last-first > amountDigitsMax {
		return 0, 0, false
	}
	for i := first; i < last; i++ {
		if hi, lo, ok = mulAddWords(hi, lo, 10, n.digit(i)); !ok {
			return 0, 0, false
		}
	}
	if n.roundsUp(last, lo&1 == 1) {
		return mulAddWords(hi, lo, 1, 1)
	}
	return hi, lo, true
}

// digit returns digit i >= 0, which is 0 behind the last.
func (n *amountLiteral) digit(i int64) uint64 {
	if i >= n.count {
		return 0
	}
	if i >= n.ints {
		i++ // the point
	}
	return uint64(n.text[i] - '0')
}

// roundsUp reports whether the digits from last on, as a fraction, round half-even
// to 1 behind an integer that is odd or not.
func (n *amountLiteral) roundsUp(last int64, odd bool) bool {
	if half := n.digit(last); half != 5 {
		return half > 5
	}
	for i := last + 1; i < n.count; i++ {
		if n.digit(i) != 0 {
			return true
		}
	}
	return odd
}

// amountPow10 holds the powers of ten of one word. A number of fewer digits than it
// has entries fits a word too.
var amountPow10 = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
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
// and returns it with its length in bytes. The length is 0 when b is cut short or
// not the one form AppendBinary writes, so equal amounts have equal bytes.
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
