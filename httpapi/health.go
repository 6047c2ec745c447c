package httpapi

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

// health is the answer of /healthz and /readyz.
type health struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func (health) envelope() {}

// healthz says that the process runs.
func (a *API) healthz(call, *nothing) (health, uint64, error) { return health{Status: "ok"}, 0, nil }

// readyz says whether requests should come here. Why the store is down is logged, not
// told. It is by hand because its reply is the same document with 200 and with 503.
func (a *API) readyz(q *request) error {
	out := health{Status: "ok", Checks: map[string]string{"store": "ok"}}
	status := http.StatusOK
	if err := a.engine.Ready(); err != nil {
		status, out.Status, out.Checks["store"], q.err = http.StatusServiceUnavailable, "unavailable", "unavailable", err
	}
	if a.draining.Load() {
		status, out.Status, out.Checks["server"] = http.StatusServiceUnavailable, "draining", "draining"
	}
	if status != http.StatusOK {
		q.w.Header().Set("X-Should-Retry", "true")
		q.w.Header().Set("Retry-After", "1")
	}
	b, err := appendReply(q.out[:0], out)
	if err != nil {
		return err
	}
	q.sendAs(jsonType, status, b)
	return nil
}

// serveOpenAPI is by hand because the document is made already.
func (a *API) serveOpenAPI(q *request) error {
	q.sendAs(jsonType, http.StatusOK, append(q.out[:0], openAPI...))
	return nil
}
