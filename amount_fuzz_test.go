package bursar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// amountParts is the grammar of RFC 8259, section 6, a second time.
var amountParts = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?$`)

// amountOracle parses as ParseAmount should, through big.Rat. It returns nil for the
// error of an amount in range, syntax or range.
func amountOracle(b []byte) (*big.Int, error) {
	m := amountParts.FindSubmatch(b)
	if m == nil {
		return nil, errAmountSyntax
	}
	mantissa := strings.TrimRight(string(b[:len(b)-len(m[1])]), "eE")
	if strings.Trim(mantissa, "-0.") == "" {
		return new(big.Int), nil
	}
	exp := new(big.Int)
	if len(m[1]) > 0 {
		exp.SetString(string(m[1]), 10)
	}
	// big.Rat would build 10^exp: far beyond the digits the outcome is plain.
	if exp.CmpAbs(big.NewInt(int64(len(b)+100))) > 0 {
		if exp.Sign() > 0 {
			return nil, errAmountRange
		}
		return new(big.Int), nil
	}
	x, ok := new(big.Rat).SetString(fmt.Sprintf("%se%s", mantissa, exp))
	if !ok {
		panic("amountOracle: " + string(b))
	}
	n := amountHalfEven(new(big.Int).Mul(x.Num(), amountBillion), x.Denom())
	if n.CmpAbs(amountBigLimit) >= 0 {
		return nil, errAmountRange
	}
	return n, nil
}

// checkParseAmount compares ParseAmount of b with the oracle.
func checkParseAmount(t *testing.T, b []byte) {
	t.Helper()
	got, err := ParseAmount(b)
	want, wantErr := amountOracle(b)
	if err != wantErr {
		t.Fatalf("ParseAmount(%.200q): error %v, want %v", b, err, wantErr)
	}
	if err != nil {
		if got != (Amount{}) {
			t.Fatalf("ParseAmount(%.200q) = %s with an error", b, got)
		}
		return
	}
	if amountBig(got).Cmp(want) != 0 {
		t.Fatalf("ParseAmount(%.200q) = %s, want %s nano-units", b, got, want)
	}
}

func TestParseAmountTable(t *testing.T) {
	long := strings.Repeat("0", 10_000)
	nines := strings.Repeat("9", 10_000)
	tests := []struct {
		in, want string // want is the text, or the error
	}{
		{"0", "0"}, {"-0", "0"}, {"-0.0", "0"}, {"0e0", "0"}, {"-0e5", "0"}, {"0E-5", "0"}, {"0e+5", "0"},
		{"1", "1"}, {"-1", "-1"}, {"10", "10"}, {"1.5", "1.5"}, {"1.50", "1.5"}, {"-0.5", "-0.5"},
		{"1e3", "1000"}, {"1E+3", "1000"}, {"1e-7", "0.0000001"}, {"1.5e1", "15"}, {"-2.5E-3", "-0.0025"},
		{"1e00000000000000000000000000003", "1000"}, {"123456789.987654321", "123456789.987654321"},

		// More than 9 decimals round half-even.
		{"0.30000000000000004", "0.3"}, {"0.1", "0.1"}, {"1.0000000005", "1"}, {"1.0000000015", "1.000000002"},
		{"1.00000000050000000000000000001", "1.000000001"}, {"-1.0000000015", "-1.000000002"},
		{"1.0000000004999999999999999999", "1"}, {"1.0000000006", "1.000000001"}, {"0.9999999995", "1"},
		{"0.9999999985", "0.999999998"}, {"5e-10", "0"}, {"-5e-10", "0"}, {"5.1e-10", "0.000000001"},
		{"15e-10", "0.000000002"}, {"9e-10", "0.000000001"}, {"4e-10", "0"}, {"9.99e-11", "0"}, {"-4e-10", "0"},

		// The range holds after rounding.
		{"999999999999999", "999999999999999"}, {"999999999999999.999999999", "999999999999999.999999999"},
		{"-999999999999999.999999999", "-999999999999999.999999999"},
		{"999999999999999.9999999994", "999999999999999.999999999"},
		{"999999999999999.9999999995", "range"}, {"-999999999999999.9999999995", "range"},
		{"1000000000000000", "range"}, {"-1000000000000000", "range"}, {"1e15", "range"}, {"1e14", "100000000000000"},
		{"18446744073709551616", "range"}, {"340282366920938463463374607431.768211456", "range"},
		{"340282366920938463463374607431.7682114559", "range"}, {"9e29", "range"}, {"1e30", "range"}, {"1e31", "range"},
		{"340282366920938463463.374607431768211456e9", "range"}, {"1e400", "range"}, {"-1e400", "range"},

		// Exponents and lengths beyond any machine number.
		{"1e-400", "0"}, {"1e-999999999", "0"}, {"1e999999999", "range"}, {"0e999999999", "0"},
		{"1e99999999999999999999999999999999", "range"}, {"-1e-99999999999999999999999999999999", "0"},
		{"1" + long, "range"}, {"1" + long + "e-10000", "1"}, {"0." + long + "1", "0"}, {"0." + long + "1e10001", "1"},
		{"1." + long, "1"}, {"0.0000000005" + long + "1", "0.000000001"}, {"0.0000000005" + long, "0"},
		{nines, "range"}, {nines + "e-9990", "10000000000"}, {"0." + nines, "1"},
		{"123." + nines + "e2", "12400"}, {"1e" + long + "3", "1000"}, {"1e-" + nines, "0"}, {"1e" + nines, "range"},

		{"", "syntax"}, {"-", "syntax"}, {"+1", "syntax"}, {"--1", "syntax"}, {"01", "syntax"}, {"-01", "syntax"},
		{"00", "syntax"}, {"00.5", "syntax"}, {".5", "syntax"}, {"-.5", "syntax"}, {"1.", "syntax"}, {"1.e5", "syntax"},
		{"1e", "syntax"}, {"1e+", "syntax"}, {"1e-", "syntax"}, {"1e+-1", "syntax"}, {"1e1.5", "syntax"}, {"1e1e1", "syntax"},
		{"1.5.5", "syntax"}, {"e5", "syntax"}, {"-e5", "syntax"}, {"1f5", "syntax"}, {"1E5x", "syntax"}, {"0x10", "syntax"},
		{"1_000", "syntax"}, {"1,000", "syntax"}, {" 1", "syntax"}, {"1 ", "syntax"}, {"1\n", "syntax"}, {"1\x00", "syntax"},
		{"NaN", "syntax"}, {"Infinity", "syntax"}, {"-Infinity", "syntax"}, {"inf", "syntax"}, {"null", "syntax"},
		{"true", "syntax"}, {`"1"`, "syntax"}, {"[1]", "syntax"}, {"{}", "syntax"}, {"１", "syntax"}, {"1/2", "syntax"},
		{"1:", "syntax"}, {"1e:", "syntax"}, {"1e5:", "syntax"}, {"1e/", "syntax"}, {"1e400x", "syntax"}, {long, "syntax"}, {"1\x05" + "1", "syntax"},
	}
	for _, tt := range tests {
		got, err := ParseAmount([]byte(tt.in))
		checkParseAmount(t, []byte(tt.in))
		switch tt.want {
		case "range":
			if err != errAmountRange {
				t.Errorf("ParseAmount(%.60q) = %s, %v, want out of range", tt.in, got, err)
			}
		case "syntax":
			if err != errAmountSyntax {
				t.Errorf("ParseAmount(%.60q) = %s, %v, want not a number", tt.in, got, err)
			}
		default:
			if err != nil || got.String() != tt.want {
				t.Errorf("ParseAmount(%.60q) = %s, %v, want %s", tt.in, got, err, tt.want)
			}
		}
	}
}

func TestAmountErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errAmountSyntax, "invalid amount: not a JSON number"},
		{errAmountRange, "invalid amount: must be below 10^15 in magnitude"},
		{errAmountText, "invalid amount: not a plain number of at most 9 decimals and 128 bits"},
	} {
		if !errors.Is(tt.err, ErrAmount) || tt.err.Error() != tt.want {
			t.Errorf("error %q, want %q of ErrAmount", tt.err, tt.want)
		}
	}
}

// amountRandomLiteral returns a JSON number of any shape, mostly near the wire range
// and often about a rounding tie, now and then with a byte broken.
func amountRandomLiteral(r *rand.Rand) []byte {
	digits := func(b []byte, n int) []byte {
		set := "0123456789"
		if r.IntN(3) == 0 {
			set = []string{"0", "9", "05", "90", "1000000005", "4999999"}[r.IntN(6)]
		}
		for range n {
			b = append(b, set[r.IntN(len(set))])
		}
		return b
	}
	var b []byte
	if r.IntN(2) == 0 {
		b = append(b, '-')
	}
	if r.IntN(3) == 0 {
		b = append(b, '0')
	} else {
		b = append(b, byte('1'+r.IntN(9)))
		b = digits(b, r.IntN(1+r.IntN(45)))
	}
	if r.IntN(3) > 0 {
		b = digits(append(b, '.'), 1+r.IntN(1+r.IntN(45)))
	}
	if r.IntN(2) == 0 {
		b = append(b, "eE"[r.IntN(2)])
		b = append(b, []string{"", "+", "-"}[r.IntN(3)]...)
		b = fmt.Appendf(b, "%d", r.IntN(1+r.IntN(60)))
	}
	if r.IntN(8) == 0 {
		b[r.IntN(len(b))] = "+-.0eE5 x"[r.IntN(9)]
	}
	return b
}

func TestParseAmountRandom(t *testing.T) {
	r := amountRand(t)
	ok, n := 0, 300_000
	for range n {
		b := amountRandomLiteral(r)
		checkParseAmount(t, b)
		if _, err := ParseAmount(b); err == nil {
			ok++
		}
	}
	if ok < n/4 || ok > n*19/20 {
		t.Errorf("%d of %d literals are valid: the generator is one-sided", ok, n)
	}
}

// TestParseAmountLinear would run for years if an exponent or a length were looped
// over more than once a digit.
func TestParseAmountLinear(t *testing.T) {
	start := time.Now()
	huge := bytes.Repeat([]byte("9"), 1<<20)
	huge[len(huge)/2] = '.'
	for _, b := range [][]byte{huge, append(bytes.Clone(huge), "e-524288"...), append([]byte("1e-"), huge[:1<<18]...)} {
		checkNoAllocs(t, func() { _, _ = ParseAmount(b) })
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

func checkNoAllocs(t *testing.T, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(5, f); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAmountAllocs(t *testing.T) {
	buf := make([]byte, 0, 64)
	text, a := []byte("-123.456e-3"), amountMin
	checkNoAllocs(t, func() { _, _ = ParseAmount(text) })
	checkNoAllocs(t, func() { _, _ = ParseAmount(text[:4]) })
	checkNoAllocs(t, func() { _, _ = ParseAmount(text[1:9]) })
	checkNoAllocs(t, func() { _, _ = AmountFromString("-170141183460469231731687303715.884105728") })
	checkNoAllocs(t, func() { buf = a.AppendTo(buf[:0]) })
	checkNoAllocs(t, func() { buf = a.AppendBinary(buf[:0]) })
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "1e-7", "1E+14", "0.30000000000000004", "999999999999999.9999999995", "1.0000000005", "1e400",
		"-1e-999999999", "0e99999999999999999999", "100000000000000000000000000000000e-32", "01", "1.", "-", "1e", `"1"`, "null",
		"340282366920938463463374607431.768211456", "0.00000000000000000000000000000000000000001e41",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			t.Skip("big.Rat is slow")
		}
		checkParseAmount(t, b)
		a, err := ParseAmount(b)
		number := len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') && b[len(b)-1] > ' '
		if valid := number && json.Valid(b); valid != (err != errAmountSyntax) {
			t.Fatalf("ParseAmount(%q): %v, but encoding/json says %v", b, err, valid)
		}
		if s, serr := AmountFromString(string(b)); serr == nil && s.InRange() && (err != nil || s != a) {
			t.Fatalf("%q is %s to AmountFromString, %s, %v to ParseAmount", b, s, a, err)
		}
		if err != nil {
			return
		}
		text := a.AppendTo(nil)
		if again, err := ParseAmount(text); err != nil || again != a {
			t.Fatalf("%q prints as %s, which reads as %s, %v", b, text, again, err)
		}
	})
}

func FuzzDecodeAmount(f *testing.F) {
	for _, a := range []Amount{{}, AmountFromNanos(-1), AmountFromInt(1), amountTop, amountMin, amountMax} {
		f.Add(a.AppendBinary(nil))
	}
	f.Add([]byte{0x80, 0x00})
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, n := DecodeAmount(b)
		if n == 0 {
			if a != (Amount{}) {
				t.Fatalf("DecodeAmount(%x) refuses, but gives %s", b, a)
			}
			return
		}
		if form := a.AppendBinary(nil); !bytes.Equal(form, b[:n]) {
			t.Fatalf("%x decodes to %s, whose form is %x", b[:n], a, form)
		}
		if again, err := AmountFromString(a.String()); err != nil || again != a {
			t.Fatalf("%s reads back as %s, %v", a, again, err)
		}
	})
}

var (
	amountSink Amount
	amountBool bool
)

func BenchmarkAmountAddCmp(b *testing.B) {
	limit, one := amountMax, AmountFromNanos(123_456_789)
	var used Amount
	for b.Loop() {
		next := used.Add(one)
		if amountBool = next.Cmp(limit) > 0; !amountBool {
			used = next
		}
	}
	amountSink = used
}

func BenchmarkAmountMulDiv(b *testing.B) {
	used, price := AmountFromInt(1500), AmountFromInt(3)
	for b.Loop() {
		amountSink, amountBool = used.MulDiv(price, 1_000_000)
	}
}

func BenchmarkParseAmount(b *testing.B) {
	for _, s := range []string{
		"1", "1500", "0.0045", "1e-7", "123456789.987654321", "0.30000000000000004", "999999999999999.9999999994",
		strings.Repeat("9", 10_000) + "e-9995",
	} {
		b.Run(fmt.Sprintf("%.30s", s), func(b *testing.B) {
			text := []byte(s)
			b.ReportAllocs()
			for b.Loop() {
				a, err := ParseAmount(text)
				if err != nil {
					b.Fatal(err)
				}
				amountSink = a
			}
		})
	}
}

func BenchmarkAmountAppendTo(b *testing.B) {
	for _, a := range []Amount{AmountFromInt(1500), AmountFromNanos(4_500_000), amountTop, amountMin} {
		b.Run(a.String(), func(b *testing.B) {
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf = a.AppendTo(buf[:0])
			}
		})
	}
}

func BenchmarkAmountBinary(b *testing.B) {
	for _, a := range []Amount{AmountFromInt(1500), amountTop} {
		b.Run(a.String(), func(b *testing.B) {
			buf := make([]byte, 0, 64)
			for b.Loop() {
				buf = a.AppendBinary(buf[:0])
				amountSink, _ = DecodeAmount(buf)
			}
		})
	}
}
