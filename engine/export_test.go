package engine

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lanes[0].mu.Lock()
	defer e.lanes[0].mu.Unlock()
	return len(e.lanes[0].queue)
}
