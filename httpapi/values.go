package httpapi

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
)

// setText puts a string, from the body or the query, into v. The error says what is
// wrong with it.
func (s *shape) setText(text string, v reflect.Value) (bursar.Code, error) {
	switch s.kind {
	case kindTime:
		t, err := bursar.ParseTime(text)
		v.SetInt(int64(t))
		return bursar.CodeValidationFailed, err
	case kindCadence:
		c, err := bursar.ParseCadence(text)
		v.Set(reflect.ValueOf(c))
		return bursar.CodeInvalidCadence, err
	}
	v.SetString(text)
	return bursar.CodeValidationFailed, s.rules.text(text)
}

func (r *rules) text(text string) error {
	switch {
	case r.check != nil:
		return r.check(text)
	case r.enum != nil && !slices.Contains(r.enum, text):
		return fmt.Errorf("must be one of %s, not %.100q", strings.Join(r.enum, ", "), text)
	case r.hi > 0:
		if n := bursar.Length(text); n < r.lo || n > r.hi {
			return fmt.Errorf("must have %d to %d characters, not %d", r.lo, r.hi, n)
		}
	}
	return nil
}

// setNumber puts a number literal, from the body or the query, into v.
func (s *shape) setNumber(raw []byte, v reflect.Value) (bursar.Code, error) {
	if s.kind == kindInt {
		n, err := wholeNumber(raw)
		switch {
		case err != nil:
		case s.rules.hi > 0 && (n < int64(s.rules.lo) || n > int64(s.rules.hi)):
			err = fmt.Errorf("must be %d to %d, not %d", s.rules.lo, s.rules.hi, n)
		case s.rules.enum != nil:
			err = s.rules.text(strconv.FormatInt(n, 10))
		}
		if err != nil {
			return bursar.CodeValidationFailed, err
		}
		if v.CanUint() {
			v.SetUint(uint64(n))
		} else {
			v.SetInt(n)
		}
		return "", nil
	}
	amount, err := bursar.ParseAmount(raw)
	switch {
	case err != nil:
	case s.rules.positive && amount.Sign() <= 0:
		err = fmt.Errorf("must be greater than 0, not %v", amount)
	case s.rules.min && amount.Sign() < 0:
		err = fmt.Errorf("must be 0 or more, not %v", amount)
	}
	if err != nil {
		return bursar.CodeInvalidAmount, err
	}
	v.Set(reflect.ValueOf(amount))
	return "", nil
}

// wholeNumber reads a JSON number that is an integer, however it is written.
func wholeNumber(raw []byte) (int64, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	a, err := bursar.ParseAmount(raw)
	if err == nil {
		if n, err := strconv.ParseInt(a.String(), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be an integer, not %.40s", raw)
}
