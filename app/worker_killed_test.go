package app_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// A worker that is killed in the middle of a transaction leaves nothing of it behind. Another one takes the event once the claim has
// run out: after 15 s, not after asynq's lease.
func TestWorkerKilledInTransaction(t *testing.T) {
	t.Parallel()
	v, b := anyVerdicts(t), backend{databaseURL: testservers.DatabaseURL(t)}
	doomed := launch(t, build(t), "all", b)
	who := uuid.NewString()
	doomed.say(v, v.yes, who, 0)

	lock, err := b.open(t).BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec("SELECT id FROM customers WHERE subject_id = $1 FOR UPDATE", who); err != nil {
		t.Fatal(err)
	}
	doomed.accept(v.provider, v.no.event(uuid.NewString(), who, now.Add(time.Hour)))
	doomed.eventually("the worker waits in its transaction", func() bool {
		return b.count(t, "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
	})
	doomed.end(syscall.SIGKILL)
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
	if c := heir.customer(who); c.Status != v.noStatus || c.Revision != 2 {
		t.Errorf("status %s revision %d, want %s by two events", c.Status, c.Revision, v.noStatus)
	}
}
