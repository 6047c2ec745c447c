package httpapi

import "net/http"

// crossOrigin adds the headers that let a configured browser origin read the reply, and
// answers its preflight requests (done). Other origins get no header: the browser
// keeps the reply from them.
func (q *request) crossOrigin() (done bool, err error) {
	if len(q.api.cors) == 0 {
		return false, nil
	}
	h := q.w.Header()
	h.Add("Vary", "Origin")
	origin := q.r.Header.Get("Origin")
	if !q.api.cors[origin] {
		return false, nil
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, X-Bursar-Version, X-Bursar-Age-Ms, Idempotency-Replayed, Retry-After, ETag")
	if q.r.Method != http.MethodOptions || q.r.Header.Get("Access-Control-Request-Method") == "" {
		return false, nil
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, X-API-KEY, Content-Type, Idempotency-Key, If-Match, X-Request-Id, Traceparent, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	h.Set("X-Request-Id", q.id)
	q.status = http.StatusNoContent
	q.w.WriteHeader(q.status)
	return true, nil
}
