package record

import "testing"

// TestUnknownFlagIsRefused: what a newer version tells of is not taken for less.
func TestUnknownFlagIsRefused(t *testing.T) {
	var e Encoder
	e.flags(true, false, true)
	var a, b bool
	d := Decoder{B: e.B}
	if d.flags(&a, &b); !a || b || !d.Bad {
		t.Errorf("%v %v, refused %v", a, b, d.Bad)
	}
}
