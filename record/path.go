package record

// Usage series tell usage apart by the entities that it was charged to. Each way through
// the tree, with all its chains and as it was when the usage came, is a path with a
// number; beside the buckets of each entity there is one of the whole path, under
// UsesByPath, whose child is that number. Usage of a path without a number is in the
// buckets of the entities alone: what was recorded before there were numbers, and what
// came when there was no room for another one. What of an entity's usage was told apart
// is the sum of its paths; the rest is the difference.

// PathNamed gives the next number to a path; usage that follows it is told apart by it.
type PathNamed struct{ Path []Hop }

func (*PathNamed) Kind() Kind { return kindPath }

func (r *PathNamed) encode(e *Encoder) { encodePath(e, r.Path) }

func (r *PathNamed) decode(d *Decoder) { r.Path = DecodePath(d) }
