package bursar

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	amountMin = AmountFromWords(math.MinInt64, 0)
	amountMax = AmountFromWords(math.MaxInt64, math.MaxUint64)

	// amountTop is the greatest amount of the wire: 10^15 units less a nano-unit.
	amountTop = AmountFromInt(1e15).Sub(AmountFromNanos(1))

	// Oracle constants, built apart from those of the code under test.
	amountTwo127   = new(big.Int).Lsh(big.NewInt(1), 127)
	amountBillion  = big.NewInt(1e9)
	amountBigLimit = new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
)

// amountRand returns a source whose seed is logged; AMOUNT_SEED replays one.
func amountRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("AMOUNT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("AMOUNT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// amountBig returns a in nano-units.
func amountBig(a Amount) *big.Int {
	hi, lo := a.Nanos()
	n := new(big.Int).Lsh(big.NewInt(hi), 64)
	return n.Add(n, new(big.Int).SetUint64(lo))
}

// amountOfBig is the inverse of amountBig; ok is false outside 128 bits.
func amountOfBig(n *big.Int) (a Amount, ok bool) {
	if n.Cmp(amountTwo127) >= 0 || n.Cmp(new(big.Int).Neg(amountTwo127)) < 0 {
		return Amount{}, false
	}
	hi := new(big.Int).Rsh(n, 64) // rounds down, as two's complement does
	lo := new(big.Int).Sub(n, new(big.Int).Lsh(hi, 64))
	return AmountFromWords(hi.Int64(), lo.Uint64()), true
}

// amountHalfEven returns num ÷ den rounded half-even; den > 0.
func amountHalfEven(num, den *big.Int) *big.Int {
	quo, rem := new(big.Int).DivMod(num, den, new(big.Int))
	c := rem.Lsh(rem, 1).Cmp(den)
	if c > 0 || c == 0 && quo.Bit(0) == 1 {
		quo.Add(quo, big.NewInt(1))
	}
	return quo
}

// amountEdges are the values around every boundary of the code: words, the wire
// limit, powers of ten and of two.
func amountEdges() []Amount {
	edges := []Amount{{}, amountMin, amountMax, amountTop}
	around := func(n *big.Int) {
		for d := int64(-2); d <= 2; d++ {
			m := new(big.Int).Add(n, big.NewInt(d))
			for range 2 {
				if a, ok := amountOfBig(m); ok {
					edges = append(edges, a)
				}
				m.Neg(m)
			}
		}
	}
	for i := uint(0); i <= 127; i++ {
		around(new(big.Int).Lsh(big.NewInt(1), i))
	}
	for i := int64(0); i <= 38; i++ {
		around(new(big.Int).Exp(big.NewInt(10), big.NewInt(i), nil))
	}
	return edges
}

// randomAmount draws a magnitude of uniform bit length, and edges now and then.
func randomAmount(r *rand.Rand, edges []Amount) Amount {
	if r.IntN(4) == 0 {
		return edges[r.IntN(len(edges))]
	}
	hi, lo := r.Uint64(), r.Uint64()
	if n := 1 + r.IntN(127); n <= 64 {
		hi, lo = 0, lo>>(64-n)
	} else {
		hi >>= 128 - n
	}
	a := AmountFromWords(int64(hi), lo)
	if r.IntN(2) == 0 {
		return a.Neg()
	}
	return a
}

// amountPairs calls f with so many random pairs and a ninth of the pairs of edges.
func amountPairs(t *testing.T, random int, f func(a, b Amount)) {
	t.Helper()
	r, edges := amountRand(t), amountEdges()
	for range random {
		f(randomAmount(r, edges), randomAmount(r, edges))
	}
	for i := 0; i < len(edges); i += 1 + r.IntN(5) {
		for j := 0; j < len(edges); j += 1 + r.IntN(5) {
			f(edges[i], edges[j])
		}
	}
}

// amountPanics reports whether f panics with the overflow message.
func amountPanics(f func()) (panicked bool) {
	defer func() { panicked = recover() == amountOverflow }()
	f()
	return false
}

func TestAmountAddSub(t *testing.T) {
	check := func(op string, a, b Amount, got func() Amount, want *big.Int) {
		t.Helper()
		w, ok := amountOfBig(want)
		if !ok {
			if !amountPanics(func() { got() }) {
				t.Fatalf("%s %s %s = %s: no overflow panic", a, op, b, want)
			}
			return
		}
		if g := got(); g != w {
			t.Fatalf("%s %s %s = %s, want %s", a, op, b, g, w)
		}
	}
	amountPairs(t, 200_000, func(a, b Amount) {
		x, y := amountBig(a), amountBig(b)
		check("+", a, b, func() Amount { return a.Add(b) }, new(big.Int).Add(x, y))
		check("-", a, b, func() Amount { return a.Sub(b) }, new(big.Int).Sub(x, y))
		check("neg", a, b, func() Amount { return a.Neg() }, new(big.Int).Neg(x))
	})
	// Overflows whose sign test has every bit set, not only the sign.
	fives := AmountFromWords(0x5555555555555555, 0)
	tens := AmountFromWords(-0x5555555555555556, 0)
	if !amountPanics(func() { fives.Add(fives) }) || !amountPanics(func() { tens.Sub(fives) }) {
		t.Error("an overflow of alternating bits does not panic")
	}
}

func TestAmountCompare(t *testing.T) {
	amountPairs(t, 200_000, func(a, b Amount) {
		want := amountBig(a).Cmp(amountBig(b))
		if got := a.Cmp(b); got != want {
			t.Fatalf("%s.Cmp(%s) = %d, want %d", a, b, got, want)
		}
		if got := a.Less(b); got != (want < 0) {
			t.Fatalf("%s.Less(%s) = %v", a, b, got)
		}
		if got := a == b; got != (want == 0) {
			t.Fatalf("%s == %s is %v", a, b, got)
		}
		lesser, greater := a, b
		if want > 0 {
			lesser, greater = b, a
		}
		if MinAmount(a, b) != lesser || MaxAmount(a, b) != greater {
			t.Fatalf("MinAmount, MaxAmount of %s, %s = %s, %s", a, b, MinAmount(a, b), MaxAmount(a, b))
		}
	})
}

func TestAmountUnary(t *testing.T) {
	amountPairs(t, 200_000, func(a, _ Amount) {
		n := amountBig(a)
		if got, want := a.Sign(), n.Sign(); got != want {
			t.Fatalf("%s.Sign() = %d, want %d", a, got, want)
		}
		if got, want := a.IsZero(), n.Sign() == 0; got != want {
			t.Fatalf("%s.IsZero() = %v", a, got)
		}
		if got, want := a.InRange(), n.CmpAbs(amountBigLimit) < 0; got != want {
			t.Fatalf("%s.InRange() = %v", a, got)
		}
		if got := AmountFromWords(a.Nanos()); got != a {
			t.Fatalf("words of %s give %s", a, got)
		}
	})
}

func TestAmountFromIntegers(t *testing.T) {
	r := amountRand(t)
	values := []int64{0, 1, -1, 1e15, -1e15, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	for range 100_000 {
		values = append(values, int64(r.Uint64())>>r.IntN(64))
	}
	for _, n := range values {
		if got := amountBig(AmountFromNanos(n)); got.Cmp(big.NewInt(n)) != 0 {
			t.Fatalf("AmountFromNanos(%d) = %s nano-units", n, got)
		}
		want := new(big.Int).Mul(big.NewInt(n), amountBillion)
		if got := amountBig(AmountFromInt(n)); got.Cmp(want) != 0 {
			t.Fatalf("AmountFromInt(%d) = %s nano-units", n, got)
		}
	}
}

// TestAmountAdditionsToOverflow holds the figure in the documentation of Amount.
func TestAmountAdditionsToOverflow(t *testing.T) {
	n := new(big.Int).Quo(amountBig(amountMax), amountBig(amountTop))
	if n.String() != "170141183460469" {
		t.Errorf("additions before an overflow = %s", n)
	}
}

func TestAmountMulDiv(t *testing.T) {
	r, edges := amountRand(t), amountEdges()
	pers := []int64{1, 1000, 1_000_000, 1_000_000_000, 2, 3, 7, 999_999_999}
	check := func(a, price Amount, per int64) {
		t.Helper()
		den := new(big.Int).Mul(amountBillion, big.NewInt(per))
		n := amountHalfEven(new(big.Int).Mul(amountBig(a), amountBig(price)), den)
		wantOK := n.CmpAbs(amountBigLimit) < 0
		var want Amount
		if wantOK {
			want, _ = amountOfBig(n)
		}
		if got, ok := a.MulDiv(price, per); got != want || ok != wantOK {
			t.Fatalf("%s.MulDiv(%s, %d) = %s, %v, want %s, %v", a, price, per, got, ok, want, wantOK)
		}
	}
	for range 50_000 {
		per := pers[r.IntN(len(pers))]
		a, price := randomAmount(r, edges), randomAmount(r, edges)
		check(a, price, per)
		// Halves, and their neighbours: a factor of half the divisor, and an odd one.
		half := AmountFromNanos(500_000_000 * per)
		odd := AmountFromNanos(r.Int64()>>r.IntN(60) | 1)
		check(half, odd, per)
		check(half.Add(AmountFromNanos(1)), odd, per)
		check(half.Sub(AmountFromNanos(1)), odd.Neg(), per)
		// Results about the limit: 10^15 × q ÷ q, and a little less or more.
		q := 1 + r.Int64N(1e9)
		for d := int64(-2); d <= 2; d++ {
			check(AmountFromInt(1e15).Add(AmountFromNanos(d)), AmountFromInt(-q), q)
			check(AmountFromInt(1e15), AmountFromInt(q).Add(AmountFromNanos(d)), q)
			check(AmountFromNanos(1e18+d), AmountFromInt(1e6), 1)
		}
	}
	for _, a := range edges {
		for _, per := range pers {
			check(a, edges[r.IntN(len(edges))], per)
			check(a, AmountFromInt(1), per)
			check(AmountFromInt(-1), a, per)
		}
	}
}

func TestAmountMulWords(t *testing.T) {
	r := amountRand(t)
	word := func() uint64 {
		return []uint64{0, 1, 2, 1 << 32, 1 << 63, math.MaxUint64 - 1, math.MaxUint64, r.Uint64()}[r.IntN(8)]
	}
	join := func(words ...uint64) *big.Int {
		n := new(big.Int)
		for _, w := range words {
			n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(w))
		}
		return n
	}
	for range 100_000 {
		ah, al, bh, bl := word(), word(), word(), word()
		want := new(big.Int).Mul(join(ah, al), join(bh, bl))
		if got := join(mulWords(ah, al, bh, bl)); got.Cmp(want) != 0 {
			t.Fatalf("%x:%x × %x:%x = %x, want %x", ah, al, bh, bl, got, want)
		}
	}
}

func TestAmountMulDivTable(t *testing.T) {
	tests := []struct {
		a, price string
		per      int64
		want     string // "" for out of range
	}{
		{"1500", "3", 1_000_000, "0.0045"}, // 1500 tokens at 3 a million
		{"0.000000001", "0.5", 1, "0"},     // halves go to the even nano-unit
		{"0.000000003", "0.5", 1, "0.000000002"},
		{"-0.000000003", "0.5", 1, "-0.000000002"},
		{"0.000000005", "-0.5", 1, "-0.000000002"},
		{"1", "0.0000015", 1000, "0.000000002"},
		{"1", "0.0000025", 1000, "0.000000002"},
		{"1", "0.000002500", 1000, "0.000000002"},
		{"1.000001", "0.0000025", 1000, "0.000000003"},
		{"2", "0.000000001", 3, "0.000000001"},
		{"0", "5", 1, "0"},
		{"999999999999999.999999999", "1", 1, "999999999999999.999999999"},
		{"999999999999999.999999999", "999999999999999.999999999", 1, ""},
		{"1000000000000000", "1", 1, ""},
		{"-1000000000000000", "1", 1, ""},
		{"1999999999999999.999999998", "1", 2, "999999999999999.999999999"},
		{"1999999999999999.999999999", "1", 2, ""}, // reaches 10^15 by rounding
		{"170141183460469231731687303715.884105727", "0.000000001", 1_000_000_000, "170141183460.469231732"},
		{"-170141183460469231731687303715.884105728", "-170141183460469231731687303715.884105728", 1, ""},
	}
	for _, tt := range tests {
		got, ok := amountFrom(t, tt.a).MulDiv(amountFrom(t, tt.price), tt.per)
		if tt.want == "" {
			if ok || got != (Amount{}) {
				t.Errorf("%s × %s ÷ %d = %s, %v, want out of range", tt.a, tt.price, tt.per, got, ok)
			}
		} else if !ok || got.String() != tt.want {
			t.Errorf("%s × %s ÷ %d = %s, %v, want %s", tt.a, tt.price, tt.per, got, ok, tt.want)
		}
	}
	for _, per := range []int64{math.MinInt64, -1, 0, 1e9 + 1, math.MaxInt64} {
		func() {
			defer func() {
				if p := recover(); p != "bursar: MulDiv: per is not in 1..10^9" {
					t.Errorf("MulDiv with per %d: panic %v", per, p)
				}
			}()
			AmountFromInt(1).MulDiv(AmountFromInt(1), per)
		}()
	}
}

// amountFrom reads s, or fails.
func amountFrom(t testing.TB, s string) Amount {
	t.Helper()
	a, err := AmountFromString(s)
	if err != nil {
		t.Fatalf("AmountFromString(%q): %v", s, err)
	}
	return a
}

func TestAmountFloat(t *testing.T) {
	within := func(what string, got float64, num, den *big.Int, exp int) {
		t.Helper()
		want := new(big.Rat).SetFrac(num, den)
		diff := new(big.Rat).SetFloat64(got)
		diff.Abs(diff.Sub(diff, want))
		bound := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), uint(exp)))
		if diff.Cmp(bound.Mul(bound, want.Abs(want))) > 0 {
			t.Fatalf("%s = %v, want %s", what, got, want.FloatString(20))
		}
	}
	amountPairs(t, 20_000, func(a, b Amount) {
		within("Float64 of "+a.String(), a.Float64(), amountBig(a), amountBillion, 51)
		if !b.IsZero() {
			within("Ratio of "+a.String()+" to "+b.String(), a.Ratio(b), amountBig(a), amountBig(b), 50)
		}
	})
	for s, want := range map[string]float64{"0": 0, "0.1": 0.1, "-0.000000001": -1e-9, "2.5": 2.5, "-123456.789": -123456.789} {
		if got := amountFrom(t, s).Float64(); got != want || math.Signbit(got) != (want < 0) {
			t.Errorf("Float64 of %s = %v", s, got)
		}
	}
}

