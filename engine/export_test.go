package engine

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lanes[0].mu.Lock()
	defer e.lanes[0].mu.Unlock()
	return len(e.lanes[0].queue)
}

// FeedSize is how much a watcher may miss.
const FeedSize = feedSize

// Forget drops a customer from memory, as after a commit of unknown outcome.
func (e *Engine) Forget(customer string) { e.dropID(customer) }
