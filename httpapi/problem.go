package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// statuses of codes, but for those that end in NotFound, which are 404.
var statuses = map[bursar.Code]int{
	bursar.CodeValidationFailed:    400,
	bursar.CodeUnknownField:        400,
	bursar.CodeUnknownParameter:    400,
	bursar.CodeUnsupportedField:    400,
	bursar.CodeInvalidAmount:       400,
	bursar.CodeInvalidCursor:       400,
	bursar.CodeInvalidCadence:      400,
	bursar.CodeUnknownMeter:        400,
	bursar.CodeEntityTypeRequired:  400,
	bursar.CodeEntityTypeArchived:  400,
	bursar.CodeEntityTypeInUse:     400,
	bursar.CodeParentNotFound:      400,
	bursar.CodeHierarchyCycle:      400,
	bursar.CodeHierarchyTooDeep:    400,
	bursar.CodeTimestampOutOfRange: 400,
	bursar.CodeFeatureHasMeter:     400,
	bursar.CodeRateNotFound:        400,
	bursar.CodeTooMuchToRead:       400,
	bursar.CodeHistoryTrimmed:      400,

	bursar.CodeUnauthenticated: 401,
	bursar.CodeForbidden:       403,

	bursar.CodeBudgetExceeded:          402,
	bursar.CodeRequestedUsageExceeding: 402,
	bursar.CodeInsufficientCredits:     402,
	bursar.CodeEntityIsFrozen:          402,
	bursar.CodeUngoverned:              402,
	bursar.CodeCustomerIsFrozen:        402,

	bursar.CodeMethodNotAllowed: 405,
	codeRequestTimeout:          408,

	bursar.CodeAlreadyExists:        409,
	bursar.CodeIdempotencyKeyReused: 409,
	bursar.CodeAllocationExceeded:   409,
	bursar.CodeReservationClosed:    409,
	bursar.CodeCurrencyInUse:        409,
	bursar.CodeCustomerIsArchived:   409,
	bursar.CodeLastFullKey:          409,
	bursar.CodeGrantNotVoidable:     409,
	bursar.CodeRevisionMismatch:     409,
	bursar.CodeTooManyLimits:        409,
	bursar.CodeInsufficientBudget:   409,
	bursar.CodeBoostRequestClosed:   409,
	bursar.CodeTooManyBoostRequests: 409,

	bursar.CodeTooLarge:              413,
	bursar.CodeUnsupportedMediaType:  415,
	bursar.CodeRateLimited:           429,
	bursar.CodeInternal:              500,
	bursar.CodeGovernanceUnavailable: 503,
	bursar.CodeOverloaded:            503,
}

// hasCode reports whether err is an error of ours with the code.
func hasCode(err error, code bursar.Code) bool {
	var e *bursar.Error
	return errors.As(err, &e) && e.Code == code
}

func statusOf(code bursar.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	if strings.HasSuffix(string(code), "NotFound") {
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// retryable tells whether the same request may succeed later.
func retryable(code bursar.Code) bool {
	return code == bursar.CodeGovernanceUnavailable || code == bursar.CodeOverloaded || code == codeRequestTimeout
}

// notResendable marks an error after which the same request might count twice.
type notResendable struct{ error }

func (e notResendable) Unwrap() error { return e.error }

// fail answers err. It is the one place where errors become replies.
func (q *request) fail(err error) {
	if q.status != 0 {
		return // a panic after the reply
	}
	var replay *ledger.Replay
	if errors.As(err, &replay) {
		q.version, q.replayed = replay.Version, true
		q.send(replay.Status, append(q.out[:0], replay.Body...))
		return
	}
	var e *bursar.Error
	if !errors.As(err, &e) {
		e = q.hide(err)
	}
	q.code = e.Code
	status := statusOf(e.Code)
	if status >= 500 && q.err == nil {
		q.err = err
	}
	retry := retryable(e.Code)
	if status == 408 || status == 409 || status == 429 || status >= 500 {
		safe := retry && !errors.As(err, new(notResendable))
		q.w.Header().Set("X-Should-Retry", strconv.FormatBool(safe))
	}
	if e.Code == bursar.CodeGovernanceUnavailable || e.Code == bursar.CodeOverloaded {
		q.w.Header().Set("Retry-After", "1")
	}
	q.send(status, q.appendProblem(q.out[:0], e, status, retry))
}

// hide is what a client learns of an internal error: nothing but whether it may try
// again.
func (q *request) hide(err error) *bursar.Error {
	q.err = err
	switch {
	case errors.Is(err, store.ErrNotCommitted), errors.Is(err, store.ErrPoisoned), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled), q.ctx.Err() != nil, q.api.engine.Ready() != nil:
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return bursar.Errorf(bursar.CodeGovernanceUnavailable, "the answer took longer than the %v that a request may; nothing was granted", requestTimeout)
		}
		return bursar.Errorf(bursar.CodeGovernanceUnavailable, "the store cannot answer now; nothing is granted meanwhile")
	}
	return bursar.Errorf(bursar.CodeInternal, "something went wrong here; the log has it under request %s", q.id)
}

