package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/jobs"
)

// TestReadiness: probes are shared for a second, and a failed one begins an outage, which the relay ends.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var probes int
	var probeErr error
	now := time.Unix(1_800_000_000, 0)
	r := newReadiness(func(context.Context) error { probes++; return probeErr }, jobs.NewOutage("down", slog.New(slog.NewTextHandler(&log, nil))))
	r.now = func() time.Time { return now }
	down := errors.New("disk full")
	for i, c := range []struct {
		later  time.Duration
		down   error
		want   error
		probes int
		lines  int
	}{
		{0, nil, nil, 1, 0},
		{time.Millisecond, down, nil, 1, 0}, // not asked yet
		{probeEvery, down, down, 2, 1},
		{0, nil, down, 2, 1},
		{probeEvery, down, down, 3, 1},
		{probeEvery, nil, nil, 4, 1},
	} {
		now, probeErr = now.Add(c.later), c.down
		got := r.check(t.Context())
		if lines := strings.Count(log.String(), "\n"); !errors.Is(got, c.want) || probes != c.probes || lines != c.lines {
			t.Errorf("step %d: %v after %d probes and %d lines, want %v, %d, %d", i, got, probes, lines, c.want, c.probes, c.lines)
		}
	}
}
