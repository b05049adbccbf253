package app_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// When a sentinel replaces the master, deliveries are answered 200 all the time, and everything is processed afterwards.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	master, url := testservers.NewSentinel(t)
	outlives(t, url, fault{"master killed", master.Kill, func() {}})
}

// While a part of a Redis Cluster is down, deliveries are answered 200, and everything is processed once it is back.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	masters, url := testservers.NewCluster(t)
	outlives(t, url, fault{"one master killed", masters[0].Kill, masters[0].Start})
}

// outlives checks that all kinds of queues work on that Redis, and that nothing is lost by a fault that makes it useless for a while.
func outlives(t *testing.T, redisURL string, f fault) {
	t.Helper()
	const prefix = "outlives"
	s := newSink(t, answering(http.StatusOK))
	b := backend{sqlite(t).databaseURL, redisURL}
	r := start(t, b, append(s.settings(), "QUEUE_PREFIX="+prefix)...)
	for _, d := range manyDeliveries(t, 200, rand.New(rand.NewPCG(1, 1))) {
		r.accept(d.provider, d.body)
	}
	r.settle()
	r.eventually("all follow-ups are done", func() bool { return len(r.followUps("status=waiting")) == 0 })
	tasks := tasksByQueue(t, redisURL, prefix)
	for _, queue := range []string{models.CriticalQueue, models.DefaultQueue, "follow-up:" + callback} {
		if tasks[queue] == 0 {
			t.Errorf("no task of queue %s was processed: %v", queue, tasks)
		}
	}
	if testing.Short() {
		return // the outage takes some seconds
	}
	f.strike()
	var ids []string
	r.eventually("the relay notices that "+f.name, func() bool {
		ids = append(ids, r.acceptNew(1)...)
		return strings.Contains(r.log.String(), "Redis does not work")
	})
	f.repair()
	repaired := time.Now()
	ids = append(ids, r.acceptNew(20)...)
	r.settle()
	t.Logf("%d events, the last of them processed %s after the repair", len(ids), time.Since(repaired).Round(time.Millisecond))
	r.applied(ids)
}

// tasksByQueue returns how many tasks of each queue were processed, as the inspector sees it.
func tasksByQueue(t *testing.T, redisURL, prefix string) map[string]int {
	t.Helper()
	q, err := jobs.OpenQueue(redisURL, prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close() //nolint:errcheck // it was only read
	figures, err := q.Figures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	processed := map[string]int{}
	for _, f := range figures {
		processed[f.Name] = f.Processed
	}
	return processed
}
