package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app/testservers"
)

// BenchmarkEmptyAsynq measures asynq alone, to compare the worker with: tasks that do nothing, with as many at once as the worker
// runs. One task of the worker processes several events if many wait.
//
//	go test ./jobs -run '^$' -bench EmptyAsynq -benchtime 20000x
func BenchmarkEmptyAsynq(b *testing.B) {
	b.Run("embedded", func(b *testing.B) { benchmarkEmptyAsynq(b, "") })
	b.Run("redis", func(b *testing.B) { benchmarkEmptyAsynq(b, testservers.RedisURL(b)) })
}

func benchmarkEmptyAsynq(b *testing.B, url string) {
	q, err := OpenQueue(url, "bench-"+strings.ToLower(rand.Text()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		err := asynq.NewInspectorFromRedisClient(q.relay).DeleteQueue(q.name("empty"), true)
		if errors.Is(err, asynq.ErrQueueNotFound) {
			err = nil
		}
		if err := errors.Join(err, q.Close()); err != nil {
			b.Error(err)
		}
	})
	client := asynq.NewClientFromRedisClient(q.relay)
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(8)
	for i := range b.N {
		g.Go(func() error {
			_, err := client.EnqueueContext(ctx, asynq.NewTask(taskType, nil), asynq.TaskID(strconv.Itoa(i)), asynq.Queue(q.name("empty")), asynq.MaxRetry(0))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	var left sync.WaitGroup
	left.Add(b.N)
	server := asynq.NewServerFromRedisClient(q.worker, asynq.Config{
		Concurrency: eventTasks, Queues: map[string]int{q.name("empty"): 1}, TaskCheckInterval: taskCheck, ShutdownTimeout: shutdownTimeout,
		Logger: asynqLog{slog.New(slog.DiscardHandler)}, LogLevel: asynq.FatalLevel,
	})
	b.ResetTimer()
	err = server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		left.Done()
		return nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	left.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	server.Shutdown()
}
