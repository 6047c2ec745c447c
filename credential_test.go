package bursar_test

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

func TestCredential(t *testing.T) {
	for _, c := range []struct {
		key, authorization []string
		want               string
		refused            bool
	}{
		{[]string{"k"}, nil, "k", false},
		{nil, []string{"Bearer k"}, "k", false},
		{nil, []string{"bearer   k "}, "k", false},
		{[]string{"k"}, []string{"Bearer k"}, "k", false},
		{[]string{"k", "k"}, nil, "k", false},
		{[]string{""}, []string{"Bearer k"}, "k", false},
		{[]string{"k"}, []string{"Bearer l"}, "", true},
		{[]string{"k", "l"}, nil, "", true},
		{nil, []string{"Bearer k", "Bearer l"}, "", true},
		{nil, []string{"Basic k"}, "", true},
		{nil, []string{"Bearer"}, "", true},
		{nil, []string{"k"}, "", true},
		{nil, nil, "", false},
		{[]string{""}, nil, "", false},
	} {
		got, err := bursar.Credential(c.key, c.authorization)
		if got != c.want || (err != nil) != c.refused {
			t.Errorf("%q %q: %q %v", c.key, c.authorization, got, err)
		}
	}
}

func FuzzCredential(f *testing.F) {
	f.Add("bsk_1_x", "Bearer bsk_1_x")
	f.Add("", "bearer \x00")
	f.Fuzz(func(t *testing.T, key, authorization string) {
		got, err := bursar.Credential([]string{key}, []string{authorization})
		if (got == "") == (err == nil) {
			t.Fatalf("%q and %v", got, err)
		}
		if e, ok := err.(*bursar.Error); err != nil && (!ok || e.Code != bursar.CodeUnauthenticated || strings.Contains(key+authorization, e.Message)) {
			t.Fatal(err)
		}
	})
}
