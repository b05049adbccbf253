package jobs

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// An outage has a line when it begins, one a minute while it lasts, and one when it is over.
func TestOutage(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	o := NewOutage("down", slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Unix(1_800_000_000, 0)
	o.now = func() time.Time { return now }
	down := errors.New("refused")
	for i, step := range []struct {
		later time.Duration
		err   error
		lines int
	}{
		{0, nil, 0}, {0, down, 1}, {time.Second, down, 1}, {outageLine, down, 2}, {time.Second, down, 2}, {time.Second, nil, 3},
		{time.Second, nil, 3}, {0, down, 4}, {0, nil, 5},
	} {
		now = now.Add(step.later)
		o.Note(step.err)
		if lines := strings.Count(log.String(), "\n"); lines != step.lines || o.Lasts() != (step.err != nil) {
			t.Errorf("step %d: %d lines, lasts %t, want %d, %t:\n%s", i, lines, o.Lasts(), step.lines, step.err != nil, log.String())
		}
	}
}
