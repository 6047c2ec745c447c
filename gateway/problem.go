package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// problem is why a call was not sent, or got no reply.
type problem struct {
	status  int
	code    bursar.Code
	message string
	retry   bool // the same call may succeed in a moment
	denial  *denial
}

// denial is what stopped a call.
type denial struct {
	Code     bursar.Code     `json:"code"`
	Binding  *client.Binding `json:"binding"`
	ResetsAt *bursar.Time    `json:"resetsAt"`
	Frozen   *client.Frozen  `json:"frozen,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
}

func (p *problem) Error() string { return string(p.code) + ": " + p.message }

// codeUnavailable is given while the server cannot be asked.
const codeUnavailable = bursar.CodeGovernanceUnavailable

// problemOf is what a caller learns of an error of the server.
func problemOf(err error) *problem {
	var e *client.Error
	if !errors.As(err, &e) || e.Status >= 500 || e.Status == http.StatusRequestTimeout {
		return &problem{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "the budget of this call cannot be looked up now, so it was not sent", retry: true}
	}
	p := &problem{status: e.Status, code: e.Code, message: e.Message, retry: e.Status == http.StatusTooManyRequests}
	if e.Status == http.StatusPaymentRequired {
		p.denial = &denial{e.Code, e.Binding, e.ResetsAt, e.Frozen, e.Warnings}
	}
	return p
}

// anthropicTypes are the types of errors that Anthropic documents for statuses.
var anthropicTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
	404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
}

// openaiTypes are those of OpenAI.
var openaiTypes = map[int]string{
	400: "invalid_request_error", 401: "invalid_request_error", 402: "insufficient_quota", 403: "invalid_request_error",
	404: "invalid_request_error", 409: "invalid_request_error", 413: "invalid_request_error", 429: "rate_limit_error",
}

type openaiError struct {
	Message string      `json:"message"`
	Type    string      `json:"type"`
	Param   *string     `json:"param"`
	Code    bursar.Code `json:"code"`
	Bursar  *denial     `json:"bursar,omitempty"`
}

type anthropicError struct {
	Type    string      `json:"type"`
	Message string      `json:"message"`
	Code    bursar.Code `json:"code"`
	Bursar  *denial     `json:"bursar,omitempty"`
}

// body is the problem as the SDKs of kind read errors.
func (p *problem) body(kind string) []byte {
	var v any
	if kind == kindAnthropic {
		what := anthropicTypes[p.status]
		if what == "" {
			what = "api_error"
		}
		v = struct {
			Type  string         `json:"type"`
			Error anthropicError `json:"error"`
		}{"error", anthropicError{what, p.message, p.code, p.denial}}
	} else {
		what := openaiTypes[p.status]
		if what == "" {
			what = "server_error"
		}
		v = struct {
			Error openaiError `json:"error"`
		}{openaiError{Message: p.message, Type: what, Code: p.code, Bursar: p.denial}}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"error":{"message":"the error cannot be shown"}}`)
	}
	return b
}

// refuse answers with p. Both kinds of SDK go by x-should-retry before they go by the status.
func refuse(w http.ResponseWriter, kind string, p *problem) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Should-Retry", strconv.FormatBool(p.retry))
	h.Set("Bursar-Error", string(p.code))
	if p.retry {
		h.Set("Retry-After", "1")
	}
	inTime(w)
	w.WriteHeader(p.status)
	w.Write(p.body(kind)) // a caller that is gone needs no answer
}
