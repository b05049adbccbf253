package bench

import (
	"math"
	"slices"
	"time"
)

// sent is what came of a load.
type sent struct {
	events     []int64         // the numbers of the acknowledged ones
	took       []time.Duration // until an event was acknowledged, at a rate from when it was due
	elapsed    time.Duration
	refused    int // answers other than 200
	unanswered int // deliveries whose connection broke
	repeated   int // deliveries of events that were acknowledged
	misjudged  int // new events that were called duplicates, and duplicates that were not
}

func (s *sent) add(other sent) {
	s.events = append(s.events, other.events...)
	s.took = append(s.took, other.took...)
	s.refused += other.refused
	s.unanswered += other.unanswered
	s.repeated += other.repeated
	s.misjudged += other.misjudged
}

// speed sorts the times.
func (s sent) speed() Speed {
	slices.Sort(s.took)
	return Speed{float64(len(s.events)) / s.elapsed.Seconds(), Latency{
		ms(percentile(s.took, 0.5)), ms(percentile(s.took, 0.95)), ms(percentile(s.took, 0.99)), ms(percentile(s.took, 1)),
	}}
}

// percentile returns the least of the sorted times that the given share of them does not exceed; 0 of none.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