func TestAmountText(t *testing.T) {
	texts := map[string]string{ // in nano-units → text
		"0":                             "0",
		"1":                             "0.000000001",
		"-1":                            "-0.000000001",
		"1000000000":                    "1",
		"-1500000000":                   "-1.5",
		"100000000000":                  "100",
		"120000000":                     "0.12",
		"18446744073709551615":          "18446744073.709551615",
		"18446744073709551616":          "18446744073.709551616",
		"999999999999999999999999":      "999999999999999.999999999",
		"9999999999999999999000000000":  "9999999999999999999",
		"10000000000000000000000000000": "10000000000000000000",
		"10000000000000000001010000000": "10000000000000000001.01",
		"18446744073709551616000000000": "18446744073709551616",
		"170141183460469231731687303715884105727":  "170141183460469231731687303715.884105727",
		"-170141183460469231731687303715884105728": "-170141183460469231731687303715.884105728",
	}
	for nanos, want := range texts {
		n, _ := new(big.Int).SetString(nanos, 10)
		a, _ := amountOfBig(n)
		if got := a.String(); got != want {
			t.Errorf("String of %s nano-units = %s, want %s", nanos, got, want)
		}
	}
	if got := len(amountMin.String()); got != amountTextMax {
		t.Errorf("the longest text has %d bytes, want %d", got, amountTextMax)
	}
	amountPairs(t, 200_000, func(a, b Amount) {
		want := amountBigText(amountBig(a))
		if got := a.String(); got != want {
			t.Fatalf("String = %s, want %s", got, want)
		}
		if got := string(b.AppendTo([]byte("9x"))); got != "9x"+b.String() {
			t.Fatalf("AppendTo after 9x = %s", got)
		}
		if got, err := AmountFromString(want); err != nil || got != a {
			t.Fatalf("AmountFromString(%s) = %s, %v", want, got, err)
		}
		got, err := ParseAmount([]byte(want))
		if a.InRange() && (err != nil || got != a) || !a.InRange() && !errors.Is(err, ErrAmount) {
			t.Fatalf("ParseAmount(%s) = %s, %v", want, got, err)
		}
	})
}

