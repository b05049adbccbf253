package bench

import (
	"slices"
	"time"
)

// verdict says what became of a run's acknowledged events.
type verdict struct {
	Lost    int // not in the inbox, given up, or without their effect
	Waiting int // not processed yet
	Twice   int // effects that came more than once
	Known   int // in the inbox, the not acknowledged ones included

	backlog  int             // events that were not processed when the last one was received
	draining time.Duration   // how long these took
	endToEnd []time.Duration // from received to processed, sorted
}

// time works out how long the events took. All its times are of the server's clock.
func (v *verdict) time(found []event) {
	var lastReceived, lastProcessed time.Time
	for _, e := range found {
		if e.ReceivedAt.After(lastReceived) {
			lastReceived = e.ReceivedAt.Time
		}
	}
	for _, e := range found {
		if e.ProcessedAt.IsZero() {
			continue
		}
		v.endToEnd = append(v.endToEnd, e.ProcessedAt.Sub(e.ReceivedAt.Time))
		if e.ProcessedAt.After(lastReceived) {
			v.backlog++
		}
		if e.ProcessedAt.After(lastProcessed) {
			lastProcessed = e.ProcessedAt.Time
		}
	}
	v.draining = max(0, lastProcessed.Sub(lastReceived))
	slices.Sort(v.endToEnd)
}
