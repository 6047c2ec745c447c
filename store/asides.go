package store

// Asides counts the commits Aside at the end of the catalogue's log, for stores that keep such a
// count: the last n commits up to seq are Aside. After one that is not, the count begins anew.
type Asides struct{ seq, n uint64 }

// Add counts the commit Aside with seq.
func (a *Asides) Add(seq uint64) {
	if a.seq+1 != seq {
		a.n = 0
	}
	a.seq, a.n = seq, a.n+1
}

// Rule tells whether a customer's commit that was decided with the catalogue at seq may be
// written while that ends at end.
func (a Asides) Rule(seq, end uint64) bool {
	if seq == end || a.seq != end {
		return seq == end
	}
	return end-a.n <= seq && seq < end
}
