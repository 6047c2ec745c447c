package engine

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lane.mu.Lock()
	defer e.lane.mu.Unlock()
	return len(e.lane.queue)
}