// amountBigText writes n nano-units in units, as AppendTo should.
func amountBigText(n *big.Int) string {
	s := fmt.Sprintf("%010s", new(big.Int).Abs(n).String())
	s = s[:len(s)-9] + "." + s[len(s)-9:]
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if n.Sign() < 0 {
		s = "-" + s
	}
	return s
}

func TestAmountFromString(t *testing.T) {
	for text, want := range map[string]string{
		"1.500000000": "1.5", "0.000000000": "0", "-0": "0", "-0.000000000": "0", "10": "10",
		"-170141183460469231731687303715.884105728": "-170141183460469231731687303715.884105728",
	} {
		if got := amountFrom(t, text).String(); got != want {
			t.Errorf("AmountFromString(%q) = %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"", "-", "+1", "01", "1.", ".5", "1e0", "1E5", "1e-1", " 1", "1 ", "1\x00", "NaN", "0x1", "1_000", "1,5", "null",
		"0.0000000000", "0.0000000001", "1.0000000000",
		"170141183460469231731687303715.884105728",
		"-170141183460469231731687303715.884105729",
		"340282366920938463463374607431.768211455",
		"340282366920938463463374607431.768211456",
		"-340282366920938463463374607431.768211456",
		"999999999999999999999999999999.999999999",
		"-999999999999999999999999999999.999999999",
		"1000000000000000000000000000000",
		"170141183460469231731687303716", "-170141183460469231731687303716",
		strings.Repeat("0", 42), "0." + strings.Repeat("0", 40), "1" + strings.Repeat("0", 1<<20),
	} {
		if got, err := AmountFromString(text); !errors.Is(err, ErrAmount) || got != (Amount{}) {
			t.Errorf("AmountFromString(%.60q) = %s, %v", text, got, err)
		}
	}
}

func TestAmountBinary(t *testing.T) {
	seen := make(map[int]bool)
	amountPairs(t, 200_000, func(a, b Amount) {
		form := a.AppendBinary(nil)
		seen[len(form)] = true
		zigzag := amountBig(a)
		if zigzag.Lsh(zigzag, 1); zigzag.Sign() < 0 {
			zigzag.Not(zigzag)
		}
		if want := max(1, (zigzag.BitLen()+6)/7); len(form) != want {
			t.Fatalf("binary form of %s is %x, want %d bytes", a, form, want)
		}
		if zigzag.IsUint64() && !bytes.Equal(form, binary.AppendUvarint(nil, zigzag.Uint64())) {
			t.Fatalf("binary form of %s is %x, not the uvarint", a, form)
		}
		if got, n := DecodeAmount(b.AppendBinary(form)); got != a || n != len(form) {
			t.Fatalf("DecodeAmount of %s = %s, %d bytes of %d", a, got, n, len(form))
		}
		for n := range form {
			if got, n := DecodeAmount(form[:n]); n != 0 || got != (Amount{}) {
				t.Fatalf("DecodeAmount of %d bytes of %x = %s, %d", n, form, got, n)
			}
		}
		if got := string(a.AppendBinary([]byte("ab"))); got != "ab"+string(form) {
			t.Fatalf("AppendBinary after ab = %x", got)
		}
	})
	if len(seen) != amountBinaryMax {
		t.Errorf("lengths seen: %v, want 1 to %d", seen, amountBinaryMax)
	}
}

func TestDecodeAmountRefuses(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, 30)
	for name, b := range map[string][]byte{
		"empty":              {},
		"padded 0":           {0x80, 0x00},
		"padded 1":           {0x82, 0x00},
		"padded 0 to 19":     append(bytes.Repeat([]byte{0x80}, 18), 0),
		"padded max of 18":   append(bytes.Clone(ones[:18]), 0),
		"129 bits":           append(bytes.Clone(ones[:18]), 4),
		"133 bits":           append(bytes.Clone(ones[:18]), 0x7f),
		"20 bytes":           append(bytes.Clone(ones[:19]), 1),
		"20 bytes, low ones": append(bytes.Repeat([]byte{0x80}, 19), 1),
		"no end":             ones,
	} {
		if got, n := DecodeAmount(b); n != 0 || got != (Amount{}) {
			t.Errorf("%s: DecodeAmount(%x) = %s, %d", name, b, got, n)
		}
	}
	if got, n := DecodeAmount(append(bytes.Clone(ones[:18]), 3)); got != amountMin || n != 19 {
		t.Errorf("the greatest form gives %s, %d", got, n)
	}
}

func TestAmountJSON(t *testing.T) {
	type row struct {
		Used  Amount  `json:"used"`
		Limit *Amount `json:"limit"`
		Held  Amount  `json:"held,omitzero"`
	}
	var got row
	if err := json.Unmarshal([]byte(`{"used": 1e-7 , "limit": null}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Used != AmountFromNanos(100) || got.Limit != nil {
		t.Errorf("decoded %+v", got)
	}
	if b, err := json.Marshal(got); err != nil || string(b) != `{"used":0.0000001,"limit":null}` {
		t.Errorf("encoded %s, %v", b, err)
	}
	if b, err := json.Marshal([]Amount{amountMin, amountTop}); err != nil ||
		string(b) != "[-170141183460469231731687303715.884105728,999999999999999.999999999]" {
		t.Errorf("encoded %s, %v", b, err)
	}
	for _, b := range []string{`null`, `"5"`, `true`, `{}`, `[]`, `1e15`} {
		a := AmountFromInt(7)
		if err := a.UnmarshalJSON([]byte(b)); !errors.Is(err, ErrAmount) || a != AmountFromInt(7) {
			t.Errorf("UnmarshalJSON(%s) = %v, leaves %s", b, err, a)
		}
		if err := json.Unmarshal([]byte(`{"used":`+b+`}`), &got); !errors.Is(err, ErrAmount) {
			t.Errorf("decoding used %s: %v", b, err)
		}
	}
}

// Ratios that differ in the last place of a float64 keep their order.
func TestRatioKeepsOrder(t *testing.T) {
	of := func(s string) Amount {
		a, err := AmountFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one := of("1")
	near := []string{"999999999999999.9", "999999999999999.2", "999999999999999", "999999999999998.7", "999999999999998.5", "333333333333333.1", "333333333333333"}
	for i, s := range near[1:] {
		if a, b := one.Ratio(of(near[i])), one.Ratio(of(s)); a > b {
			t.Errorf("1 ÷ %s is %v, 1 ÷ %s %v", near[i], a, s, b)
		}
	}
	if r := of("-1").Ratio(of("4")); r != -0.25 {
		t.Errorf("-1 ÷ 4 is %v", r)
	}
}
