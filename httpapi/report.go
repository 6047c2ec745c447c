package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar/ledger"
)

// ingested notes what became of a report: in the metrics and in whether the reply is one
// that was given before. It is the version of the customer when there is but one.
func (c call) ingested(got []ledger.UsageItem, versions map[string]uint64) (version uint64) {
	duplicates := 0
	for i := range got {
		if got[i].Duplicate {
			duplicates++
		} else {
			c.api.metrics.warned(got[i].Warnings, got[i].In.Dimensions)
		}
	}
	c.replayed = duplicates == len(got)
	c.api.metrics.duplicates.Add(float64(duplicates))
	c.api.metrics.recorded.Add(float64(len(got) - duplicates))
	c.api.observed.used(c.now, len(got)-duplicates)
	return theOnly(versions)
}

// theOnly is the version of the only customer that a report is about, 0 when there are
// several.
func theOnly(versions map[string]uint64) (version uint64) {
	if len(versions) == 1 {
		for _, version = range versions {
		}
	}
	return version
}

// reportOut is the reply to a report whose items get none of their own.
type reportOut struct {
	Warnings []string `json:"warnings,omitempty"`
}

// add adds the warnings of an item, each once.
func (out *reportOut) add(warnings []string) {
	for _, w := range warnings {
		if !slices.Contains(out.Warnings, w) {
			out.Warnings = append(out.Warnings, w)
		}
	}
}
