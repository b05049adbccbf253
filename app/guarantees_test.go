package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// A 200 means that the event is committed: another connection sees it. That a commit is synced to disk is asserted in package
// models, where the setting is made.
func TestAcknowledgedMeansStored(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		for range 50 {
			id, body := v.verified()
			r.accept(v.provider, body)
			if n := b.count(t, "SELECT COUNT(*) FROM events WHERE external_id = $1", id); n != 1 {
				t.Fatalf("acknowledged, and %d rows in the inbox", n)
			}
		}
	})
}

// Fifty deliveries of one event at once are one event with one effect.
func TestConcurrentDuplicates(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		who := uuid.NewString()
		body := v.yes.event(uuid.NewString(), who, now)
		var mu sync.Mutex
		answers := map[string]int{}
		var senders sync.WaitGroup
		for range 50 {
			senders.Go(func() {
				status, answer, err := r.trySend(v.provider, body, func(http.Header) {})
				if status != http.StatusOK || err != nil {
					t.Errorf("answered %d %s %v, want 200", status, answer, err)
				}
				mu.Lock()
				defer mu.Unlock()
				answers[answer]++
			})
		}
		senders.Wait()
		if answers[accepted] != 1 || answers[duplicate] != 49 {
			t.Fatalf("answers %v, want 1 accepted and 49 duplicates", answers)
		}
		r.settle()
		list := r.events("")
		if len(list) != 1 || list[0].Deliveries != 50 || list[0].Outcome != models.Applied {
			t.Fatalf("events %+v, want one of 50 deliveries, applied", list)
		}
		if c := r.customer(who); c.Revision != 1 {
			t.Fatalf("revision %d, want 1", c.Revision)
		}
	})
}

// A delivery signed with another secret leaves no trace, so the genuine one after it counts.
func TestForgedThenGenuine(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		who := uuid.NewString()
		body := v.yes.event(uuid.NewString(), who, now)
		if status := r.forge(v.provider, body); status != http.StatusUnauthorized && status != http.StatusNotFound {
			t.Fatalf("forged delivery answered %d, want 401", status)
		}
		if n := b.count(t, "SELECT COUNT(*) FROM events"); n != 0 {
			t.Fatalf("forged delivery left %d rows", n)
		}
		r.accept(v.provider, body)
		r.settle()
		if c := r.customer(who); c.Status != models.StatusVerified {
			t.Fatalf("status %s, want verified", c.Status)
		}
	})
}

// forge sends a body that is signed with another secret, and returns the status.
func (r *running) forge(provider string, body []byte) (status int) {
	r.t.Helper()
	forger, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: "whsec_Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9y"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	forged := *r
	forged.providers = map[string]handlers.Provider{provider: forger}
	status, _ = forged.send(provider, body)
	return status
}

// The ID of another event with another body is answered 200, kept beside it and never applied.
func TestSameIDOtherBody(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		who, id := uuid.NewString(), uuid.NewString()
		r.accept(v.provider, v.no.event(id, who, now))
		r.settle()
		other := v.yes.event(id, who, now.Add(time.Hour))
		for range 3 { // its repeats change nothing either
			if status, _ := r.send(v.provider, other); status != http.StatusOK {
				t.Fatalf("other body answered %d, want 200", status)
			}
		}
		r.settle()
		if c := r.customer(who); c.Status != v.noStatus || c.Revision != 1 {
			t.Fatalf("status %s revision %d, want %s 1", c.Status, c.Revision, v.noStatus)
		}
		list := r.events("status=quarantined")
		if len(list) != 1 || list[0].ExternalID != id || list[0].Deliveries != 3 {
			t.Fatalf("quarantined %+v, want one of 3 deliveries", list)
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

// An event of which nothing could be applied accepts a corrected body, whether the correction comes before or after it has failed.
func TestCorrectedBody(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		for _, wait := range []bool{true, false} {
			who, id := uuid.NewString(), uuid.NewString()
			r.accept(v.provider, v.yes.event(id, unusable, now))
			if wait {
				r.settle()
			}
			if status, answer := r.send(v.provider, v.yes.event(id, who, now)); status != http.StatusOK {
				t.Fatalf("correction answered %d %s", status, answer)
			}
			r.settle()
			if c := r.customer(who); c.Status != models.StatusVerified {
				t.Errorf("status %s, want verified by the corrected body", c.Status)
			}
		}
		if n := len(r.events("status=quarantined")); n != 2 {
			t.Errorf("%d quarantined, want the two that were corrected", n)
		}
	})
}

