package sim

import (
	"math/rand/v2"

	"github.com/bursarhq/bursar"
)

// The zones change their clocks at whole quarters of an hour UTC, as the model needs.
var zoneNames = []string{
	"UTC", "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
	"America/Santiago", "Pacific/Chatham",
}

var commonCadences = []bursar.Cadence{
	{N: 1, Unit: bursar.UnitMinute}, {N: 5, Unit: bursar.UnitMinute}, {N: 7, Unit: bursar.UnitMinute}, {N: 15, Unit: bursar.UnitMinute},
	{N: 90, Unit: bursar.UnitMinute}, {N: 1, Unit: bursar.UnitHour}, {N: 5, Unit: bursar.UnitHour}, {N: 6, Unit: bursar.UnitHour},
	{N: 24, Unit: bursar.UnitHour}, {N: 1, Unit: bursar.UnitDay}, {N: 1, Unit: bursar.UnitDay}, {N: 10, Unit: bursar.UnitDay},
	{N: 1, Unit: bursar.UnitWeek}, {N: 2, Unit: bursar.UnitWeek}, {N: 1, Unit: bursar.UnitMonth}, {N: 1, Unit: bursar.UnitMonth},
	{N: 3, Unit: bursar.UnitMonth}, {N: 1, Unit: bursar.UnitYear}, {N: 100, Unit: bursar.UnitYear},
}

func randomCadence(r *rand.Rand) bursar.Cadence {
	if r.IntN(10) == 0 {
		return bursar.Cadence{N: 1 + r.IntN(40), Unit: bursar.CadenceUnit(1 + r.IntN(6))}
	}
	return pick(r, commonCadences)
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// chance is true in one of n cases.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }
