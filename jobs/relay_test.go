package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
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
