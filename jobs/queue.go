package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Queue is the Redis that carries tasks, or an embedded one inside this process. It may lose everything at any time: the database decides
// what has to be done.
type Queue struct {
	prefix   string                // of the names of our queues
	relay    redis.UniversalClient // fails fast, so that the relay notices soon if Redis hangs
	worker   redis.UniversalClient // backs off and pauses: asynq's polling would spin without it
	embedded *miniredis.Miniredis  // nil for a real Redis; otherwise relay and worker are one client
	stop     chan struct{}
	ticking  sync.WaitGroup
}

// OpenQueue prepares the queue at url: redis://, rediss://, redis-sentinel:// or redis-cluster://; an empty url starts the embedded one.
// All queue names begin with prefix, so that other programs and other installations of this one can share the Redis. It does not connect
// yet, so Redis may be down.
func OpenQueue(url, prefix string) (*Queue, error) {
	logging.Disable() // go-redis prints to standard error; what fails reaches our log through the callers
	if url == "" {
		return openEmbedded(prefix), nil
	}
	o, err := RedisOptions(url)
	if err != nil {
		return nil, err
	}
	relay, worker := *o, *o
	relay.MinRetryBackoff, relay.MaxRetryBackoff, relay.PoolSize = 8*time.Millisecond, 64*time.Millisecond, 16
	worker.MinRetryBackoff, worker.MaxRetryBackoff, worker.PoolSize, worker.DialerRetries = 250*time.Millisecond, time.Second, 20, 2
	worker.DialerRetryTimeout = 250 * time.Millisecond
	q := &Queue{prefix: prefix, relay: redis.NewUniversalClient(&relay), worker: redis.NewUniversalClient(&worker)}
	q.worker.AddHook(pauseHook{})
	return q, nil
}

// pauseHook makes a client pause after a command that Redis refuses, for lack of memory or of rights. asynq polls again at once, and would
// keep a processor busy for as long as that lasts.
type pauseHook struct{}

func (pauseHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		err := next(ctx, c)
		if refused, isRefusal := errors.AsType[redis.Error](err); isRefusal && !errors.Is(refused, redis.Nil) {
			select {
			case <-time.After(250 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		return err
	}
}

func (pauseHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (pauseHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// CheckRedisURL reports what is wrong with a URL for OpenQueue. The error contains no part of the URL: it may hold a password.
func CheckRedisURL(url string) error {
	if url == "" {
		return nil
	}
	_, err := RedisOptions(url)
	return err
}

// errRedisURL replaces the errors of the parsers, which quote the URL.
var errRedisURL = errors.New("not a valid URL: special characters in user and password must be percent-encoded, such as %40 for @")

// RedisOptions returns the options of a client for a URL that OpenQueue accepts. The error contains no part of the URL.
//
// asynq can read URLs itself, but ignores the user name and has no short timeouts: if Redis drops packets, enqueuing blocks for 100 s.
func RedisOptions(redisURL string) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		DialTimeout: time.Second, ReadTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, PoolTimeout: time.Second,
		MaxRetries: 1, DialerRetries: 1,
		ContextTimeoutEnabled:    true, // without it a deadline does not end a read
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	scheme, rest, _ := strings.Cut(redisURL, "://")
	switch scheme {
	case "redis", "rediss", "unix":
		p, err := redis.ParseURL(redisURL)
		if err != nil {
			return nil, errRedisURL
		}
		o.Addrs, o.Username, o.Password, o.DB, o.TLSConfig = []string{p.Addr}, p.Username, p.Password, p.DB, p.TLSConfig
	case "redis-sentinel":
		p, err := redis.ParseFailoverURL("redis://" + rest)
		if err != nil {
			return nil, errRedisURL
		}
		if p.MasterName == "" {
			return nil, errors.New("redis-sentinel:// needs ?master_name=…, and &addr=… for each further sentinel")
		}
		o.Addrs, o.MasterName, o.SentinelUsername, o.SentinelPassword = p.SentinelAddrs, p.MasterName, p.SentinelUsername, p.SentinelPassword
		o.Username, o.Password, o.DB, o.TLSConfig = p.Username, p.Password, p.DB, p.TLSConfig
	case "redis-cluster":
		p, err := redis.ParseClusterURL("redis://" + rest)
		if err != nil {
			return nil, errRedisURL
		}
		o.Addrs, o.Username, o.Password, o.TLSConfig, o.IsClusterMode = p.Addrs, p.Username, p.Password, p.TLSConfig, true
	default:
		return nil, errors.New("want redis://, rediss://, redis-sentinel:// or redis-cluster://")
	}
	o.Addrs = slices.Clip(o.Addrs) // a cluster client appends to it, and two clients share it
	return o, nil
}

// openEmbedded starts a Redis inside this process, reached through a pipe: it opens no port.
func openEmbedded(prefix string) *Queue {
	q := &Queue{prefix: prefix, embedded: miniredis.NewMiniRedis(), stop: make(chan struct{})}
	client := redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return q.embedded.Dial() },
		PoolSize:                 64,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	client.AddHook(pollHook{embedded: q.embedded})
	q.relay, q.worker = client, client
	// miniredis expires keys only in FastForward. Its option ClockTTL would do that on each command by walking over all keys, which is 20
	// times slower.
	q.ticking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case now := <-tick.C:
				q.embedded.FastForward(now.Sub(last))
				last = now
			case <-q.stop:
				return
			}
		}
	})
	return q
}

// pollHook answers asynq's polls of an empty embedded queue without running asynq's script: miniredis makes a new interpreter for each call,
// which takes 3 % of a core when idle.
type pollHook struct {
	pauseHook // for DialHook and ProcessPipelineHook, which do nothing
	embedded  *miniredis.Miniredis
}

func (h pollHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		// Only the script that takes a task has the list of pending tasks and then the mark of a pause as its first keys.
		if args := c.Args(); len(args) > 4 && args[0] == "evalsha" {
			pending, _ := args[3].(string)
			paused, _ := args[4].(string)
			if strings.HasSuffix(pending, "}:pending") && strings.HasSuffix(paused, "}:paused") && !h.embedded.Exists(pending) {
				c.SetErr(redis.Nil)
				return redis.Nil
			}
		}
		return next(ctx, c)
	}
}

// name returns the name of one of our queues in Redis.
func (q *Queue) name(queue string) string { return q.prefix + ":" + queue }

// waiting returns how many tasks of a queue wait in Redis. It reads asynq's own key, because asynq's Inspector would also sample the memory
// use of up to a hundred keys.
func (q *Queue) waiting(ctx context.Context, queue string) (int, error) {
	n, err := q.relay.LLen(ctx, "asynq:{"+q.name(queue)+"}:pending").Result()
	if err != nil {
		return 0, fmt.Errorf("count tasks of queue %s: %w", queue, err)
	}
	return int(n), nil
}

// Close disconnects. The relay and the worker must have stopped.
func (q *Queue) Close() error {
	err := q.relay.Close()
	if q.embedded == nil {
		return errors.Join(err, q.worker.Close())
	}
	close(q.stop)
	q.ticking.Wait()
	q.embedded.Close()
	return err
}

// asynqLog passes asynq's messages to our log, on level debug: the relay logs outages of Redis, and offers lost tasks again.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq", "text", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.Debug(args...) }
func (l asynqLog) Warn(args ...any)  { l.Debug(args...) }
func (l asynqLog) Error(args ...any) { l.Debug(args...) }
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq", "text", fmt.Sprint(args...)) }
