package httpapi

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// checkQuery describes the query of a check, which parseCheck reads.
type checkQuery struct {
	customerPath
	FeatureID       string             `query:"featureId" doc:"Exactly one of featureId and currencyId."`
	CurrencyID      string             `query:"currencyId"`
	RequestedUsage  bursar.Amount      `query:"requestedUsage" is:"min=0,default=1"`
	Dimensions      []bursar.Dimension `query:"dimensions" doc:"dimensions[key]=value. Those that name entities resolve to the limits to check."`
	RequestedValues []string           `query:"requestedValues" is:"n=0-100" doc:"Not for metered features: denied when not empty."`
	ResourceID      string             `query:"resourceId" doc:"There are no resources: denied when not empty."`
	Strict          bool               `query:"strict"`
	freshness
}

var checkShape = shapeOf(reflect.TypeFor[checkQuery]())

type checkInput struct {
	ledger.CheckInput
	fresh freshness
	// refusal is a reason to deny that needs no look at the customer.
	refusal bursar.Code
}

// parseCheck reads the query of a check without reflection.
func (q *request) parseCheck(in *checkInput) error {
	if err := q.parseQuery(); err != nil {
		return err
	}
	in.Requested = bursar.AmountFromInt(1)
	var feature, currency string
	var requested, strict, version, staleness string
	for i := range q.query {
		p := &q.query[i]
		var err error
		code := bursar.CodeValidationFailed
		switch p.name {
		case "featureId":
			err = once(&feature, p)
		case "currencyId":
			err = once(&currency, p)
		case "requestedUsage":
			if err = once(&requested, p); err == nil {
				code = bursar.CodeInvalidAmount
				in.Requested, err = readRequested(p.value)
			}
		case "dimensions":
			if in.Dimensions, err = addDims(in.Dimensions, p); err != nil {
				return bursar.ErrorAt(dimPointer(p), code, "%v", err)
			}
		case "requestedValues":
			in.refusal = bursar.CodeFeatureTypeMismatch
		case "resourceId":
			if in.refusal == "" {
				in.refusal = bursar.CodeCustomerResourceNotFound
			}
		case "strict":
			if err = once(&strict, p); err == nil {
				if in.Strict = p.value == "true"; !in.Strict && p.value != "false" {
					err = errors.New("must be true or false")
				}
			}
		case "minVersion":
			if err = once(&version, p); err == nil {
				if in.fresh.MinVersion, err = strconv.ParseUint(p.value, 10, 53); err != nil {
					err = errors.New("must be a whole number from 0 on")
				}
			}
		case "maxStalenessMs":
			if err = once(&staleness, p); err == nil {
				if in.fresh.MaxStalenessMs, err = strconv.Atoi(p.value); err != nil || in.fresh.MaxStalenessMs < 0 || in.fresh.MaxStalenessMs > 3_600_000 {
					err = errors.New("must be a whole number of milliseconds from 0 to 3600000")
				}
			}
		default:
			code, err = bursar.CodeUnknownParameter, errors.New(q.unknown(checkShape, p.name))
		}
		if err != nil {
			return bursar.ErrorAt("?"+p.name, code, "%v", err)
		}
	}
	var ok bool
	if in.Capability, ok = capability(feature, currency); !ok {
		return bursar.ErrorAt("?featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	return nil
}

func readRequested(text string) (bursar.Amount, error) {
	a, err := bursar.ParseAmount([]byte(text))
	if err == nil && a.Sign() < 0 {
		err = fmt.Errorf("must be 0 or more, not %v", a)
	}
	return a, err
}

// once takes the value of a parameter, unless it was given before.
func once(to *string, p *pair) error {
	if *to != "" {
		return errors.New("is given twice")
	}
	*to = p.value
	return nil
}

// check answers GET …/entitlements/check. It is by hand because it is the hot path: its
// query is read and its reply written without reflection.
func (a *API) check(q *request) error {
	var in checkInput
	if err := q.parseCheck(&in); err != nil {
		return err
	}
	var err error
	if in.Dimensions, err = q.mayAsk("?", in.Capability, in.Dimensions); err != nil {
		return err
	}
	var d bursar.Decision
	switch {
	case in.refusal != "":
		d = a.denied(in.Capability, in.refusal)
	case bursar.CheckCustomerID(q.customer()) != nil:
		d = a.denied(in.Capability, bursar.CodeCustomerNotFound)
	default:
		got, version, err := a.engine.Check(q.ctx, call{request: q, fresh: in.fresh}.options(), q.customer(), []ledger.CheckInput{in.CheckInput})
		if err != nil {
			return err
		}
		d, q.version = got[0], version
	}
	a.metrics.check(d.Granted, d.Reason)
	a.metrics.warned(d.Warnings, in.Dimensions)
	q.decided(kindCheck, in.Capability, in.Requested, in.Dimensions, &d)
	b := append(q.out[:0], `{"data":`...)
	b = appendDecision(b, &d, q.now)
	q.send(q.route.status, append(b, '}'))
	a.metrics.checked(q.start)
	return nil
}

// denied is the answer to a question about a customer that there cannot be.
func (a *API) denied(c bursar.Capability, reason bursar.Code) bursar.Decision {
	d := bursar.Decision{Capability: c, Reason: reason}
	a.engine.Catalogue().Show(&d)
	return d
}

// checksIn asks several questions at once.
type checksIn struct {
	customerPath
	freshness
	Checks []checkItem `json:"checks" is:"required,n=1-100"`
}

type checkItem struct {
	FeatureID      string             `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID     string             `json:"currencyId" is:"id"`
	RequestedUsage *bursar.Amount     `json:"requestedUsage" is:"min=0,default=1"`
	Dimensions     []bursar.Dimension `json:"dimensions"`
	Strict         bool               `json:"strict"`
}

// decisions are the answers to several questions.
type decisions struct {
	list []bursar.Decision
	now  bursar.Time
}

func (ds decisions) appendTo(b []byte) []byte {
	b = append(b, '[')
	for i := range ds.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDecision(b, &ds.list[i], ds.now)
	}
	return append(b, ']')
}

func (a *API) checks(c call, in *checksIn) (out decisions, _ uint64, _ error) {
	var problems bursar.Problems
	var err error
	inputs := make([]ledger.CheckInput, len(in.Checks))
	for i, item := range in.Checks {
		input := ledger.CheckInput{Requested: or(item.RequestedUsage, bursar.AmountFromInt(1)), Dimensions: item.Dimensions, Strict: item.Strict}
		var ok bool
		if input.Capability, ok = capability(item.FeatureID, item.CurrencyID); !ok {
			problems.Add("/checks/"+strconv.Itoa(i), bursar.CodeValidationFailed, errNotOneCapability)
		} else if input.Dimensions, err = c.mayAsk("/checks/"+strconv.Itoa(i), input.Capability, input.Dimensions); err != nil {
			return out, 0, err
		}
		inputs[i] = input
	}
	if err := problems.Err(); err != nil {
		return out, 0, err
	}
	out.now = c.now
	if bursar.CheckCustomerID(in.CustomerID) != nil {
		for _, input := range inputs {
			out.list = append(out.list, a.denied(input.Capability, bursar.CodeCustomerNotFound))
		}
		return out, 0, nil
	}
	var version uint64
	if out.list, version, err = a.engine.Check(c.ctx, c.options(), in.CustomerID, inputs); err != nil {
		return out, version, err
	}
	for i := range out.list {
		d := &out.list[i]
		a.metrics.check(d.Granted, d.Reason)
		a.metrics.warned(d.Warnings, inputs[i].Dimensions)
		c.decided(kindCheck, inputs[i].Capability, inputs[i].Requested, inputs[i].Dimensions, d)
	}
	return out, version, nil
}
