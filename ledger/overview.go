package ledger

// What an operator sees first: figures of all customers in memory, read when they are asked for.

// Closest is a limit that is nearly used up.
type Closest struct {
	CustomerID string
	Row        TreeRow
}

func (v *View) DisplayNames(ids []string) map[string]string {
	names := map[string]string{}
	if c := v.Cust(); c != nil && c.Name != nil {
		names[""] = *c.Name
	}
	for _, id := range ids {
		if ord := v.EntOrd(id); ord != 0 && v.Ent(ord).Name != nil {
			names[id] = *v.Ent(ord).Name
		}
	}
	return names
}

// MaxSpenders bounds the customers whose spending an overview asks the store about.
const MaxSpenders = 1000

// Counting customers.
const (
	CountPage  = 1000
	MaxCounted = 100_000
)
