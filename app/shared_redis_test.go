package app_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// Two installations may share a Redis without any setting: neither takes the other's tasks.
func TestTwoInstallationsShareRedis(t *testing.T) {
	t.Parallel()
	url := testservers.NewRedis(t).URL()
	one, two := sqlite(t), sqlite(t)
	one.redisURL, two.redisURL = url, url
	installations := []*running{start(t, one), start(t, two)}
	var ids [2][]string
	for range 10 {
		for i, r := range installations {
			ids[i] = append(ids[i], r.acceptNew(10)...)
		}
	}
	for i, r := range installations {
		r.settle()
		r.applied(ids[i])
		for _, e := range r.events("") { // a task that the wrong one takes costs its event the time of a claim
			if took := e.ProcessedAt.Sub(e.ReceivedAt.Time); took >= models.ClaimTimeout {
				t.Errorf("event %d was processed after %s, want none to wait for its second offer", e.ID, took)
			}
		}
	}
}

// The tasks of another asynq program in the same Redis are left alone, in queues of any name. One that was put into a queue of ours is
// reported, and not marked as done.
func TestForeignTasksAreLeftAlone(t *testing.T) {
	t.Parallel()
	url := testservers.NewRedis(t).URL()
	client, inspector := inspect(t, url)
	other := asynq.NewClientFromRedisClient(client)
	enqueue := func(queue string) (id string) {
		info, err := other.Enqueue(asynq.NewTask("invoice", []byte(`{"amount":100}`)), asynq.Queue(queue))
		if err != nil {
			t.Fatal(err)
		}
		return info.ID
	}
	theirs := map[string]string{}
	for _, queue := range []string{models.DefaultQueue, models.CriticalQueue} {
		theirs[queue] = enqueue(queue)
	}
	b := sqlite(t)
	b.redisURL = url
	r := start(t, b)
	r.acceptNew(20)
	r.settle()
	names := queues(t, inspector)
	ours := names[slices.IndexFunc(names, func(name string) bool { return theirs[name] == "" && strings.HasSuffix(name, models.DefaultQueue) })]
	misplaced := enqueue(ours)
	r.eventually("the misplaced task is reported", func() bool { return strings.Contains(r.log.String(), "task of another program") })
	r.eventually("it waits for its program", func() bool {
		info, err := inspector.GetTaskInfo(ours, misplaced)
		if errors.Is(err, asynq.ErrTaskNotFound) {
			t.Fatal("the misplaced task was marked as done")
		}
		return err == nil && info.State == asynq.TaskStateRetry
	})
	for queue, id := range theirs {
		if info, err := inspector.GetTaskInfo(queue, id); err != nil || info.State != asynq.TaskStatePending {
			t.Errorf("task in queue %s: %+v, %v, want it to wait", queue, info, err)
		}
	}
}
