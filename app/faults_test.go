package app_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/testservers"
)

func newPostgresURL(t *testing.T) string {
	t.Helper()
	return testservers.DatabaseURL(t)
}

// withRedis runs a test on both databases with a Redis that it may hurt.
func withRedis(t *testing.T, test func(t *testing.T, b backend, redis *testservers.Redis)) {
	t.Parallel()
	for name, databaseURL := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return sqlite(t).databaseURL },
		"postgres": newPostgresURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := testservers.NewRedis(t)
			test(t, backend{databaseURL(t), redis.URL()}, redis)
		})
	}
}

// accepted sends n new events and returns their IDs.
func (r *running) accepted(n int) (ids []string) {
	r.t.Helper()
	for range n {
		body := reviewed(r.t, uuid.NewString(), "approved", now)
		r.accept("trustgate", body)
		ids = append(ids, gjson.GetBytes(body, "event_id").Str)
	}
	return ids
}

func TestRedisDownBeforeStart(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		redis.Kill()
		r := start(t, b)
		ids := r.accepted(20)
		redis.Start()
		r.settle()
		r.applied(ids)
	})
}

func TestRedisDownWhileRunning(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		r := start(t, b)
		ids := r.accepted(20)
		redis.Kill()
		ids = append(ids, r.accepted(20)...)
		redis.Start() // empty: what was queued is gone
		ids = append(ids, r.accepted(20)...)
		r.settle()
		r.applied(ids)
	})
}

// Redis dies with all the tasks in it that no worker has taken yet, and stays away until the workers are there.
func TestRedisDownAfter(t *testing.T) {
	t.Parallel()
	redis := testservers.NewRedis(t)
	b := backend{newPostgresURL(t), redis.URL()}
	receiver := start(t, b, "ROLE=receiver")
	ids := receiver.accepted(50)
	receiver.eventually("all are queued", func() bool { return len(receiver.events("status=queued")) == 50 })
	redis.Kill()
	worker := start(t, b, "ROLE=worker")
	redis.Start()
	worker.settle()
	worker.applied(ids)
}

// A Redis that hangs takes no part in the answer either: acknowledgements take as long as with one that answers.
func TestRedisDownHung(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		r := start(t, b)
		var ids []string
		timed := func(took *[]time.Duration) {
			for range 20 {
				started := time.Now()
				ids = append(ids, r.accepted(1)...)
				*took = append(*took, time.Since(started))
			}
		}
		var answering, hung []time.Duration
		for range 5 { // in turn, since what else the machine does changes meanwhile
			timed(&answering)
			r.settle()
			redis.Pause()
			timed(&hung)
			redis.Resume()
		}
		slices.Sort(answering)
		slices.Sort(hung)
		t.Logf("median with a Redis that answers %s, with a hung one %s", answering[50], hung[50])
		if hung[50] > 3*answering[50]+10*time.Millisecond {
			t.Errorf("half the answers take more than %s with a hung Redis, and %s with another: they wait for it", hung[50], answering[50])
		}
		r.settle()
		r.applied(ids)
	})
}

func TestRedisFlushed(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		r := start(t, b)
		var ids []string
		for range 5 {
			ids = append(ids, r.accepted(20)...)
			redis.FlushAll()
		}
		r.settle()
		r.applied(ids)
	})
}

// Without its database the receiver refuses within two seconds, and takes up again by itself.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	postgres := testservers.NewPostgres(t)
	r := start(t, backend{databaseURL: postgres.URL()})
	r.patient = true
	ids := r.accepted(5)
	r.settle()
	for name, fault := range map[string]struct{ strike, mend func() }{
		"killed": {postgres.Kill, postgres.Start},
		"hung":   {postgres.Pause, postgres.Resume},
	} {
		fault.strike()
		body := reviewed(t, uuid.NewString(), "approved", now)
		started := time.Now()
		status, _ := r.send("trustgate", body)
		if took := time.Since(started); status != http.StatusServiceUnavailable || took > 2*time.Second {
			t.Errorf("%s: answered %d after %s, want 503 within 2 s", name, status, took)
		}
		fault.mend()
		r.eventually("deliveries are accepted again", func() bool {
			status, _ := r.send("trustgate", body) // as a provider that retries; a hung commit may have stored it after all
			return status == http.StatusOK
		})
		ids = append(ids, gjson.GetBytes(body, "event_id").Str)
		r.settle()
	}
	r.applied(ids)
}

// A sender that is slow, or never comes to an end, is cut off: it cannot hold a connection for long.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	r := start(t, sqlite(t))
	for name, said := range map[string]string{
		"headers": "POST /webhooks/trustgate HTTP/1.1\r\nHost: localhost\r\n",
		"body":    "POST /webhooks/trustgate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.app.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(said)); err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), "200 OK") {
				t.Errorf("answered %q and %v, want the connection closed by the server", answer, err)
			}
		})
	}
}
