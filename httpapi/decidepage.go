package httpapi

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// DecidePage serves the page at which the recipient of a message decides a boost request. Opening it
// changes nothing, as scanners of mail open links: its buttons do.
func (a *API) DecidePage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	page := decidePage{}
	status := http.StatusOK
	l, err := a.decides.link(strings.TrimPrefix(r.URL.Path, DecidePath), a.engine.Now())
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		h.Set("Allow", "GET, HEAD, POST")
		status, err = http.StatusMethodNotAllowed, errors.New("This page takes GET and POST.")
	case err != nil:
		status = http.StatusNotFound
	default:
		status, err = a.decide(r, &l, &page)
	}
	if err != nil {
		page.Problem = err.Error()
	}
	w.WriteHeader(status)
	if err := decideTemplate.Execute(w, &page); err != nil {
		a.log.Debug("a page was not read to its end", "err", err)
	}
}

// decide shows the request of a link and, posted to, decides it.
func (a *API) decide(r *http.Request, l *DecideLink, page *decidePage) (status int, problem error) {
	status = http.StatusOK
	if r.Method == http.MethodPost {
		answer := ledger.AnswerLinked{Endpoint: l.Endpoint, RequestID: l.RequestID}
		if problem = readAnswer(r, &answer); problem != nil {
			return http.StatusBadRequest, problem
		}
		linked, _, err := a.engine.AnswerLinked(r.Context(), l.CustomerID, answer)
		if err == nil {
			page.show(&linked)
			return status, nil
		}
		status, problem = a.refusedPage(err)
	}
	linked, _, err := a.engine.LinkedRequest(r.Context(), l.CustomerID, l.Endpoint, l.RequestID)
	switch {
	case err == nil:
		page.show(&linked)
	case problem == nil:
		return a.refusedPage(err)
	}
	return status, problem
}

// readAnswer reads the form of the page.
func readAnswer(r *http.Request, o *ledger.AnswerLinked) error {
	r.Body = http.MaxBytesReader(nil, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		return errors.New("The form could not be read. Go back and try again.")
	}
	if note := strings.TrimSpace(r.PostForm.Get("note")); note != "" {
		o.Note = &note
	}
	switch r.PostForm.Get("answer") {
	case "approve":
		o.Approves = true
	case "decline":
	default:
		return errors.New("The form has no answer. Go back and try again.")
	}
	return nil
}

// refusedPage says why something was refused.
func (a *API) refusedPage(err error) (int, error) {
	var e *bursar.Error
	if !errors.As(err, &e) {
		a.log.Error("a page failed", "err", err)
		return http.StatusInternalServerError, errors.New("Something went wrong. Try again later.")
	}
	status := statusOf(e.Code)
	if status == http.StatusNotFound {
		return status, errEndedLink
	}
	return status, errors.New(e.Message)
}

// decidePage is what the page shows.
type decidePage struct {
	Problem string
	Linked  *ledger.LinkedRequest // nil = the link leads to none
	Form    bool                  // the request is open, and the reader may decide it
}

func (p *decidePage) show(l *ledger.LinkedRequest) {
	p.Linked, p.Form = l, l.MayDecide && l.Request.Status == bursar.BoostRequestOpen
}

// Said is where a request stands that the reader cannot decide.
func (p *decidePage) Said() string {
	r := &p.Linked.Request
	by := ""
	if r.DecidedBy != nil {
		by = " by " + *r.DecidedBy
	}
	switch r.Status {
	case bursar.BoostRequestOpen:
		return "Nobody has decided. By this link you may not decide it, as whoever made the notification may not."
	case bursar.BoostRequestApproved:
		return "Approved" + by + ": " + r.ApprovedAmount.String() + " more until " + r.ApprovedExpiresAt.String() + "."
	case bursar.BoostRequestDeclined:
		return "Declined" + by + "."
	case bursar.BoostRequestExpired:
		return "The request has expired: nobody decided in time."
	}
	return "The request was withdrawn, or its limit is gone."
}

var decideTemplate = template.Must(template.New("decide").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>Boost request</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
dt { opacity: .75; } dd { margin: 0 0 .6rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
button { font: inherit; padding: .5rem 1.2rem; margin: 1rem .6rem 0 0; min-height: 2.75rem; }
</style></head><body><main>
<h1>Boost request</h1>
{{with .Problem}}<p role="alert"><strong>{{.}}</strong></p>{{end}}
{{with .Linked}}{{$r := .Request}}<p>{{$r.RequestedBy}} asks for {{$r.Amount}} more {{$r.Capability.ID}} for {{$r.EntityID}}.</p>
<dl>
<dt>Used now</dt><dd>{{.Used}}{{with .Limit}} of {{.}}{{end}}</dd>
<dt>Until</dt><dd>{{$r.ExpiresAt}}</dd>
{{with $r.Reason}}<dt>Reason</dt><dd>{{.}}</dd>{{end}}
<dt>Customer</dt><dd>{{.CustomerID}}</dd>
</dl>{{end}}
{{if .Form}}<form method="post"><label for="note">A note to who asked (it may be left out)</label><input id="note" name="note" maxlength="500" autocomplete="off">
<p>Approving raises the limit by {{.Linked.Request.Amount}} until {{.Linked.Request.ExpiresAt}}. You decide as {{.Linked.Recipient}}.</p>
<button name="answer" value="approve">Approve</button><button name="answer" value="decline">Decline</button></form>
{{else if .Linked}}<p role="status"><strong>{{.Said}}</strong></p>{{end}}
</main></body></html>
`))
