package app_test

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// All events that fail stay listed, each with its reason, and can be replayed: as a trial, a few, slowly, or all at once.
func TestDeadLetters(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		const n = 1000 // two pages
		r := start(t, b)
		r.poison(n)
		r.deadLetters(n)
		const all = "/api/replay?status=failed"
		var would struct {
			N int `json:"would_replay"`
		}
		r.call(http.MethodPost, all+"&dry_run=true", http.StatusOK, &would)
		if would.N != n {
			t.Errorf("a trial would replay %d, want %d", would.N, n)
		}
		var got struct{ Replayed int }
		r.call(http.MethodPost, all+"&limit=100&rate=5", http.StatusAccepted, &got) // the last of them in 20 s
		if got.Replayed != 100 {
			t.Errorf("replayed %d, want 100", got.Replayed)
		}
		r.eventually("the first of the slow replay has failed again", func() bool { return r.stats()[models.Failed] > n-100 })
		if waiting := n - r.stats()[models.Failed]; waiting < 20 {
			t.Errorf("%d of 100 wait for their turn, want most of them", waiting)
		}
		r.call(http.MethodPost, all, http.StatusAccepted, &struct{}{}) // all but those
		r.deadLetters(n)
	})
}

// poison sends n events that cannot be applied.
func (r *running) poison(n int) {
	r.t.Helper()
	v := anyVerdicts(r.t)
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				body := v.yes.event("poison-"+strconv.FormatInt(i, 10), unusable, now)
				if status, answer, err := r.trySend(v.provider, body, func(http.Header) {}); status != http.StatusOK || err != nil {
					r.t.Errorf("answered %d %s %v", status, answer, err)
					return
				}
			}
		})
	}
	senders.Wait()
}

// deadLetters waits until n events have failed, and reads all of them page by page.
func (r *running) deadLetters(n int) {
	r.t.Helper()
	within(r.t, 5*time.Minute, "all have failed", func() bool { return r.stats()[models.Failed] == n })
	seen := map[int64]bool{}
	for cursor := ""; ; {
		var page struct {
			Events []models.Event
			Next   string `json:"next_cursor"`
		}
		r.get("/api/events?status=failed&limit=500&cursor="+cursor, &page)
		for _, e := range page.Events {
			seen[e.ID] = true
			if e.Error == "" {
				r.t.Fatalf("event %d failed without a reason", e.ID)
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(seen) != n {
		r.t.Errorf("%d events are listed, want %d", len(seen), n)
	}
}
