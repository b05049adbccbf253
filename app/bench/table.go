package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable prints the report for people.
func (r Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s; %s; %d connections, %.1f s", r.Server, strings.Join(r.Providers, ", "), r.Connections, r.Seconds)
	if r.Rate > 0 {
		fmt.Fprintf(w, ", %s events/s wanted", thousands(r.Rate))
	}
	if r.Interrupted {
		fmt.Fprint(w, "; interrupted")
	}
	fmt.Fprint(w, "\n\n")
	if err := r.writeSpeeds(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return r.writeFacts(w)
}

// writeSpeeds prints a column for each number.
func (r Report) writeSpeeds(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, s Speed) {
		l := s.Latency
		fmt.Fprintf(t, "  %-32s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, thousands(s.PerSecond), l.P50, l.P95, l.P99, l.Max)
	}
	fmt.Fprintf(t, "  %-32s\tper second\tp50 ms\tp95 ms\tp99 ms\tmax ms\t\n", "")
	if r.BaselineBefore != nil {
		row("bare net/http + HMAC, before", *r.BaselineBefore)
	}
	row("acknowledged: synced to disk", Speed{r.AcksPerSecond, r.AckLatency})
	if r.BaselineAfter != nil {
		row("bare net/http + HMAC, after", *r.BaselineAfter)
	}
	return t.Flush()
}

// writeFacts prints a line for each number.
func (r Report) writeFacts(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "  "+name+"\t"+format+"\n", args...) }
	line("acknowledged, share of bare", "%s", known(r.AckRatio, "%.2f"))
	line("acknowledged", "%s events", thousands(float64(r.Acknowledged)))
	line("refused, unanswered", "%d, %d", r.Refused, r.Unanswered)
	if r.Repeated > 0 || r.Misjudged > 0 {
		line("sent again", "%d", r.Repeated)
		line("wrongly called new or duplicate", "%d", r.Misjudged)
	}
	line("received to processed", "p50 %.1f ms, p99 %.1f ms", r.EndToEndP50, r.EndToEndP99)
	line("backlog after sending", "%s events", thousands(float64(r.Backlog)))
	if r.DrainPerSecond == nil {
		line("drain", "–  (too little was waiting)")
	} else {
		line("drain", "%s events/s", thousands(*r.DrainPerSecond))
	}
	if r.AsynqPerSecond != nil {
		line("asynq with an empty handler", "%s tasks/s", thousands(*r.AsynqPerSecond))
		line("drain, share of asynq", "%s", known(r.DrainRatio, "%.2f"))
	}
	line("lost", "%d", r.Lost)
	line("applied twice", "%d", r.AppliedTwice)
	if r.Waiting > 0 {
		line("not processed yet", "%d", r.Waiting)
	}
	memory := "–"
	if r.PeakMemory != nil {
		memory = fmt.Sprintf("%.0f MB", float64(*r.PeakMemory)/1e6)
	}
	line("peak memory of the server", "%s", memory)
	line("CPU per event", "server %s, generator %s", known(r.ServerCPU, "%.0f µs"), known(r.GeneratorCPU, "%.0f µs"))
	return t.Flush()
}

// known prints a number, or a dash for one that is not known.
func known(n *float64, format string) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprintf(format, *n)
}

// thousands prints a number without a fraction, with commas.
func thousands(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
