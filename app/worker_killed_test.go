package app_test

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// A worker that is killed in the middle of a transaction leaves nothing of it behind, and another one takes the event once the claim
// has run out: after 15 s, not after asynq's lease.
func TestWorkerKilledInTransaction(t *testing.T) {
	t.Parallel()
	b := backend{databaseURL: newPostgresURL(t)}
	path := build(t)
	addr, admin := testservers.FreeAddress(t), testservers.FreeAddress(t)
	doomed := launch(t, path, "doomed", environment(b, addr, admin)...)
	r := remote(t, addr, admin)
	applicant := uuid.NewString()
	first := reviewed(t, applicant, "approved", now)
	r.eventually("it accepts", func() bool {
		status, _, err := r.trySend("trustgate", first, func(http.Header) {})
		return err == nil && status == http.StatusOK
	})
	r.settle()

	lock := lockCustomer(t, b, applicant)
	second := reviewed(t, applicant, "rejected", now.Add(time.Hour))
	r.accept("trustgate", second)
	r.eventually("the worker waits in its transaction", func() bool {
		return b.count(t, "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
	})
	doomed.kill()
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if n := b.count(t, "SELECT COUNT(*) FROM processed_events"); n != 1 {
		t.Errorf("%d events are recorded as processed, want only the first", n)
	}
	heir := start(t, b)
	heir.settle()
	took := time.Since(killed)
	t.Logf("processed %s after the kill", took.Round(time.Millisecond))
	if took > models.ClaimTimeout+10*time.Second { // some seconds for a machine that is busy; the lease lasts 75 s at the least
		t.Errorf("taken over after %s, want it after %s", took, models.ClaimTimeout)
	}
	heir.applied([]string{gjson.GetBytes(first, "event_id").Str, gjson.GetBytes(second, "event_id").Str})
	if c := heir.customer(applicant); c.Status != models.Rejected || c.Revision != 2 {
		t.Errorf("status %s revision %d, want rejected by two events", c.Status, c.Revision)
	}
}

// lockCustomer holds the row of a person until the transaction ends.
func lockCustomer(t *testing.T, b backend, subject string) *sql.Tx {
	t.Helper()
	db, err := sql.Open("pgx", b.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tx.Rollback() // the test has done so, unless it failed
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := tx.Exec("SELECT id FROM customers WHERE subject_id = $1 FOR UPDATE", subject); err != nil {
		t.Fatal(err)
	}
	return tx
}
