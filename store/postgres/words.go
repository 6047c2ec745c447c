package postgres

import "math/bits"

// muladd is v×by + add for the 128-bit v. What the schema's numerics of this program
// hold fits; what does not wraps around.
func muladd(hi, lo, by, add uint64) (uint64, uint64) {
	over, low := bits.Mul64(lo, by)
	low, carry := bits.Add64(low, add, 0)
	return hi*by + over + carry, low
}

func negate(hi, lo uint64) (uint64, uint64) {
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return hi, lo
}
