package bursar

import (
	"math/bits"
	"strconv"
)

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
// errors. Unlike ParseAmount it takes amounts of 10^15 and more: sums may be as large, and
// it reads back all that [Amount.MarshalJSON] writes. On an error a keeps its value.
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
// the literal instead of filling in a pointer, so that b can stay on the caller's stack.
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

// roundsUp reports whether the digits from last on, read as a fraction, round up by the
// rule half-even; odd tells whether the integer before them is odd.
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
