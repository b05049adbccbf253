package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/models"
)

const (
	// window is how many tasks of a queue may wait in Redis. A backlog waits in the database, where it costs nothing.
	window = 50
	// offerBatch is how many rows are offered at once, and tasksPerBatch how many tasks they are split into: a task costs as much as an
	// event, so if many wait, one task carries several.
	offerBatch    = 100
	tasksPerBatch = 4
	// relayPoll is how often the relay looks for due rows if nobody wakes it: for retries, and for rows that other processes stored.
	relayPoll = 200 * time.Millisecond
	// redisPause is how long the relay waits after an error.
	redisPause = 500 * time.Millisecond
	// probeEvery is how often Redis is asked whether it answers if nothing else is.
	probeEvery = time.Second
	// maxRest is how long the relay rests while deliveries crowd in, and restCheck how often it checks whether they still do.
	maxRest   = 300 * time.Millisecond
	restCheck = 10 * time.Millisecond
	// taskType is the type of all tasks. Event types are not task types, because asynq's ServeMux matches by prefix.
	taskType = "work"
)

// lane is a queue and the table that its tasks are about.
type lane struct {
	work  models.Work
	queue string
}

// lanes returns all queues: two for events, one for events that need a read, and one for each follow-up, so that a slow one delays neither
// events nor other follow-ups.
func lanes() []lane {
	all := []lane{{models.EventWork, models.CriticalQueue}, {models.EventWork, models.DefaultQueue}, {models.EventWork, readQueue}}
	for _, f := range followUps(Clients{}) {
		all = append(all, lane{models.FollowUpWork, followUpQueue(f.Name)})
	}
	return all
}

// Relay offers due events and follow-ups to the queue, and offers them again if the queue loses them. Any number of relays may run.
type Relay struct {
	store  *models.Store
	queue  *Queue
	client *asynq.Client
	lanes  []lane
	log    *slog.Logger
	woken  chan struct{}
	now    func() time.Time

	database *Outage // begun by whoever notices, and ended here
	redis    *Outage
	probed   time.Time // when Redis last answered or failed
}

// NewRelay returns a relay that is idle until Run. Others may begin an outage of the database; the relay finds out when it is over.
func NewRelay(store *models.Store, q *Queue, database *Outage, log *slog.Logger) *Relay {
	return &Relay{
		store: store, queue: q, client: asynq.NewClientFromRedisClient(q.relay), lanes: lanes(), log: log,
		woken: make(chan struct{}, 1), now: time.Now,
		database: database, redis: NewOutage("Redis does not work: events wait in the database", log),
	}
}

// Wake makes the relay look for due rows at once. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// Run offers due rows until ctx is done. Outages of the database and Redis are logged, and Run tries again.
func (r *Relay) Run(ctx context.Context) error {
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	for {
		r.rest(ctx)
		more, err := r.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		woken, pause := r.woken, poll.C
		switch {
		case err != nil:
			woken, pause = nil, time.After(redisPause)
		case more:
			continue
		}
		select {
		case <-woken:
		case <-pause:
		case <-ctx.Done():
			return nil
		}
	}
}

// rest waits while deliveries crowd in: the acknowledgements go first. It ends after maxRest, so that processing never stops.
func (r *Relay) rest(ctx context.Context) {
	for end := time.Now().Add(maxRest); r.store.Crowded() && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(restCheck)
	}
}

// round offers a batch of each queue, and reports whether there is more to do at once.
func (r *Relay) round(ctx context.Context) (more bool, err error) {
	if r.database.Lasts() {
		trying, cancel := context.WithTimeout(ctx, recordTimeout)
		defer cancel()
		if err := r.databaseResult(ctx, r.store.Ready(trying)); err != nil {
			return false, err
		}
		r.database.Note(nil)
	}
	for _, l := range r.lanes {
		full, err := r.offer(ctx, l)
		if err != nil {
			return false, err
		}
		more = more || full
	}
	if r.redis.Lasts() || time.Since(r.probed) > probeEvery { // so that an outage is noticed although nothing is due
		asking, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = r.redisResult(ctx, r.queue.relay.Ping(asking).Err())
	}
	return more, err
}

// databaseResult returns err, and begins an outage if there is an error. Only a write ends the outage: a database that answers may be read-only.
func (r *Relay) databaseResult(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		r.database.Note(err)
	}
	return err
}

// redisResult returns err, and begins or ends an outage.
func (r *Relay) redisResult(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		r.probed = time.Now()
		r.redis.Note(err)
	}
	return err
}

// offer offers the due rows of one queue, as many as its window allows. It reports whether there may be more.
func (r *Relay) offer(ctx context.Context, l lane) (full bool, err error) {
	looking, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	due, err := r.store.Due(looking, l.work, l.queue, r.now())
	if err != nil || !due {
		return false, r.databaseResult(ctx, err)
	}
	limit := 1 // one at a time during an outage: a Redis that answers may still refuse tasks
	if !r.redis.Lasts() {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		waiting, err := r.queue.waiting(asking, l.queue)
		if err != nil {
			return false, r.redisResult(ctx, err)
		}
		if limit = offerBatch; waiting >= window {
			return false, nil
		}
	}
	o, gaveUp, err := r.store.Offer(looking, l.work, l.queue, limit, r.now())
	if err != nil {
		return false, r.databaseResult(ctx, err)
	}
	for _, id := range gaveUp {
		r.log.Error("given up: the worker died in each attempt", "table", string(l.work), "id", id)
	}
	if len(o.IDs) == 0 {
		return false, nil
	}
	return len(o.IDs) == limit, r.redisResult(ctx, r.enqueue(ctx, l.queue, o))
}

// enqueue hands an offer to asynq, in several tasks. If Redis returns an error for a task, its rows are due again at once. If Redis has
// taken the task all the same, the worker cannot claim the rows, because they are due at another time now.
func (r *Relay) enqueue(ctx context.Context, queue string, o models.Offer) error {
	var g errgroup.Group
	g.SetLimit(8)
	for ids := range slices.Chunk(o.IDs, 1+len(o.IDs)/tasksPerBatch) {
		part := models.Offer{Work: o.Work, DueAt: o.DueAt, IDs: ids}
		g.Go(func() error {
			enqueuing, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			payload, err := json.Marshal(part)
			if err != nil {
				return fmt.Errorf("encode task: %w", err)
			}
			id := fmt.Sprintf("%s:%d:%d", part.Work, part.DueAt.UnixMicro(), ids[0])
			_, err = r.client.EnqueueContext(enqueuing, asynq.NewTask(taskType, payload),
				asynq.TaskID(id), asynq.Queue(r.queue.name(queue)), asynq.MaxRetry(0), asynq.Timeout(models.ClaimTimeout))
			if err == nil || errors.Is(err, asynq.ErrTaskIDConflict) { // a conflict: go-redis sent it twice
				return nil
			}
			releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
			defer cancel()
			_ = r.databaseResult(ctx, r.store.Release(releasing, part, r.now())) // if it fails, they are due after ClaimTimeout
			return fmt.Errorf("enqueue: %w", err)
		})
	}
	return g.Wait()
}
