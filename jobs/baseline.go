package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"
)

// EmptyDrain measures what asynq alone can do: it fills a queue of its own with n tasks that ask for nothing, takes them with
// as many workers as ours has, and returns how many it finished per second. It leaves nothing in the Redis that url names; an
// empty url measures an embedded queue, a fresh one.
func EmptyDrain(ctx context.Context, url string, n int) (perSecond float64, err error) {
	q, err := OpenQueue(url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	name := "bench-" + strings.ToLower(rand.Text())
	started := time.Now()
	defer func() { err = errors.Join(err, q.remove(name, started)) }()
	if err := q.fill(ctx, name, n); err != nil {
		return 0, err
	}
	return q.drain(ctx, name, n)
}

// fill enqueues as the relay does.
func (q *Queue) fill(ctx context.Context, name string, n int) error {
	client := asynq.NewClientFromRedisClient(q.relay)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			id := strconv.Itoa(i)
			_, err := client.EnqueueContext(ctx, asynq.NewTask(taskType, []byte(id)), asynq.TaskID(id), asynq.Queue(name), asynq.MaxRetry(0))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("fill queue %s: %w", name, err)
	}
	return nil
}

// drain takes n tasks from the queue.
func (q *Queue) drain(ctx context.Context, name string, n int) (perSecond float64, err error) {
	server := asynq.NewServerFromRedisClient(q.worker, asynq.Config{
		Concurrency:       concurrency,
		Queues:            map[string]int{name: 1},
		TaskCheckInterval: taskCheck,
		ShutdownTimeout:   shutdownTimeout,
		Logger:            asynqLog{slog.New(slog.DiscardHandler)},
		LogLevel:          asynq.FatalLevel,
	})
	var left atomic.Int64
	left.Store(int64(n))
	empty := make(chan struct{})
	started := time.Now()
	err = server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if left.Add(-1) == 0 {
			close(empty)
		}
		return nil
	}))
	if err != nil {
		return 0, fmt.Errorf("start worker: %w", err)
	}
	defer server.Shutdown()
	select {
	case <-empty:
		return float64(n) / time.Since(started).Seconds(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// remove deletes a queue and what asynq counted of it since then, which its own deletion leaves behind.
func (q *Queue) remove(name string, since time.Time) error {
	err := asynq.NewInspectorFromRedisClient(q.relay).DeleteQueue(name, true)
	if errors.Is(err, asynq.ErrQueueNotFound) {
		return nil
	}
	for _, kind := range []string{"processed", "failed"} {
		key := "asynq:{" + name + "}:" + kind
		keys := []string{key}
		for day := since.UTC(); !day.After(time.Now().UTC().AddDate(0, 0, 1)); day = day.AddDate(0, 0, 1) {
			keys = append(keys, key+":"+day.Format(time.DateOnly))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = errors.Join(err, q.relay.Del(ctx, keys...).Err())
		cancel()
	}
	if err != nil {
		return fmt.Errorf("remove queue %s: %w", name, err)
	}
	return nil
}
