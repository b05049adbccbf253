package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
)

// QueueFigures has asynq's figures of one of our queues.
type QueueFigures struct {
	Name      string        // as in the database
	Pending   int           // tasks that wait
	Active    int           // tasks that a worker is processing
	Archived  int           // tasks in asynq's archive: none are ours
	Processed int           // tasks done today, by UTC
	Failed    int           // tasks that ended with an error today; the task of an event that fails does not
	Latency   time.Duration // how long the oldest task has waited
	Paused    bool
}

// Figures returns asynq's figures of all our queues. A queue that has never had a task has zeros.
func (q *Queue) Figures(ctx context.Context) ([]QueueFigures, error) {
	inspector := asynq.NewInspectorFromRedisClient(q.relay) // closing it would close the shared client
	known, err := inspector.Queues()
	if err != nil {
		return nil, fmt.Errorf("list queues: %w", err)
	}
	var all []QueueFigures
	for _, l := range lanes() {
		if err := ctx.Err(); err != nil { // asynq takes no context
			return nil, err
		}
		if !slices.Contains(known, q.name(l.queue)) {
			all = append(all, QueueFigures{Name: l.queue})
			continue
		}
		info, err := inspector.GetQueueInfo(q.name(l.queue))
		if err != nil {
			return nil, fmt.Errorf("get figures of queue %s: %w", l.queue, err)
		}
		all = append(all, QueueFigures{
			Name: l.queue, Pending: info.Pending, Active: info.Active, Archived: info.Archived,
			Processed: info.Processed, Failed: info.Failed, Latency: info.Latency, Paused: info.Paused,
		})
	}
	return all, nil
}
