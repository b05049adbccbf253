package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Queue is the Redis that carries tasks, or the one inside this process that stands in for it. It may lose everything at any
// time: the inbox is the truth.
type Queue struct {
	relay    redis.UniversalClient // fails fast: a relay with a Redis that hangs must find out soon
	worker   redis.UniversalClient // backs off: asynq's polling would spin without it
	embedded *miniredis.Miniredis
	stop     chan struct{}
	ticking  sync.WaitGroup
}

// OpenQueue prepares the queue that url names: redis://, rediss://, redis-sentinel:// or redis-cluster://; an empty url
// starts the embedded one. It does not connect: a Redis that is down is waited for.
func OpenQueue(url string) (*Queue, error) {
	logging.Disable() // go-redis prints to standard error; what fails reaches our log through the callers
	if url == "" {
		return openEmbedded(), nil
	}
	relay, err := connect(url, func(o *redis.UniversalOptions) {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, 2*time.Second, 2*time.Second, time.Second
		o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff, o.PoolSize = 1, 8*time.Millisecond, 64*time.Millisecond, 16
		o.DialerRetries = 1
	})
	if err != nil {
		return nil, err
	}
	worker, err := connect(url, func(o *redis.UniversalOptions) {
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, 2*time.Second, 2*time.Second, time.Second
		o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff, o.PoolSize = 1, 250*time.Millisecond, time.Second, 20
		o.DialerRetries, o.DialerRetryTimeout = 2, 250*time.Millisecond
	})
	if err != nil {
		return nil, errors.Join(err, relay.Close())
	}
	return &Queue{relay: relay, worker: worker, stop: make(chan struct{})}, nil
}

// connect makes a client. asynq could read the URL itself, but drops the user name and cannot bound its waiting: with a
// Redis that swallows packets its enqueue blocks for 100 s.
func connect(redisURL string, tune func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
	o := &redis.UniversalOptions{}
	scheme, rest, _ := strings.Cut(redisURL, "://")
	switch scheme {
	case "redis", "rediss", "unix":
		p, err := redis.ParseURL(redisURL)
		if err != nil {
			return nil, hidden(err)
		}
		o.Addrs, o.Username, o.Password, o.DB, o.TLSConfig = []string{p.Addr}, p.Username, p.Password, p.DB, p.TLSConfig
	case "redis-sentinel":
		p, err := redis.ParseFailoverURL("redis://" + rest)
		if err != nil {
			return nil, hidden(err)
		}
		if p.MasterName == "" {
			return nil, errors.New("redis-sentinel:// wants ?master_name=…, and &addr=… for each further sentinel")
		}
		o.Addrs, o.MasterName, o.SentinelUsername, o.SentinelPassword = p.SentinelAddrs, p.MasterName, p.SentinelUsername, p.SentinelPassword
		o.Username, o.Password, o.DB, o.TLSConfig = p.Username, p.Password, p.DB, p.TLSConfig
	case "redis-cluster":
		p, err := redis.ParseClusterURL("redis://" + rest)
		if err != nil {
			return nil, hidden(err)
		}
		o.Addrs, o.Username, o.Password, o.TLSConfig, o.IsClusterMode = p.Addrs, p.Username, p.Password, p.TLSConfig, true
	default:
		return nil, errors.New("want redis://, rediss://, redis-sentinel:// or redis-cluster://")
	}
	o.ContextTimeoutEnabled = true // without it a deadline does not end a read
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	tune(o)
	return redis.NewUniversalClient(o), nil
}

// hidden keeps the URL, and the password in it, out of the error.
func hidden(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// openEmbedded starts a Redis inside this process, reached through a pipe: it opens no port.
func openEmbedded() *Queue {
	q := &Queue{embedded: miniredis.NewMiniRedis(), stop: make(chan struct{})}
	client := redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return q.embedded.Dial() },
		PoolSize:                 64,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	q.relay, q.worker = client, client
	// Its keys expire only when it is told how much time has passed. ClockTTL would do that on each command, by walking
	// over all keys: 20 times slower.
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

// Ping reports whether the queue answers.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.relay.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping queue: %w", err)
	}
	return nil
}

// Close disconnects. The relay and the worker must have stopped.
func (q *Queue) Close() error {
	close(q.stop)
	q.ticking.Wait()
	err := q.relay.Close()
	if q.worker != q.relay {
		err = errors.Join(err, q.worker.Close())
	}
	if q.embedded != nil {
		q.embedded.Close()
	}
	return err
}

// asynqLog passes asynq's lines on to our log.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Debug("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Warn("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq", "msg", fmt.Sprint(args...)) }
