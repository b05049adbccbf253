package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"example.com/identity-webhooks/models"
)

// A few events get a task each, so that several workers take them. Of a backlog, a task carries several. Each event is in one task.
func TestBacklogSharesTasks(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		p := newPlant(nil)
		inspector := asynq.NewInspectorFromRedisClient(p.queue.relay)
		queue := p.queue.name(models.DefaultQueue)
		id := int64(0)
		for _, step := range []struct{ events, mostTasks int }{{3, 3}, {100, tasksPerBatch}} {
			p.receive(fmt.Sprintf("of %d", step.events), step.events)
			var want, got []int64
			for range step.events {
				id++
				want = append(want, id)
			}
			if _, err := p.relay.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			tasks, err := inspector.ListPendingTasks(queue, asynq.PageSize(1000))
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range tasks {
				var o models.Offer
				if err := json.Unmarshal(task.Payload, &o); err != nil {
					t.Fatal(err)
				}
				got = append(got, o.IDs...)
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("IDs in Redis (-want +got):\n%s", diff)
			}
			if len(tasks) > step.mostTasks || len(tasks) < min(step.events, 4) {
				t.Errorf("%d events make %d tasks, want several, and %d at the most", step.events, len(tasks), step.mostTasks)
			}
			if _, err := inspector.DeleteAllPendingTasks(queue); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A backlog waits in the database: however long it is, Redis holds a bounded part of it.
func TestWindow(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		p := newPlant(nil)
		p.receive("many", 1500)
		for range 100 {
			if _, err := p.relay.round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n, err := p.queue.waiting(t.Context(), models.DefaultQueue)
		if err != nil || n < window || n > window+tasksPerBatch {
			t.Errorf("%d tasks wait in Redis (%v), want about %d", n, err, window)
		}
	})
}

// While deliveries crowd in, some events are processed all the same.
func TestCrowdDoesNotStopProcessing(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		p := newPlant(nil) // it ignores all events
		p.run()
		ctx, stop := context.WithCancel(t.Context())
		var senders sync.WaitGroup
		defer senders.Wait()
		defer stop()
		for i := range 64 {
			senders.Go(func() {
				for j := 0; ctx.Err() == nil; j++ {
					_, err := p.store.AddEvent(ctx, models.Event{Provider: "acme", Generation: "v1", ExternalID: fmt.Sprint(i, "-", j), Type: "many",
						Queue: models.DefaultQueue, Body: []byte("{}"), OccurredAt: models.At(p.now()), ReceivedAt: models.At(p.now())})
					if err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
					p.relay.Wake()
				}
			})
		}
		p.eventually("deliveries crowd in", p.store.Crowded)
		before := len(p.events(models.EventFilter{Outcome: models.Ignored}))
		p.eventually("events are processed meanwhile", func() bool {
			return len(p.events(models.EventFilter{Outcome: models.Ignored})) >= min(before+100, 500)
		})
	})
}

// What is not a task of ours is neither worked on nor marked as done.
func TestForeignTask(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sqliteURL(t), "", nil)
	for name, task := range map[string]*asynq.Task{
		"type":    asynq.NewTask("mail", []byte(`{"Work":"pending_events"}`)),
		"payload": asynq.NewTask(taskType, []byte("17")),
	} {
		if err := p.worker.process(t.Context(), task); err == nil {
			t.Errorf("a task of a foreign %s is marked as done", name)
		}
	}
}
