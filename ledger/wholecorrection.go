package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// wholeCorrection is what waits while usage is counted anew and then taken back: only the whole
// fires alerts, and pools move by the difference alone. A grant that has ended since would
// swallow what it gets back, while one that goes on pays what is counted anew.
type wholeCorrection struct {
	rows  map[uint32]bool // whose alerts wait
	draws []waitingDraw   // each feature once for each currency
}

type waitingDraw struct {
	cap, feature uint32
	of           int // the index of the first record of usage that is paid for
	amount       bursar.Amount
}

func (w *wholeCorrection) draw(cap, feature uint32, of int, amount bursar.Amount) {
	i := slices.IndexFunc(w.draws, func(x waitingDraw) bool { return x.cap == cap && x.feature == feature })
	if i < 0 {
		w.draws = append(w.draws, waitingDraw{cap, feature, of, amount})
		return
	}
	w.draws[i].amount = w.draws[i].amount.Add(amount)
}

// beginCorrection has alerts and draws wait until endCorrection.
func (d *Decider) beginCorrection() { d.whole = &wholeCorrection{rows: map[uint32]bool{}} }

func (d *Decider) endCorrection() {
	w := d.whole
	d.whole = nil
	for len(w.draws) > 0 {
		cap := w.draws[0].cap
		d.drawDifference(cap, w.draws)
		w.draws = slices.DeleteFunc(w.draws, func(x waitingDraw) bool { return x.cap == cap })
	}
	for _, row := range record.SortedOrds(w.rows) {
		d.alertOn(row)
	}
}

// drawDifference draws what the correction costs in one currency, for the features that it is
// dearer for; or gives it back, for those that it is cheaper for.
func (d *Decider) drawDifference(cap uint32, draws []waitingDraw) {
	var rest bursar.Amount
	for _, x := range draws {
		if x.cap == cap {
			rest = rest.Add(x.amount)
		}
	}
	for _, x := range draws {
		if x.cap != cap || x.amount.Sign() != rest.Sign() {
			continue
		}
		if part := rest.Sub(x.amount); part.Sign() == -rest.Sign() {
			x.amount = rest // others take the remainder back
		}
		d.draw(cap, x.amount, x.feature, x.of, record.DrawConsumed, d.Now)
		rest = rest.Sub(x.amount)
	}
}
