package jobs

import (
	"context"
	"errors"
	"testing"

	"example.com/identity-webhooks/app/testservers"
)

// TestEmptyDrain drains all, and leaves nothing of its queue behind, finished or not.
func TestEmptyDrain(t *testing.T) {
	t.Parallel()
	if rate, err := EmptyDrain(t.Context(), "", 100); err != nil || rate <= 0 {
		t.Errorf("embedded: %g per second, %v", rate, err)
	}
	url := testservers.NewRedis(t).URL()
	if rate, err := EmptyDrain(t.Context(), url, 100); err != nil || rate <= 0 {
		t.Errorf("Redis: %g per second, %v", rate, err)
	}
	interrupted, stop := context.WithCancel(t.Context())
	stop()
	if _, err := EmptyDrain(interrupted, url, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v", err)
	}
	q, err := OpenQueue(url)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()                                               //nolint:errcheck // nothing depends on it any more
	if err := q.fill(t.Context(), "bench-left", 10); err != nil { // what an interruption leaves
		t.Fatal(err)
	}
	if keys, err := q.relay.Keys(t.Context(), "asynq:{bench-*").Result(); err != nil || len(keys) == 0 {
		t.Fatalf("a full queue has the keys %q, %v: this test looks for others", keys, err)
	}
	if err := q.remove("bench-left", now); err != nil {
		t.Error(err)
	}
	keys, err := q.relay.Keys(t.Context(), "asynq:{bench-*").Result()
	queues, err2 := q.relay.SMembers(t.Context(), "asynq:queues").Result()
	if err := errors.Join(err, err2); err != nil || len(keys) > 0 || len(queues) > 0 {
		t.Errorf("left behind are the keys %q and the queues %q, %v", keys, queues, err)
	}
	if rate, err := EmptyDrain(t.Context(), "http://nowhere", 1); err == nil {
		t.Errorf("no Redis: got %g", rate)
	}
}
