package app_test

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // a connection beside the app's
	_ "github.com/mattn/go-sqlite3"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// now is the provider's time in these tests.
var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// count asks the database through a connection of its own, which sees only what is committed.
func (b backend) count(t *testing.T, query string, args ...any) int {
	t.Helper()
	driver, source := "pgx", b.databaseURL
	if path, isSQLite := strings.CutPrefix(b.databaseURL, "sqlite:"); isSQLite {
		driver, source = "sqlite3", "file:"+path+"?mode=ro"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var n int
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A 200 means that the event is committed: another connection sees it. That a commit is synced to disk is asserted where
// the setting is made, in package models.
func TestAcknowledgedMeansStored(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		for range 50 {
			body := reviewed(t, uuid.NewString(), "approved", now)
			r.accept("trustgate", body)
			if n := b.count(t, "SELECT COUNT(*) FROM events WHERE external_id = $1", gjson.GetBytes(body, "event_id").Str); n != 1 {
				t.Fatalf("acknowledged, and %d rows in the inbox", n)
			}
		}
	})
}

// Fifty deliveries of one event at once are one event with one effect.
func TestConcurrentDuplicates(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		applicant := uuid.NewString()
		body := reviewed(t, applicant, "approved", now)
		var mu sync.Mutex
		answers := map[string]int{}
		var senders sync.WaitGroup
		for range 50 {
			senders.Go(func() {
				status, answer, err := r.trySend("trustgate", body, func(http.Header) {})
				if status != http.StatusOK || err != nil {
					t.Errorf("answered %d %s %v, want 200", status, answer, err)
				}
				mu.Lock()
				defer mu.Unlock()
				answers[answer]++
			})
		}
		senders.Wait()
		if answers[`{"status":"accepted"}`] != 1 || answers[`{"status":"duplicate"}`] != 49 {
			t.Fatalf("answers %v, want 1 accepted and 49 duplicates", answers)
		}
		r.settle()
		list := r.events("")
		if len(list) != 1 || list[0].Deliveries != 50 || list[0].Outcome != models.Applied {
			t.Fatalf("events %v, want one of 50 deliveries, applied", list)
		}
		if c := r.customer(applicant); c.Revision != 1 {
			t.Fatalf("revision %d, want 1", c.Revision)
		}
	})
}

// A delivery with a wrong signature leaves no trace, so the genuine one after it counts.
func TestForgedThenGenuine(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		applicant := uuid.NewString()
		body := reviewed(t, applicant, "approved", now)
		status, _, err := r.trySend("trustgate", body, func(h http.Header) {
			h.Set("X-Webhook-Signature", strings.Repeat("ab", 32))
		})
		if status != http.StatusUnauthorized || err != nil {
			t.Fatalf("forged delivery answered %d %v, want 401", status, err)
		}
		if n := b.count(t, "SELECT COUNT(*) FROM events"); n != 0 {
			t.Fatalf("forged delivery left %d rows", n)
		}
		r.accept("trustgate", body)
		r.settle()
		if c := r.customer(applicant); c.Status != models.Verified {
			t.Fatalf("status %s, want verified", c.Status)
		}
	})
}

// The ID of another event with another body is answered 200, kept beside it and never applied.
func TestSameIDOtherBody(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		applicant := uuid.NewString()
		first := reviewed(t, applicant, "rejected", now)
		id := gjson.GetBytes(first, "event_id").Str
		other := sample(t, "trustgate/applicant.reviewed", "event_id", id, "data.applicant_id", applicant)
		r.accept("trustgate", first)
		for range 3 { // its repeats change nothing either
			if status, _ := r.send("trustgate", other); status != http.StatusOK {
				t.Fatalf("other body answered %d, want 200", status)
			}
		}
		r.settle()
		if c := r.customer(applicant); c.Status != models.Rejected || c.Revision != 1 {
			t.Fatalf("status %s revision %d, want rejected 1", c.Status, c.Revision)
		}
		list := r.events("status=quarantined")
		if len(list) != 1 || list[0].ExternalID != id || list[0].Deliveries != 3 {
			t.Fatalf("quarantined %v, want one of 3 deliveries", list)
		}
		if !strings.Contains(r.log.String(), "event quarantined") {
			t.Error("nothing about it in the log")
		}
		var replayed struct{ Replayed int }
		r.call(http.MethodPost, "/api/replay?status=quarantined", http.StatusAccepted, &replayed)
		if replayed.Replayed != 0 {
			t.Error("a quarantined event was replayed")
		}
	})
}