// An older verdict that arrives late does not undo a newer one: paypal/mirakl-hyperwallet-connector#35 by name.
func TestLateOlderEvent(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		who := uuid.NewString()
		want := func(status models.Status, revision int) {
			t.Helper()
			r.settle()
			if c := r.customer(who); c.Status != status || c.Revision != revision {
				t.Fatalf("status %s revision %d, want %s %d", c.Status, c.Revision, status, revision)
			}
		}
		r.accept(v.provider, v.yes.event(uuid.NewString(), who, now))
		want(models.StatusVerified, 1)
		r.accept(v.provider, v.no.event(uuid.NewString(), who, now.Add(-time.Hour)))
		want(models.StatusVerified, 2)
		r.accept(v.provider, v.no.event(uuid.NewString(), who, now.Add(time.Hour)))
		want(v.noStatus, 3)
	})
}

// An event that cannot be read or applied fails alone, visibly, and can be replayed.
func TestPoisonEvent(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		bodies := [][]byte{
			[]byte(`{"unfinished":`), []byte("\xff\xfe"), []byte(strings.Repeat("[", 200_000)), []byte(`{}`), []byte(`[1]`),
			v.yes.event(uuid.NewString(), unusable, now),
		}
		for _, body := range bodies {
			r.accept(v.provider, body)
		}
		who := uuid.NewString()
		r.accept(v.provider, v.yes.event(uuid.NewString(), who, now))
		check := func() {
			t.Helper()
			r.settle()
			failed := r.events("status=failed")
			if len(failed) != len(bodies) {
				t.Fatalf("%d failed events, want %d", len(failed), len(bodies))
			}
			for _, e := range failed {
				if e.Error == "" {
					t.Errorf("event %d failed without a reason", e.ID)
				}
			}
			if list := r.customers(""); len(list) != 1 || list[0].SubjectID != who || list[0].Status != models.StatusVerified {
				t.Fatalf("customers %+v, want one, verified by the good event", list)
			}
		}
		check()
		var replayed struct{ Replayed int }
		r.call(http.MethodPost, "/api/replay?status=failed", http.StatusAccepted, &replayed)
		if replayed.Replayed != len(bodies) {
			t.Fatalf("replayed %d, want %d", replayed.Replayed, len(bodies))
		}
		check() // nothing has repaired them
	})
}

// A shutdown answers what was sent and finishes the attempts under way. What is left is processed after the next start.
func TestShutdownFinishesInFlight(t *testing.T) {
	onBothBackends(t, func(t *testing.T, b backend) {
		v, r := anyVerdicts(t), start(t, b)
		var mu sync.Mutex
		var acknowledged []string
		var senders sync.WaitGroup
		for range 8 {
			senders.Go(func() {
				for {
					id, body := v.verified()
					status, _, err := r.trySend(v.provider, body, func(http.Header) {})
					if err != nil {
						return // the listener is closed
					}
					if status == http.StatusServiceUnavailable {
						continue // the disk of a busy machine takes long; nothing was acknowledged
					}
					if status != http.StatusOK {
						t.Errorf("answered %d while shutting down, want 200 or no connection", status)
					}
					mu.Lock()
					acknowledged = append(acknowledged, id)
					mu.Unlock()
				}
			})
		}
		r.eventually("some events are processed", func() bool { return r.stats()[models.Processed] > 50 })
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		senders.Wait()
		if n := b.count(t, "SELECT COUNT(*) FROM pending_events WHERE attempts > 0"); n != 0 {
			t.Errorf("%d events were left in the middle of an attempt", n)
		}
		again := start(t, b)
		again.settle()
		again.applied(acknowledged)
	})
}

// After a clean stop the database is one complete file that can be copied.
func TestStopLeavesOneFile(t *testing.T) {
	t.Parallel()
	b := sqlite(t)
	r := start(t, b)
	ids := r.acceptNew(5)
	r.settle()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(strings.TrimPrefix(b.databaseURL, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, file, 0o600); err != nil {
		t.Fatal(err)
	}
	again := start(t, backend{databaseURL: "sqlite:" + copied})
	again.applied(ids)
}

// Ten replicas may start at once on an empty database.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	b := backend{databaseURL: testservers.DatabaseURL(t)}
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
