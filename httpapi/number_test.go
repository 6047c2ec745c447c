package httpapi

import "testing"

// A number's text is exact whatever its notation: meters add it up.
func TestNumberText(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0", "7": "7", "-7": "-7", "1.50": "1.5", "15e-1": "1.5", "0.15E+1": "1.5", "1e3": "1000",
		"123456789012.123456789": "123456789012.123456789", "9007199254740993.0": "9007199254740993", "9007199254740993": "9007199254740993",
		"1e-7": "0.0000001", "-2.5e-06": "-0.0000025", "0e99": "0e99", "1e-99": "1e-99", "12e999999999999999999": "12e999999999999999999",
		"100.00": "100", "1e64": "1e64", "0.001e3": "1",
	} {
		if got := numberText([]byte(in)); got != want {
			t.Errorf("%s reads %s, want %s", in, got, want)
		}
	}
}
