package app_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
)

// withRedis runs a test on both databases with a Redis that it may hurt.
func withRedis(t *testing.T, test func(t *testing.T, b backend, redis *testservers.Redis)) {
	t.Parallel()
	for name, databaseURL := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return sqlite(t).databaseURL },
		"postgres": testservers.DatabaseURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := testservers.NewRedis(t)
			test(t, backend{databaseURL(t), redis.URL()}, redis)
		})
	}
}

func TestRedisDownBeforeStart(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		redis.Kill()
		r := start(t, b)
		ids := r.acceptNew(20)
		redis.Start()
		r.settle()
		r.applied(ids)
	})
}

func TestRedisDownWhileRunning(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		r := start(t, b)
		ids := r.acceptNew(20)
		redis.Kill()
		ids = append(ids, r.acceptNew(20)...)
		redis.Start() // empty: what was queued is gone
		ids = append(ids, r.acceptNew(20)...)
		r.settle()
		r.applied(ids)
	})
}

// Redis dies with all the tasks in it that no worker has taken yet, and stays away until the workers are there.
func TestRedisDownAfter(t *testing.T) {
	t.Parallel()
	redis := testservers.NewRedis(t)
	b := backend{testservers.DatabaseURL(t), redis.URL()}
	receiver := start(t, b, "ROLE=receiver")
	ids := receiver.acceptNew(50)
	receiver.eventually("all are queued", func() bool { return receiver.stats()["queued"] == 50 })
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
				ids = append(ids, r.acceptNew(1)...)
				*took = append(*took, time.Since(started))
			}
		}
		var answering, hung []time.Duration
		for range 5 { // in turn, since what else the machine does changes meanwhile
			timed(&answering)
			r.settle()
			redis.Pause()
			timed(&hung)
			if len(hung) == 100 {
				r.scrapeWithout("queue", `webhooks_queue_pending_tasks{queue="default"}`)
			}
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
			ids = append(ids, r.acceptNew(20)...)
			redis.FlushAll()
		}
		r.settle()
		r.applied(ids)
	})
}

// A Redis without free memory answers and takes nothing. Once it has memory again, events are processed within seconds, however
// long it lasted.
func TestRedisFull(t *testing.T) {
	withRedis(t, func(t *testing.T, b backend, redis *testservers.Redis) {
		r := start(t, b)
		ids := r.acceptNew(1)
		r.settle()
		redis.Do("CONFIG SET maxmemory 1")
		ids = append(ids, r.acceptNew(20)...)
		<-time.After(6 * time.Second) // long enough for whatever backs off to back off
		ids = append(ids, r.acceptNew(20)...)
		if n := r.stats()["processed"]; n != 1 {
			t.Fatalf("%d events are processed, want Redis to be full", n)
		}
		redis.Do("CONFIG SET maxmemory 0")
		repaired := time.Now()
		r.settle()
		if took := time.Since(repaired); took > 10*time.Second {
			t.Errorf("processed %s after the repair, want it within seconds", took)
		}
		r.applied(ids)
	})
}

// fault is something that goes wrong, and how it is repaired.
type fault struct {
	name           string
	strike, repair func()
}

// Without its database the receiver refuses within two seconds, is not ready, and recovers by itself within seconds.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	postgres := testservers.NewPostgres(t)
	b := backend{databaseURL: postgres.URL()}
	r := start(t, b)
	r.patient = true
	ids := r.acceptNew(5)
	r.settle()
	for _, f := range []fault{
		{"killed", postgres.Kill, postgres.Start},
		{"hung", func() { postgres.Pause(); r.scrapeWithout("database", "webhooks_pending_events") }, postgres.Resume},
		readOnly(t, b),
	} {
		ids = append(ids, r.outage(f, 20*time.Second))
		r.settle()
	}
	r.applied(ids)
}

// readOnly makes the database refuse writes on all connections but its own, as a standby does after a failover.
func readOnly(t *testing.T, b backend) fault {
	var exec func(statement string)
	return fault{"read-only", func() {
		db := b.open(t)
		db.SetMaxOpenConns(1) // stays writable, since the setting counts for new connections
		exec = func(statement string) {
			if _, err := db.ExecContext(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
		exec("ALTER DATABASE postgres SET default_transaction_read_only = on")
		exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}, func() { exec("ALTER DATABASE postgres RESET default_transaction_read_only") }}
}

// outage strikes and repairs, with a delivery that is sent until it is accepted. It returns the ID of that event.
func (r *running) outage(f fault, recovery time.Duration) string {
	r.t.Helper()
	v := anyVerdicts(r.t)
	id, body := v.verified()
	f.strike()
	within(r.t, 10*time.Second, f.name+": not ready", func() bool { return r.ready() == http.StatusServiceUnavailable })
	for range 3 {
		started := time.Now()
		status, _ := r.send(v.provider, body)
		if took := time.Since(started); status != http.StatusServiceUnavailable || took > 2*time.Second {
			r.t.Errorf("%s: answered %d after %s, want 503 within 2 s", f.name, status, took)
		}
	}
	f.repair()
	within(r.t, recovery, f.name+": deliveries are accepted again", func() bool {
		status, _ := r.send(v.provider, body) // as a provider retries; a hung commit may have stored it after all
		return status == http.StatusOK
	})
	within(r.t, recovery, f.name+": ready", func() bool { return r.ready() == http.StatusOK })
	return id
}

// Behind PgBouncer in transaction mode, with the setting that the README names, everything works.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	postgres := testservers.NewPostgres(t)
	url := testservers.NewPgBouncer(t, postgres)
	r := start(t, backend{databaseURL: url + "&default_query_exec_mode=exec"})
	ids := r.acceptNew(100)
	r.settle()
	r.applied(ids)
	if got := r.ready(); got != http.StatusOK {
		t.Errorf("readyz answers %d", got)
	}
}
