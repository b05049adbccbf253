package inspector

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// chart shows the deliveries of each minute of the last hour as stacked bars. The template draws it as SVG. A bar of Most deliveries is
// barHeight high.
type chart struct {
	Bars              []bar
	Series            []series
	Total, Most, Half int64
}

// bar is one minute. X counts the minutes from the left.
type bar struct {
	X     int
	At    models.Time
	Title string
	Parts []part
}

// Left is the x coordinate of the bar's left edge.
func (b bar) Left() int { return 42 + b.X*16 }

// Labelled reports whether the time is written below the bar.
func (b bar) Labelled() bool { return b.X%15 == 0 }

// part is the part of a bar that shows one result: a rectangle of this height, Y below the top of the chart.
type part struct {
	Class     string
	Y, Height float64
}

// series is one result, or several results that are shown as one.
type series struct {
	Class, Name string
	Of          []string // keys of models.Minute.Counts
	Total       int64
}

// results lists the series from the bottom of the bars upwards.
func results() []series {
	return []series{
		{Class: "ok", Name: "applied", Of: []string{"applied"}},
		{Class: "quiet", Name: "no effect", Of: []string{"stale", "ignored", "duplicate", "sandbox"}},
		{Class: "info", Name: "waiting", Of: []string{"queued"}},
		{Class: "warn", Name: "quarantined", Of: []string{"quarantined"}},
		{Class: "bad", Name: "failed", Of: []string{"failed"}},
		{Class: "rejected", Name: "rejected", Of: []string{"rejected"}},
	}
}

const barHeight = 122.0

func newChart(l models.Load, rejected []handlers.Rejection, now time.Time) chart {
	counts := map[int64]map[string]int64{} // by minute since 1970
	for _, m := range l.Minutes {
		counts[m.At.Unix()/60] = maps.Clone(m.Counts)
	}
	for _, r := range rejected {
		minute := r.Time.Unix() / 60
		if counts[minute] == nil {
			counts[minute] = map[string]int64{}
		}
		counts[minute]["rejected"]++
	}
	c := chart{Series: results(), Most: 4}
	first := now.Unix()/60 - 59
	for x := range int64(60) {
		sum := int64(0)
		for _, n := range counts[first+x] {
			sum += n
		}
		c.Most, c.Total = max(c.Most, sum), c.Total+sum
	}
	c.Most = roundUp(c.Most)
	c.Half = c.Most / 2
	for x := range 60 {
		minute := first + int64(x)
		c.Bars = append(c.Bars, c.bar(x, models.At(time.Unix(minute*60, 0)), counts[minute]))
	}
	c.Series = slices.DeleteFunc(c.Series, func(s series) bool { return s.Total == 0 })
	return c
}

// bar stacks the results of a minute, and adds them to the totals of the series.
func (c *chart) bar(x int, at models.Time, counts map[string]int64) bar {
	b := bar{X: x, At: at, Title: at.Format("15:04")}
	top := barHeight
	for n := range c.Series {
		s := &c.Series[n]
		sum := int64(0)
		for _, key := range s.Of {
			sum += counts[key]
		}
		if sum == 0 {
			continue
		}
		height := barHeight * float64(sum) / float64(c.Most)
		top -= height
		s.Total += sum
		b.Parts = append(b.Parts, part{s.Class, top, height})
		b.Title += fmt.Sprintf(", %d %s", sum, s.Name)
	}
	return b
}

// roundUp rounds n up to an even number that suits as the end of a scale. n is at least 4.
func roundUp(n int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, step := range []int64{4, 6, 8, 10, 20} {
			if step*unit >= n {
				return step * unit
			}
		}
	}
}
