package httpapi

import "time"

// freshness bounds how old an answer may be.
type freshness struct {
	MinVersion     uint64 `query:"minVersion" is:"n=0-9007199254740991" doc:"Never answer from an older version of the customer."`
	MaxStalenessMs int    `query:"maxStalenessMs" is:"n=0-3600000" doc:"Accept an answer of this age, in milliseconds; the header X-Bursar-Age-Ms states how old it may be."`
}

func (f freshness) asked() freshness { return f }

// staleness is how old an answer may be.
func (f freshness) staleness() time.Duration {
	return time.Duration(f.MaxStalenessMs) * time.Millisecond
}
