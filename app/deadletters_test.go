package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// poisoned is how many events TestDeadLetters makes: more than asynq's archive holds, which drops the oldest above 10,000.
const poisoned = 25_000

// All events that fail stay listed, each with its reason, and can be replayed: as a trial, a few, slowly, or all at once.
func TestDeadLetters(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		n := poisoned
		if testing.Short() {
			n = 1000
		}
		r := start(t, b)
		r.poison(n)
		r.buried(n)
		const all = "/api/replay?status=failed&provider=trst"
		var would struct {
			N int `json:"would_replay"`
		}
		r.call(http.MethodPost, all+"&dry_run=true", http.StatusOK, &would)
		if would.N != n {
			t.Errorf("a trial would replay %d, want %d", would.N, n)
		}
		replay := func(query string, want int) {
			t.Helper()
			var got struct{ Replayed int }
			if r.call(http.MethodPost, all+query, http.StatusAccepted, &got); got.Replayed != want {
				t.Errorf("replay%s: %d, want %d", query, got.Replayed, want)
			}
		}
		replay("&limit=100&rate=5", 100) // the last of them in 20 s
		r.eventually("the first of the slow replay has failed again", func() bool {
			return b.count(t, "SELECT COUNT(*) FROM events WHERE status = 'failed'") > n-100
		})
		if waiting := b.count(t, "SELECT COUNT(*) FROM events WHERE status = 'received'"); waiting < 20 {
			t.Errorf("%d of 100 wait for their turn, want most of them", waiting)
		}
		r.call(http.MethodPost, all, http.StatusAccepted, &struct{}{}) // all but those
		r.buried(n)
	})
}

// poison sends n events, each of a person that it does not name.
func (r *running) poison(n int) {
	r.t.Helper()
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				body := fmt.Appendf(nil, `{"event_id":"poison-%d","timestamp":"2026-03-02T10:00:00Z","project_id":"p","data":{"event_type":"enrollment.completed"}}`, i)
				if status, answer, err := r.trySend("trst", body, func(http.Header) {}); status != http.StatusOK || err != nil {
					r.t.Errorf("answered %d %s %v", status, answer, err)
					return
				}
			}
		})
	}
	senders.Wait()
}

// buried waits until n events have failed, and reads all of them page by page.
func (r *running) buried(n int) {
	r.t.Helper()
	r.within(5*time.Minute, "all have failed", func() bool {
		var stats struct{ Events map[models.EventStatus]int }
		r.get("/api/stats", &stats)
		return stats.Events[models.Failed] == n
	})
	seen := map[int64]bool{}
	for cursor := ""; ; {
		var page struct {
			Events []models.Event
			Next   string `json:"next_cursor"`
		}
		r.get("/api/events?status=failed&limit=500&cursor="+cursor, &page)
		for _, e := range page.Events {
			seen[e.ID] = true
			if e.LastError != "permanent: payload has no ID of the person" {
				r.t.Fatalf("event %d: error %q, want what it lacks", e.ID, e.LastError)
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
