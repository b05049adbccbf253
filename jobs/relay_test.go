package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// A few events get a task each, so that several workers take them; of a backlog, a task carries several. Each event is in one task,
// and a task says nothing but which events, and which offer of each.
func TestBacklogSharesTasks(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t testing.TB) string{
		"embedded": func(testing.TB) string { return "" },
		"redis":    testservers.RedisURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue, err := OpenQueue(url(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := queue.Close(); err != nil {
					t.Error(err)
				}
			})
			p := &plant{t: t, store: newWorld(t, sqliteURL(t)).store}
			p.relay = NewRelay(p.store, queue, slog.New(slog.DiscardHandler))
			p.relay.now = p.now
			inspector := asynq.NewInspectorFromRedisClient(queue.relay)
			id := 0
			for _, step := range []struct{ events, tasks int }{{3, 3}, {100, 8}} {
				p.receive(fmt.Sprintf("of %d", step.events), step.events)
				var want []string
				for range step.events {
					id++
					want = append(want, fmt.Sprintf("event:%d:1", id))
				}
				if _, err := p.relay.round(context.Background()); err != nil {
					t.Fatal(err)
				}
				tasks, err := inspector.ListPendingTasks(models.DefaultQueue, asynq.PageSize(1000))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, task := range tasks {
					offers, err := parsePayload(task.Payload)
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range offers {
						got = append(got, offerText(o))
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("offers in Redis (-want +got):\n%s", diff)
				}
				if len(tasks) != step.tasks {
					t.Errorf("%d events make %d tasks, want %d", step.events, len(tasks), step.tasks)
				}
				if _, err := inspector.DeleteAllPendingTasks(models.DefaultQueue); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestForeignTaskIsDropped(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"event:17", "event:17:x", "event:x:1", "event:17:1 event:18", "other:17:1"} {
		if offers, err := parsePayload([]byte(text)); err == nil {
			t.Errorf("%q is read as %v, want an error", text, offers)
		}
	}
}
