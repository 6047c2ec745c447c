package record

import (
	"github.com/bursarhq/bursar"
)

// AlertFired says which thresholds of a row have fired in the window that began at start.
type AlertFired struct {
	Row   uint32
	Fired Fired
}

func (*AlertFired) Kind() Kind { return kindFired }

func (r *AlertFired) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Time(r.Fired.Start)
	e.ints(r.Fired.Levels)
}

func (r *AlertFired) decode(d *Decoder) {
	r.Row = d.ord()
	r.Fired = Fired{d.time(), d.ints()}
}

// BalanceLow says which of the low-balance levels of a pool have fired.
type BalanceLow struct {
	Cap    uint32
	Levels []int
}

func (*BalanceLow) Kind() Kind { return kindLow }

func (r *BalanceLow) encode(e *Encoder) {
	e.Ord(r.Cap)
	e.ints(r.Levels)
}

func (r *BalanceLow) decode(d *Decoder) { r.Cap, r.Levels = d.ord(), d.ints() }

func (e *Encoder) ints(s []int) {
	e.Uint(uint64(len(s)))
	for _, n := range s {
		e.Uint(uint64(n))
	}
}

func (d *Decoder) ints() []int {
	n := d.count()
	if n == 0 {
		return nil
	}
	s := make([]int, n)
	for i := range s {
		s[i] = int(d.uint())
	}
	return s
}

// Fired are the thresholds of a row that have fired in the window that began at start.
type Fired struct {
	Start  bursar.Time
	Levels []int // ascending
}
