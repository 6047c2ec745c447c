//go:build linux

package main

import "math/bits"

// hist counts latencies in buckets that are at most 1.6 % wide.
type hist struct {
	counts [64 * histSub]uint64
	n      uint64
	max    int64
}

const histSub = 64 // buckets of each power of two

func (h *hist) add(ns int64) {
	ns = max(ns, 0)
	h.max = max(h.max, ns)
	h.n++
	if ns < histSub {
		h.counts[ns]++
		return
	}
	e := bits.Len64(uint64(ns)) - 1
	h.counts[(e-5)*histSub+int(ns>>(e-6))&(histSub-1)]++
}

func (h *hist) merge(o *hist) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n, h.max = h.n+o.n, max(h.max, o.max)
}

// quantile is in microseconds.
func (h *hist) quantile(q float64) float64 {
	if h.n == 0 {
		return 0
	}
	want, sum := uint64(q*float64(h.n)), uint64(0)
	for i, c := range h.counts {
		if sum += c; sum <= want {
			continue
		}
		ns := int64(i)
		if i >= histSub {
			e := i/histSub + 5
			ns = (histSub + int64(i%histSub)) << (e - 6)
		}
		return float64(ns) / 1e3
	}
	return float64(h.max) / 1e3
}
