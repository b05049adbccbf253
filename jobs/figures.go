package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
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

// Load returns only Pending, Active and Latency of all our queues. Unlike Figures it is cheap, and takes no longer than ctx allows. It reads
// asynq's own keys, as waiting does.
func (q *Queue) Load(ctx context.Context) ([]QueueFigures, error) {
	var all []QueueFigures
	for _, l := range lanes() {
		key := "asynq:{" + q.name(l.queue) + "}:"
		pending, err := q.waiting(ctx, l.queue)
		if err != nil {
			return nil, err
		}
		active, err1 := q.relay.LLen(ctx, key+"active").Result()
		oldest, err2 := q.relay.LRange(ctx, key+"pending", -1, -1).Result()
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("get load of queue %s: %w", l.queue, err)
		}
		f := QueueFigures{Name: l.queue, Pending: pending, Active: int(active)}
		if len(oldest) > 0 {
			since, err := q.relay.HGet(ctx, key+"t:"+oldest[0], "pending_since").Int64()
			if err != nil && !errors.Is(err, redis.Nil) { // nil: it is done by now
				return nil, fmt.Errorf("get latency of queue %s: %w", l.queue, err)
			}
			if err == nil {
				f.Latency = time.Since(time.Unix(0, since))
			}
		}
		all = append(all, f)
	}
	return all, nil
}
