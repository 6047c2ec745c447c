package engine

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lane.mu.Lock()
	defer e.lane.mu.Unlock()
	n := 0
	for _, q := range e.lane.queues {
		n += len(q.reqs)
	}
	return n
}

// FeedSize is how much a watcher may miss.
const FeedSize = feedSize

// Forget drops a customer from memory, as after a commit of unknown outcome.
func (e *Engine) Forget(customer string) { e.dropID(customer) }