const problemBase = "https://bursar.dev/problems/"

// appendProblem appends the problem document of e.
func (q *request) appendProblem(b []byte, e *bursar.Error, status int, retry bool) []byte {
	message := located(e)
	b = append(b, `{"code":`...)
	b = appendString(b, string(e.Code))
	b = append(b, `,"message":`...)
	b = appendString(b, message)
	b = append(b, `,"type":`...)
	b = appendString(b, problemBase+string(e.Code))
	b = append(b, `,"title":`...)
	b = appendString(b, title(e.Code))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, message)
	b = append(b, `,"instance":`...)
	b = appendString(b, "urn:bursar:request:"+q.id)
	b = append(b, `,"retryable":`...)
	b = strconv.AppendBool(b, retry)
	if len(e.Fields) > 0 {
		b = appendFieldErrors(append(b, `,"errors":`...), e.Fields[:min(len(e.Fields), maxProblems)])
	}
	if d := e.Denial; d != nil {
		b = appendBinding(append(b, `,"binding":`...), d.Binding)
		b = append(b, `,"resetsAt":`...)
		if d.Binding != nil {
			b = appendTimeOrNull(b, d.Binding.Node.ResetsAt)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, `,"chains":`...)
		b = appendAdvice(appendChains(b, d.Chains), &d.Advice)
		b = appendWarnings(appendFrozen(b, d.Frozen), d.Warnings)
	}
	if x := e.Allocation; x != nil {
		b = appendBare(append(b, `,"allocation":`...), viewAllocationProblem(x))
	}
	if len(e.Conflicts) > 0 {
		b = appendBare(append(b, `,"conflicts":`...), viewConflicts(e.Conflicts))
	}
	return append(b, '}')
}

// allocationProblem says how a write broke a strict allocation.
type allocationProblem struct {
	AssignmentID string         `json:"assignmentId" doc:"The strict limit."`
	EntityID     string         `json:"entityId"`
	UsageLimit   *bursar.Amount `json:"usageLimit"`
	Allocated    bursar.Amount  `json:"allocated" doc:"What the limits below it would add up to."`
	Available    bursar.Amount  `json:"available" doc:"What would fit."`
}

func viewAllocationProblem(x *bursar.AllocationProblem) allocationProblem {
	return allocationProblem{x.AssignmentID, x.EntityID, x.UsageLimit, x.Allocated, x.Available}
}

// located is the message of e with its place, and how many more there are.
func located(e *bursar.Error) string {
	if len(e.Fields) == 0 || e.Fields[0].Pointer == "" {
		return e.Message
	}
	message := e.Fields[0].Pointer + ": " + e.Message
	if more := len(e.Fields) - 1; more > 0 {
		message += " (and " + strconv.Itoa(more) + " more)"
	}
	return message
}

func appendFieldErrors(b []byte, fields []bursar.FieldError) []byte {
	b = append(b, '[')
	for i := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"pointer":`...)
		b = appendString(b, fields[i].Pointer)
		b = append(b, `,"code":`...)
		b = appendString(b, string(fields[i].Code))
		b = append(b, `,"detail":`...)
		b = appendString(b, fields[i].Detail)
		b = append(b, '}')
	}
	return append(b, ']')
}

// title is the code in words: "CustomerNotFound" is "Customer not found".
func title(code bursar.Code) string {
	var b []byte
	for i := 0; i < len(code); i++ {
		c := code[i]
		if upper := 'A' <= c && c <= 'Z'; upper && i > 0 {
			b = append(b, ' ', c+'a'-'A')
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// reason is what err says, without the code that an error of ours begins with.
func reason(err error) string {
	var e *bursar.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