// An older verdict that arrives late does not undo a newer one: paypal/mirakl-hyperwallet-connector#35 by name.
func TestLateOlderEvent(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		applicant := uuid.NewString()
		r.accept("trustgate", reviewed(t, applicant, "approved", now))
		r.settle()
		r.accept("trustgate", reviewed(t, applicant, "required", now.Add(-time.Hour)))
		r.settle()
		if c := r.customer(applicant); c.Status != models.Verified || c.Revision != 2 {
			t.Fatalf("status %s revision %d, want verified 2", c.Status, c.Revision)
		}
		if list := r.events("outcome=stale"); len(list) != 1 {
			t.Fatalf("%d stale events, want the late one", len(list))
		}
		r.accept("trustgate", reviewed(t, applicant, "rejected", now.Add(time.Hour)))
		r.settle()
		if c := r.customer(applicant); c.Status != models.Rejected {
			t.Fatalf("status %s, want the newer verdict, rejected", c.Status)
		}
	})
}

// An event whose payload does not fit fails alone, visibly, and can be replayed.
func TestPoisonEvent(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		bodies := [][]byte{
			sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "data.risk_score", "high"),
			sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "data", []int{1}),
			sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "data.applicant_id", ""),
			sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "data.reviewed_by", "a\x00b"),
			[]byte(`{"event_type":"applicant.reviewed"`),
			[]byte("\xff\xfe"),
			sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "timestamp", "yesterday"),
			sample(t, "trustgate/applicant.reviewed", "event_id", nil),
			[]byte(strings.Repeat("[", 200_000)),
		}
		for _, body := range bodies {
			r.accept("trustgate", body)
		}
		good := uuid.NewString()
		r.accept("trustgate", reviewed(t, good, "approved", now))
		r.settle()
		failed := r.events("status=failed")
		if len(failed) != len(bodies) {
			t.Fatalf("%d failed events, want %d", len(failed), len(bodies))
		}
		for _, e := range failed {
			if e.LastError == "" {
				t.Errorf("event %d failed without a reason", e.ID)
			}
		}
		if c := r.customer(good); c.Status != models.Verified {
			t.Fatalf("the good event beside them led to %s, want verified", c.Status)
		}
		var replayed struct{ Replayed int }
		r.call(http.MethodPost, "/api/replay?status=failed", http.StatusAccepted, &replayed)
		if replayed.Replayed != len(bodies) {
			t.Fatalf("replayed %d, want %d", replayed.Replayed, len(bodies))
		}
		r.settle()
		if n := len(r.customers("")); n != 1 {
			t.Errorf("%d customers, want only the good one", n)
		}
		if n := len(r.events("status=failed")); n != len(bodies) {
			t.Fatalf("%d failed after the replay, want %d: nothing has mended them", n, len(bodies))
		}
	})
}

// A shutdown answers what was sent, and finishes the attempts under way: nothing is left half done, and what is left is due
// again at the next start.
func TestShutdownFinishesInFlight(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		r := start(t, b)
		var mu sync.Mutex
		var acknowledged []string
		var senders sync.WaitGroup
		for range 8 {
			senders.Go(func() {
				for {
					body := reviewed(t, uuid.NewString(), "approved", now)
					status, _, err := r.trySend("trustgate", body, func(http.Header) {})
					if err != nil {
						return // the listener is closed
					}
					if status != http.StatusOK {
						t.Errorf("answered %d while shutting down, want 200 or no connection", status)
					}
					mu.Lock()
					acknowledged = append(acknowledged, gjson.GetBytes(body, "event_id").Str)
					mu.Unlock()
				}
			})
		}
		r.eventually("some events are processed", func() bool { return len(r.events("status=processed")) > 50 })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		senders.Wait()
		if n := b.count(t, "SELECT COUNT(*) FROM events WHERE status = 'queued' AND attempts > 0"); n != 0 {
			t.Errorf("%d events were left in the middle of an attempt", n)
		}
		again := start(t, b)
		again.settle()
		again.applied(acknowledged)
	})
}

// A connection that has sent nothing does not hold up a shutdown.
func TestShutdownClosesSilentConnections(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	conn, err := net.Dial("tcp", r.app.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	started := time.Now()
	if err := r.stop(); err != nil || time.Since(started) > 4*time.Second {
		t.Errorf("stopped after %s with %v", time.Since(started), err)
	}
}

// Ten replicas may start at once on an empty database.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	b := backend{databaseURL: newPostgresURL(t)}
	var starts sync.WaitGroup
	for range 10 {
		starts.Go(func() {
			if _, err := tryStart(t, b); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
}
