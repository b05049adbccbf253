package testservers

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestRedisForgetsWhenKilled(t *testing.T) {
	t.Parallel()
	r := NewRedis(t)
	client := connect(t, r.URL())
	must(t, client.Set(t.Context(), "key", "value", 0).Err())

	r.Kill()
	if err := client.Ping(t.Context()).Err(); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, io.EOF) {
		t.Errorf("ping of a killed server: %v, want it refused", err)
	}
	r.Kill() // once more changes nothing
	r.Start()
	if err := client.Get(t.Context(), "key").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("get from a new server: %v, want %v", err, redis.Nil)
	}
}

func TestRedisPauses(t *testing.T) {
	t.Parallel()
	r := NewRedis(t)
	client := connect(t, r.URL())
	must(t, client.Ping(t.Context()).Err())

	r.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ping of a paused server: %v, want it to hang", err)
	}
	r.Resume()
	must(t, client.Ping(t.Context()).Err())

	r.Pause()
	r.Kill()
	r.Start()
	must(t, client.Ping(t.Context()).Err())

	r.Pause() // and is stopped like this at the end of the test
}

func TestRedisFlushAll(t *testing.T) {
	t.Parallel()
	r := NewRedis(t)
	client := connect(t, r.URL())
	must(t, client.Set(t.Context(), "key", "value", 0).Err())
	r.FlushAll()
	if n := client.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys after FlushAll, want none", n)
	}
}

func TestRedisURL(t *testing.T) {
	first, second := RedisURL(t), RedisURL(t)
	if first == second {
		t.Errorf("two URLs are both %s", first)
	}
	must(t, connect(t, first).Ping(t.Context()).Err())

	t.Setenv("TEST_REDIS_URL", second)
	if got := RedisURL(t); got != second {
		t.Errorf("URL = %s, want TEST_REDIS_URL, %s", got, second)
	}
}

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	must(t, err)
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}
