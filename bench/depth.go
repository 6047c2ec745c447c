//go:build linux

package main

import "strconv"

// depthPart is what levels cost: over HTTP, and of the engine alone.
func (b *bench) depthPart() error {
	trees := []tree{{ID: flat, Levels: 1, Leaves: 10_000}, {ID: deep, Levels: 10, Leaves: 10_000}}
	for range b.rounds {
		var cpu [2]float64
		for i, t := range trees {
			if err := expectCheck(b.bursar, t.ID, t.Levels, t.entityID(t.Levels, 0), nil); err != nil {
				return err
			}
			at := strconv.Itoa(t.Levels) + " levels"
			r, err := b.measure(&cell{name: "check, " + at, server: b.bursar, requests: []request{checkOf(t.ID, b.bursar.key)}, conns: 16, leaves: t.Leaves})
			if err != nil {
				return err
			}
			b.report.add("server CPU of a check, "+at, "µs", goal{}, r.MicrosPerUnit)
			cpu[i] = r.MicrosPerUnit
		}
		b.report.add("server CPU of a check, 10 levels ÷ 1", "", goal{}, cpu[1]/cpu[0])
	}
	var alone [2]engineResult
	for i, t := range trees {
		var err error
		if alone[i], err = b.engineAlone("engine alone, CPU of a check, "+strconv.Itoa(t.Levels)+" levels", &engineSpec{Tree: t}); err != nil {
			return err
		}
	}
	for i := range b.rounds {
		b.report.add("engine alone, 10 levels ÷ 1", "", goal{}, alone[1].Nanos[i]/alone[0].Nanos[i])
	}
	return nil
}
