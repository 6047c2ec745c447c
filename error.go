package bursar

import "fmt"

// Code names one kind of failure or denial. Codes are part of the API: they never
// change their meaning and clients branch on them.
type Code string

const (
	CodeValidationFailed    Code = "ValidationFailed"
	CodeUnknownField        Code = "UnknownField"
	CodeUnknownParameter    Code = "UnknownParameter"
	CodeUnsupportedField    Code = "UnsupportedField"
	CodeInvalidAmount       Code = "InvalidAmount"
	CodeInvalidCursor       Code = "InvalidCursor"
	CodeInvalidCadence      Code = "InvalidCadence"
	CodeUnknownMeter        Code = "UnknownMeter"
	CodeEntityTypeRequired  Code = "EntityTypeRequired"
	CodeEntityTypeArchived  Code = "EntityTypeArchived"
	CodeEntityTypeInUse     Code = "EntityTypeInUse"
	CodeParentNotFound      Code = "ParentNotFound"
	CodeHierarchyCycle      Code = "HierarchyCycle"
	CodeHierarchyTooDeep    Code = "HierarchyTooDeep"
	CodeTimestampOutOfRange Code = "TimestampOutOfRange"
	CodeTooMuchToRead       Code = "TooMuchToRead"
	CodeRateNotFound        Code = "RateNotFound"
	CodeFeatureHasMeter     Code = "CannotReportUsageForEntitlementWithMeterError"

	CodeUnauthenticated Code = "Unauthenticated"
	CodeForbidden       Code = "Forbidden"

	CodeBudgetExceeded           Code = "BudgetExceeded"
	CodeRequestedUsageExceeding  Code = "RequestedUsageExceedingLimit"
	CodeUngoverned               Code = "Ungoverned"
	CodeInsufficientCredits      Code = "InsufficientCredits"
	CodeCustomerNotFound         Code = "CustomerNotFound"
	CodeFeatureNotFound          Code = "FeatureNotFound"
	CodeCurrencyNotFound         Code = "CurrencyNotFound"
	CodeEntitlementNotFound      Code = "EntitlementNotFound"
	CodeEntityTypeNotFound       Code = "EntityTypeNotFound"
	CodeEntityNotFound           Code = "EntityNotFound"
	CodeAssignmentNotFound       Code = "AssignmentNotFound"
	CodeDefaultNotFound          Code = "DefaultNotFound"
	CodeDegradePolicyNotFound    Code = "DegradePolicyNotFound"
	CodeNotificationNotFound     Code = "NotificationNotFound"
	CodeReservationNotFound      Code = "ReservationNotFound"
	CodeAPIKeyNotFound           Code = "ApiKeyNotFound"
	CodeRateCardNotFound         Code = "RateCardNotFound"
	CodeGrantNotFound            Code = "GrantNotFound"
	CodeAccessTokenNotFound      Code = "AccessTokenNotFound"
	CodeSpendTokenNotFound       Code = "SpendTokenNotFound"
	CodeBoostNotFound            Code = "BoostNotFound"
	CodeBoostRequestNotFound     Code = "BoostRequestNotFound"
	CodePromotionNotFound        Code = "PromotionalEntitlementNotFound"
	CodeWebhookNotFound          Code = "WebhookNotFound"
	CodeDeliveryNotFound         Code = "DeliveryNotFound"
	CodeJobNotFound              Code = "JobNotFound"
	CodeUnknown                  Code = "Unknown"
	CodeHistoryTrimmed           Code = "HistoryTrimmed"
	CodeNotFound                 Code = "NotFound"
	CodeMethodNotAllowed         Code = "MethodNotAllowed"
	CodeFeatureTypeMismatch      Code = "FeatureTypeMismatch"
	CodeCustomerResourceNotFound Code = "CustomerResourceNotFound"

	CodeAlreadyExists        Code = "AlreadyExists"
	CodeIdempotencyKeyReused Code = "IdempotencyKeyReused"
	CodeReservationClosed    Code = "ReservationClosed"
	CodeCurrencyInUse        Code = "CurrencyInUse"
	CodeCustomerIsArchived   Code = "CustomerIsArchived"
	CodeCustomerIsFrozen     Code = "CustomerIsFrozen"
	CodeEntityIsFrozen       Code = "EntityIsFrozen"
	CodeLastFullKey          Code = "LastFullKey"
	CodeAllocationExceeded   Code = "AllocationExceeded"
	CodeGrantNotVoidable     Code = "GrantNotVoidable"
	CodeRevisionMismatch     Code = "RevisionMismatch"
	CodeTooManyLimits        Code = "TooManyLimits"
	CodeInsufficientBudget   Code = "InsufficientBudget"
	CodeBoostRequestClosed   Code = "BoostRequestClosed"
	CodeTooManyBoostRequests Code = "TooManyBoostRequests"

	CodeTooLarge              Code = "TooLarge"
	CodeUnsupportedMediaType  Code = "UnsupportedMediaType"
	CodeRateLimited           Code = "RateLimited"
	CodeInternal              Code = "Internal"
	CodeOverloaded            Code = "Overloaded"
	CodeGovernanceUnavailable Code = "GovernanceUnavailable"
)

// FieldError points at one bad place of a request.
type FieldError struct {
	// Pointer is an RFC 6901 JSON pointer into the body, or "?name" for a query
	// parameter.
	Pointer string `json:"pointer"`
	Code    Code   `json:"code"`
	Detail  string `json:"detail"`
}

// Error is the one error type that users see. Any other error is internal: it is
// logged and answered as CodeInternal without its text.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError
	// Denial is set when consume or reserve was refused by a limit (the 402 replies).
	Denial *Decision
	// Allocation is set with CodeAllocationExceeded.
	Allocation *AllocationProblem
	// Conflicts are set with CodeRevisionMismatch: what the request would have changed.
	Conflicts []Conflict
}

// AllocationProblem says how a write broke a strict allocation.
type AllocationProblem struct {
	AssignmentID string  // the strict limit
	EntityID     string  // its entity
	UsageLimit   *Amount // of the strict limit
	Allocated    Amount  // what the limits below it would add up to
	Available    Amount  // UsageLimit less what the others below it have: what would fit
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Errorf makes an Error that points at no place of the request.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrorAt makes an Error that points at one place of the request.
func ErrorAt(pointer string, code Code, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Code: code, Message: msg, Fields: []FieldError{{Pointer: pointer, Code: code, Detail: msg}}}
}

// Problems gathers the bad places of a bulk request, so that one reply names all of
// them. The zero value is ready.
type Problems struct {
	fields    []FieldError
	conflicts []Conflict
}

// Add notes one bad place.
func (p *Problems) Add(pointer string, code Code, format string, args ...any) {
	p.fields = append(p.fields, FieldError{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Join notes what others noted, after what was noted before.
func (p *Problems) Join(others ...*Problems) {
	for _, o := range others {
		p.fields, p.conflicts = append(p.fields, o.fields...), append(p.conflicts, o.conflicts...)
	}
}

// Empty reports whether nothing was noted.
func (p *Problems) Empty() bool { return len(p.fields) == 0 }

// Err is nil when nothing was noted; otherwise an Error whose code and message are
// those of the first bad place.
func (p *Problems) Err() error {
	if len(p.fields) == 0 {
		return nil
	}
	return &Error{Code: p.fields[0].Code, Message: p.fields[0].Detail, Fields: p.fields, Conflicts: p.conflicts}
}

// Fields are the bad places so far.
func (p *Problems) Fields() []FieldError { return p.fields }
