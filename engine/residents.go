package engine

import (
	"hash/maphash"
	"sync"
)

// residents are the customers in memory, by id, in shards, so that requests for different
// customers seldom meet. A shard is locked for one look-up; replace also calls may under
// the lock, and all goes through the whole shard.
type residents struct {
	seed   maphash.Seed
	shards [64]shard
}

type shard struct {
	mu sync.Mutex
	of map[string]*customer
}

func newResidents() *residents {
	r := &residents{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].of = map[string]*customer{}
	}
	return r
}

func (r *residents) shard(id string) *shard {
	return &r.shards[maphash.String(r.seed, id)%uint64(len(r.shards))]
}

// pin finds a customer, or makes one that the caller has to load, and pins it.
func (r *residents) pin(id string) (c *customer, made bool) {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.of[id]; c == nil {
		c, made = &customer{id: id, ready: make(chan struct{})}, true
		s.of[id] = c
	}
	c.pins++
	return c, made
}

// unpin ends a pin. The last one of a customer that is not worth keeping lets it go.
func (r *residents) unpin(c *customer) {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.pins--
	if c.pins == 0 && s.of[c.id] == c && (c.err != nil || !c.hasLog.Load()) {
		delete(s.of, c.id)
	}
}

// get finds a customer that has been loaded; nil = there is none.
func (r *residents) get(id string) *customer {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.of[id]; c != nil && c.loaded() {
		return c
	}
	return nil
}

// has tells whether c is what requests for it get.
func (r *residents) has(c *customer) bool {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[c.id] == c
}

// replace puts another, or nobody for nil, in c's place, if c has it and may allows it.
// may is called with the shard locked: nobody pins c meanwhile.
func (r *residents) replace(c, another *customer, may func() bool) bool {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[c.id] != c || may != nil && !may() {
		return false
	}
	if another == nil {
		delete(s.of, c.id)
	} else {
		s.of[c.id] = another
	}
	return true
}

// remove takes out whoever has the id; nil = nobody.
func (r *residents) remove(id string) *customer {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[id]
	delete(s.of, id)
	return c
}

func (r *residents) pinned(c *customer) bool {
	s := r.shard(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.pins > 0
}

// all are those that have been loaded, in no order. Its cost grows with their number: nothing
// that is done all the time may call it.
func (r *residents) all() (out []*customer) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, c := range s.of {
			if c.loaded() {
				out = append(out, c)
			}
		}
		s.mu.Unlock()
	}
	return out
}

func (c *customer) loaded() bool {
	select {
	case <-c.ready:
		return c.err == nil
	default:
		return false
	}
}
