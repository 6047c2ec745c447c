package httpapi

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type simulateIn struct {
	customerPath
	freshness
	StartDate   bursar.Time    `json:"startDate" is:"required"`
	EndDate     *bursar.Time   `json:"endDate" doc:"Now when left out."`
	Assignments []assignmentIn `json:"assignments" is:"n=0-100" doc:"Drafts of limits. One with the natural key of an existing limit stands in for it. Required, unless defaults are given."`
	Defaults    []defaultIn    `json:"defaults" is:"n=0-100" doc:"Drafts of default limits. Each entity that one would limit now is judged by itself."`
}

// simulationOut is what drafts of limits would have done to past usage.
type simulationOut struct {
	StartDate bursar.Time          `json:"startDate"`
	EndDate   bursar.Time          `json:"endDate"`
	Replayed  int                  `json:"replayed" doc:"Usage records that the drafts applied to."`
	Note      string               `json:"note"`
	Drafts    []simulatedDraftOut  `json:"drafts"`
	Stopped   []simulatedStopOut   `json:"stopped" doc:"The first 100, in order of time."`
	Entities  []simulatedEntityOut `json:"entities" doc:"The 100 that would have lost most records, most first."`
}

type simulatedDraftOut struct {
	Index          int           `json:"index" doc:"Its place in assignments, or behind them in defaults."`
	Stopped        int           `json:"stopped"`
	StoppedUsage   bursar.Amount `json:"stoppedUsage"`
	StoppedLimits  int           `json:"stoppedLimits" doc:"How many limits would have stopped them: of a default, one for each entity."`
	FirstStoppedAt *bursar.Time  `json:"firstStoppedAt"`
	PeakUsage      bursar.Amount `json:"peakUsage" doc:"The highest use of a window of one limit that it would have allowed."`
}

type simulatedStopOut struct {
	Timestamp bursar.Time   `json:"timestamp"`
	EntityID  *string       `json:"entityId" doc:"The lowest entity that the usage was attributed to."`
	Draft     int           `json:"draft"`
	Amount    bursar.Amount `json:"amount"`
	Used      bursar.Amount `json:"used" doc:"Of the draft's window before it."`
}

type simulatedEntityOut struct {
	EntityID       *string       `json:"entityId"`
	Draft          int           `json:"draft" doc:"Which stopped it first."`
	Stopped        int           `json:"stopped"`
	StoppedUsage   bursar.Amount `json:"stoppedUsage"`
	FirstStoppedAt bursar.Time   `json:"firstStoppedAt"`
}

const simulationNote = "accepted usage only: requests that were denied at the time are not in the log"

func viewSimulation(s *ledger.Simulation) simulationOut {
	out := simulationOut{
		StartDate: s.From, EndDate: s.To, Replayed: s.Replayed, Note: simulationNote, Drafts: make([]simulatedDraftOut, len(s.Drafts)),
		Stopped: make([]simulatedStopOut, len(s.Stopped)), Entities: make([]simulatedEntityOut, len(s.Entities)),
	}
	for i, d := range s.Drafts {
		out.Drafts[i] = simulatedDraftOut{Index: d.Index, Stopped: d.Stopped, StoppedUsage: d.StoppedUsage, StoppedLimits: d.StoppedLimits, FirstStoppedAt: timeOrNil(d.FirstStopped), PeakUsage: d.Peak}
	}
	for i, x := range s.Stopped {
		out.Stopped[i] = simulatedStopOut{Timestamp: x.Timestamp, EntityID: orNil(&x.EntityID), Draft: x.Draft, Amount: x.Amount, Used: x.Used}
	}
	for i, x := range s.Entities {
		out.Entities[i] = simulatedEntityOut{EntityID: orNil(&x.EntityID), Draft: x.Draft, Stopped: x.Stopped, StoppedUsage: x.StoppedUsage, FirstStoppedAt: x.FirstStopped}
	}
	return out
}

// simulate backtests drafts of limits. It writes nothing. What takes longer than a request
// becomes a job where an API key asks; an access token is to ask for less.
func (a *API) simulate(c call, in *simulateIn) (out outOrJob, _ uint64, _ error) {
	if in.EndDate != nil && *in.EndDate <= in.StartDate {
		return out, 0, bursar.ErrorAt("/endDate", bursar.CodeValidationFailed, "must be after startDate")
	}
	drafts, err := assignmentInputs(in.Assignments, "/assignments")
	if err != nil {
		return out, 0, err
	}
	defaults, err := defaultInputs(in.Defaults)
	if err != nil {
		return out, 0, err
	}
	input := ledger.SimulateInput{From: in.StartDate, To: orZero(in.EndDate), Drafts: drafts, Defaults: defaults}
	ctx, cancel := context.WithTimeout(c.ctx, a.jobWait)
	defer cancel()
	got, version, err := a.engine.Simulate(ctx, c.options(), in.CustomerID, input)
	switch {
	case err == nil:
		return outOrJob{viewSimulation(&got)}, version, nil
	case ctx.Err() == nil, c.ctx.Err() != nil, !hasCode(err, bursar.CodeGovernanceUnavailable) && !errors.Is(err, context.DeadlineExceeded):
		return out, version, err // it is not for want of time
	case c.token != nil:
		return out, version, bursar.ErrorAt("/startDate", bursar.CodeTooMuchToRead,
			"replaying the usage since then takes longer than a request may: take a later startDate, or limits of a shorter cadence")
	}
	j, err := a.engine.StartSimulate(c.ctx, c.by, in.CustomerID, input)
	if err != nil {
		return out, version, err
	}
	return c.accept(j), version, nil
}
